# SPDX-License-Identifier: Apache-2.0
"""Find the guard's lines in the logs of nova-api, cinder-api, neutron-api.

Any request can put text into a log. So a line counts only if the guard's
logger wrote it: the formats have the logger in front of all text that a
request can influence.
"""

from collections.abc import Iterable, Iterator
import contextlib
import dataclasses
import datetime
import gzip
import json
import re
import typing
import zlib

from nova_trove_guard.cmd import outcome
from nova_trove_guard.core.reports import log

STANDARD_INPUT = '-'
# How many bytes of a line are read. The guard's lines have a few hundred.
LIMIT = 1 << 20

_LOOKS_LIKE_OURS = re.compile(
    rb'nova_trove_guard\.reports|decision=[a-z_]+ request_id=')
# oslo.log's formats have the level and the logger in front of the message.
_LOGGER = re.compile(
    r'\b(?:CRITICAL|ERROR|WARNING|INFO|DEBUG|TRACE|AUDIT) ([\w.]+) ')
_TIME = re.compile(r'(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)')
# DevStack's log is in colours.
_COLOUR = re.compile('\x1b\\[[0-9;]*m')


@dataclasses.dataclass(frozen=True, slots=True)
class LoggedEntry:
    """A line of the guard in a log.

    :ivar time: ``YYYY-MM-DD HH:MM:SS`` by the log's own clock, None where
        the log does not show it in that form
    """

    time: str | None
    entry: log.Entry


class Reader:
    """Read the guard's lines.

    :ivar unreadable: how many lines look like the guard's, but can't be
        parsed
    """

    def __init__(self) -> None:
        self.unreadable = 0

    def read(self, paths: Iterable[str],
             stdin: typing.BinaryIO) -> Iterator[LoggedEntry]:
        """Yield the guard's entries, in the order of the logs.

        :param paths: of logs; one may be STANDARD_INPUT, and one that ends in
            ``.gz`` is compressed
        :raises outcome.Refused: if one can't be read
        """
        for path in paths:
            with _opened(path, stdin) as stream:
                try:
                    for line in _lines(stream):
                        if _LOOKS_LIKE_OURS.search(line):
                            yield from self._entries(line)
                except (OSError, EOFError, zlib.error) as error:
                    raise outcome.Refused(
                        f'{path} can\'t be read to its end: '
                        f'{getattr(error, "strerror", None) or error}'
                    ) from error

    def _entries(self, line: bytes) -> Iterator[LoggedEntry]:
        """Yield the entry in a line, nothing if another logger wrote it."""
        text = line.decode(errors='replace').rstrip('\r\n')
        try:
            found = (_in_json(text) if text.startswith('{') else
                     _in_text(_COLOUR.sub('', text)))
        except (ValueError, RecursionError):
            self.unreadable += 1
            return
        if found is not None:
            yield found


@contextlib.contextmanager
def _opened(path: str, stdin: typing.BinaryIO) -> Iterator[typing.BinaryIO]:
    if path == STANDARD_INPUT:
        yield stdin
        return
    try:
        stream = typing.cast(typing.BinaryIO, (
            gzip.open(path) if path.endswith('.gz') else open(path, 'rb')))
    except OSError as error:
        raise outcome.Refused(
            f'{path} can\'t be opened: {error.strerror}') from error
    with stream:
        yield stream


def _lines(stream: typing.BinaryIO) -> Iterator[bytes]:
    """Yield each line, or the beginning of a line that is too long."""
    while line := stream.readline(LIMIT):
        rest = line
        while len(rest) == LIMIT and not rest.endswith(b'\n'):
            rest = stream.readline(LIMIT)
        # Mark a line that is cut short, so that it counts as unreadable.
        yield line if rest is line else line + b' ...'


def _in_text(text: str) -> LoggedEntry | None:
    """Parse a line in oslo.log's default format.

    :returns: None for a line of another logger
    :raises ValueError: if it is not a line of the guard
    """
    logger = _LOGGER.search(text)
    if logger is None:
        raise ValueError('There is no logger in front of the message.')
    if logger[1] != log.LOGGER:
        return None
    begin = text.index('decision=', logger.end())
    times = _TIME.findall(text, 0, logger.start())
    return LoggedEntry(_time(times), log.read(text[begin:]))


def _in_json(text: str) -> LoggedEntry | None:
    """Parse a line of oslo.log's JSONFormatter, as _in_text() does."""
    record = json.loads(text)
    try:
        logger, message = record['name'], record['message']
    except (TypeError, KeyError) as error:
        raise ValueError('It is not of JSONFormatter.') from error
    if logger != log.LOGGER:
        return None
    return LoggedEntry(_time(_TIME.findall(str(record.get('asctime')))),
                       log.read(str(message)))


def _time(found: list[tuple[str, str]]) -> str | None:
    """Return the last time: log collectors put their own in front."""
    if not found:
        return None
    time = ' '.join(found[-1])
    try:
        datetime.datetime.fromisoformat(time)
    except ValueError:
        return None
    return time
