# SPDX-License-Identifier: Apache-2.0
"""Tells the user what is done, and how long it took."""

import contextlib
import time


class Progress:
    """Prints one line for each step that ends, from any thread."""

    def __init__(self):
        self._start = time.monotonic()

    def note(self, text):
        """Print a line with the seconds since the start.

        :param text: what happened
        """
        elapsed = time.monotonic() - self._start
        # One write a line: other threads print too.
        print(f'{elapsed:6.1f} s  {text}\n', end='', flush=True)

    @contextlib.contextmanager
    def step(self, title):
        """Time a step, and print it when it succeeded.

        :param title: what is being done
        """
        start = time.monotonic()
        yield
        self.note(f'{title} ({time.monotonic() - start:.1f} s)')
