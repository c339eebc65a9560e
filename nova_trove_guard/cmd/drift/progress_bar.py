# SPDX-License-Identifier: Apache-2.0
"""A progress bar for terminals."""

from collections import abc
import contextlib
import typing

WIDTH = 30


class Progress:
    """Shows progress on a terminal, and nothing on any other stream.

    :param stream: such as sys.stderr
    """

    def __init__(self, stream: typing.TextIO) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()

    def update(self, what: str, count: int,
               total: int | None = None) -> None:
        """Show the progress of a task.

        :param what: the name of the task
        :param count: how many items are done
        :param total: how many items there are, None if that is not known
        """
        if self._is_shown:
            self._stream.write(f'\r{line(what, count, total)}\x1b[K')
            self._stream.flush()

    @contextlib.contextmanager
    def shown(self) -> abc.Iterator[None]:
        """Remove the bar when the block ends or fails."""
        try:
            yield
        finally:
            if self._is_shown:
                self._stream.write('\r\x1b[K')
                self._stream.flush()


def line(what: str, count: int, total: int | None) -> str:
    """Return the text of a bar, or of a counter if there is no total."""
    if not total:
        return f'{what}: {count}'
    full = WIDTH * count // total
    return f'{what}: [{"#" * full:{WIDTH}}] {count}/{total}'
