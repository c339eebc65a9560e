# SPDX-License-Identifier: Apache-2.0
"""Read and write configuration files and files with secrets.

Files are written atomically, and never made readable to more users.
"""

from collections import abc
import contextlib
import os
import pathlib
import shutil
import stat
import tempfile
import typing

from nova_trove_guard.cmd import outcome

Path = str | os.PathLike[str]
Result = typing.TypeVar('Result')

BACKUP_SUFFIX = '.bak'
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read(path: Path) -> str:
    """Return the text of a file, with its own line ends.

    :raises outcome.Refused: if it is not a file, or not text in UTF-8
    :raises OSError: if it can't be read
    """
    path = pathlib.Path(path)
    if path.exists() and not path.is_file():
        raise outcome.Refused(f'{path} is not a file')
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise outcome.Refused(
            f'{path} is not text in UTF-8 (byte {error.start})') from error


def understood(function: abc.Callable[[str], Result],
               path: Path) -> tuple[str, Result]:
    """Call a function with the text of a file.

    :returns: the text, and what the function returned
    :raises outcome.Refused: if the function does; the message has the path
    """
    text = read(path)
    try:
        return text, function(text)
    except outcome.Refused as error:
        raise outcome.Refused(f'{path}: {error}') from error


def read_secret(path: Path) -> str:
    """Return the first line of a file that only its owner can read.

    :param path: may be a pipe
    :raises outcome.Refused: if others can read the file, it is empty, or it
        is not text in UTF-8
    :raises OSError: if it can't be read
    """
    with open(path, encoding='utf-8') as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode) and mode & OTHERS:
            raise outcome.Refused(
                f'users other than its owner can read {path}: run chmod 600, '
                f'and choose another password')
        try:
            secret = file.readline().rstrip('\r\n')
        except UnicodeDecodeError as error:
            raise outcome.Refused(f'{path} is not text in UTF-8') from error
    if not secret:
        raise outcome.Refused(f'{path} has no password in its first line')
    return secret


def rewrite(path: Path, text: str) -> str:
    """Replace the text of a file, and keep the original file as a backup.

    An existing backup is not replaced: it is the file before the first change.
    Owner, mode, extended attributes and symbolic links are kept.

    :returns: the path of the backup
    :raises OSError: if that fails; the file is then unchanged
    """
    path = os.path.realpath(path)
    backup = path + BACKUP_SUFFIX
    if not os.path.lexists(backup):
        with open(path, 'rb') as file:
            _replace(backup, file.read(), like=path)
    _replace(path, text.encode(), like=path)
    return backup


@contextlib.contextmanager
def secret_file(path: Path, text: str) -> abc.Iterator[None]:
    """Write a file for its owner only (0600), unless the block fails.

    The file is written under a temporary name before the block runs, so that
    the block cannot use a secret that is then lost.

    :raises OSError: if it can't be written
    """
    with _unfinished(os.path.realpath(path), text.encode()):
        yield


def _replace(path: str, content: bytes, like: str) -> None:
    with _unfinished(path, content) as unfinished:
        status = os.stat(like)
        os.chown(unfinished, status.st_uid, status.st_gid)
        shutil.copystat(like, unfinished)
        os.utime(unfinished)


@contextlib.contextmanager
def _unfinished(path: str, content: bytes) -> abc.Iterator[str]:
    """Write a new file (0600), and move it to a path after the block.

    :returns: the path of the file until then
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
