# SPDX-License-Identifier: Apache-2.0
"""Writes configuration files: whole or not at all, and to nobody new."""

import contextlib
import os
import pathlib
import shutil
import stat
import tempfile

from nova_trove_guard.cmd import outcome

BACKUP_SUFFIX = '.bak'
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read(path):
    """Read a text file, line ends as they are.

    :param path: its path
    :returns: its text
    :raises outcome.Refused: for what is no file, or no text in UTF-8
    :raises OSError: if it can't be read
    """
    path = pathlib.Path(path)
    if path.exists() and not path.is_file():
        raise outcome.Refused(f'{path} is not a file')
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise outcome.Refused(
            f'{path} can\'t be decoded as UTF-8: {error}') from error


def understood(function, path):
    """Call a function with the text of a file.

    :param function: what takes a text, and may raise outcome.Refused
    :param path: the file
    :returns: the text, and what the function returns
    :raises outcome.Refused: as the function, with the path in its message
    """
    text = read(path)
    try:
        return text, function(text)
    except outcome.Refused as error:
        raise outcome.Refused(f'{path}: {error}') from error


def read_secret(path):
    """Read the first line of a file that nobody else can read.

    :param path: its path; it may be a pipe
    :returns: the line, without its end
    :raises outcome.Refused: if others can read the file, or it is empty
    :raises OSError: if it can't be read
    """
    with open(path, encoding='utf-8') as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode) and mode & OTHERS:
            raise outcome.Refused(
                f'{path} can be read by others than its owner: chmod 600 it, '
                f'and think of another password')
        secret = file.readline().rstrip('\r\n')
    if not secret:
        raise outcome.Refused(f'{path} has no password in its first line')
    return secret


def rewrite(path, text):
    """Give a file another text, and keep the one that it had beside it.

    Owner, mode and extended attributes stay, and a symbolic link goes on
    leading to the file.

    :param path: the file
    :param text: its new text
    :returns: the path (str) of the backup, which holds what the file was
        right before
    :raises OSError: if that fails; then the file is as it was
    """
    path = os.path.realpath(path)
    backup = path + BACKUP_SUFFIX
    with open(path, 'rb') as file:
        _replace(backup, file.read(), like=path)
    _replace(path, text.encode(), like=path)
    return backup


@contextlib.contextmanager
def secret_file(path, text):
    """Write a file for its owner alone (0600), unless the block fails.

    It is there under another name while the block runs, so that nothing is
    done with a secret that could not be kept.

    :param path: its path
    :param text: what it is to say
    :raises OSError: if it can't be written
    """
    with _unfinished(os.path.realpath(path), text.encode()):
        yield


def _replace(path, content, like):
    with _unfinished(path, content) as unfinished:
        status = os.stat(like)
        os.chown(unfinished, status.st_uid, status.st_gid)
        shutil.copystat(like, unfinished)
        os.utime(unfinished)


@contextlib.contextmanager
def _unfinished(path, content):
    """Write a new file (0600), which takes a path's place after the block.

    :returns: the path under which it is there until then
    """
    directory, name = os.path.split(path)
    descriptor, unfinished = tempfile.mkstemp(
        prefix=f'.{name}.', dir=directory)
    try:
        with open(descriptor, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
