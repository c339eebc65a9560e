# SPDX-License-Identifier: Apache-2.0
"""A progress bar for terminals, and a line for each pause."""

from collections import abc
import contextlib
import math
import threading
import time
import typing

WIDTH = 30
CLEAR = '\r\x1b[K'  # what removes the bar


class Progress:
    """Show progress on a terminal, and pauses on any stream.

    :param stream: such as sys.stderr
    """

    def __init__(self, stream: typing.TextIO) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()
        self._lock = threading.Lock()
        self._pause_end = -math.inf

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

    def waiting(self, text: str, pause: float) -> None:
        """Show in a line of its own that a thread waits.

        Of threads that wait at the same time, only the first is shown.

        :param text: what it waits for
        :param pause: how long it waits, in seconds
        """
        with self._lock:
            now = time.monotonic()
            if now < self._pause_end:
                return
            self._pause_end = now + pause
            clear = CLEAR if self._is_shown else ''
            self._stream.write(f'{clear}{text}\n')
            self._stream.flush()

    @contextlib.contextmanager
    def shown(self) -> abc.Iterator[None]:
        """Remove the bar when the block ends or fails."""
        try:
            yield
        finally:
            if self._is_shown:
                self._stream.write(CLEAR)
                self._stream.flush()


def line(what: str, count: int, total: int | None) -> str:
    """Return the text of a bar, or of a counter if there is no total."""
    if not total:
        return f'{what}: {count}'
    full = WIDTH * count // total
    return f'{what}: [{"#" * full:{WIDTH}}] {count}/{total}'
