# SPDX-License-Identifier: Apache-2.0
"""Print the steps that are done, and how long each took."""

import contextlib
import time


class Progress:
    """Print one line for each step that ends, from any thread."""

    def __init__(self):
        self._start = time.monotonic()

    def note(self, text):
        """Print a line with the seconds since the start.

        :param text: what happened
        """
        elapsed = time.monotonic() - self._start
        # Write the line in one call, as other threads print, too.
        print(f'{elapsed:6.1f} s  {text}\n', end='', flush=True)

    @contextlib.contextmanager
    def step(self, title):
        """Measure a step, and print it if it succeeds.

        :param title: what the step does
        """
        start = time.monotonic()
        yield
        self.note(f'{title} ({time.monotonic() - start:.1f} s)')
