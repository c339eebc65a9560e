# SPDX-License-Identifier: Apache-2.0
"""How a command ends: exit codes, and the errors that lead to them."""

from collections import abc
import re

from oslo_config import cfg

# Exit codes of nova-trove-guard.
OK = 0
NOT_OK = 1
USAGE = 2
UNAVAILABLE = 3
DENIED = 4
BUG = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as in shells
BROKEN_PIPE = 141  # the same for SIGPIPE

MEANINGS: abc.Mapping[int, str] = {
    OK: 'success: the command has nothing to report',
    NOT_OK: 'the command has something to report, such as discrepancies that '
            'are left, or a pipeline without the guard',
    USAGE: 'the command cannot run like this: a wrong option, missing '
           'credentials, a file that cannot be used, or something that the '
           'cloud lacks; the message names it',
    UNAVAILABLE: 'a service is down or too busy: run the command again later',
    DENIED: 'a service does not accept the credentials, or does not let them '
            'do what the command does',
    BUG: 'an error in nova-trove-guard itself: please report it',
    INTERRUPTED: 'interrupted (Ctrl-C)',
    BROKEN_PIPE: 'the reader of the output is gone',
}

# The location of a value in oslo.config's messages.
_LOCATION = re.compile(r"from LocationInfo\(.*?detail='(.*?)'\)")


class Refused(Exception):
    """The command cannot run like this, and has changed nothing.

    The message says why, and what to do.
    """


class Denied(Refused):
    """A service refuses a call that the command needs.

    The message names the call, the credentials in use, and the credentials
    that are needed.
    """


class Unavailable(Exception):
    """A service is down or too busy; the message names its URL."""


# The exit codes of errors. The first row that matches counts; any other error
# is a BUG.
_EXIT_CODES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((Denied,), DENIED),
    ((Unavailable,), UNAVAILABLE),
    ((Refused, OSError, ImportError, UnicodeDecodeError, cfg.Error), USAGE),
)


def exit_code(error: BaseException) -> int:
    """Return the exit code of a command that ends with an error."""
    return next((code for kinds, code in _EXIT_CODES
                 if isinstance(error, kinds)), BUG)


def describe(error: BaseException) -> str:
    """Describe an error, in one line if its message has only one."""
    if isinstance(error, OSError) and error.strerror:
        return (f'{error.filename}: {error.strerror}' if error.filename
                else error.strerror)
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition('.')[0]
        return f'the Python package {package} is not installed here'
    if isinstance(error, UnicodeDecodeError):
        return f'a file is not text in UTF-8: {error.reason}'
    text = _LOCATION.sub(r'in \1', str(error))
    if exit_code(error) == BUG:
        return (f'unexpected {type(error).__name__}: {text}. Please report '
                f'it, with what --debug shows.')
    return text


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with a noun, such as ``1 port`` or ``2 ports``.

    :param plural: None for a plural with s
    """
    return f'{number} {noun if number == 1 else plural or noun + "s"}'
