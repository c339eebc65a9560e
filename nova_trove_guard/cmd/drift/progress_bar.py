# SPDX-License-Identifier: Apache-2.0
"""A progress bar, for people only."""

import contextlib

WIDTH = 30


class Progress:
    """Shows on a terminal how far the work is, and nothing elsewhere.

    :param stream: text stream, such as sys.stderr
    """

    def __init__(self, stream):
        self._stream = stream
        self._is_shown = stream.isatty()

    def tell(self, what, count, total=None):
        """Show how far something is.

        :param what: what is being done
        :param count: how much of it is done
        :param total: how much there is to do, None where nobody knows
        """
        if self._is_shown:
            self._stream.write(f'\r{line(what, count, total)}\x1b[K')
            self._stream.flush()

    @contextlib.contextmanager
    def shown(self):
        """Take the line away at the end, however that comes."""
        try:
            yield self
        finally:
            if self._is_shown:
                self._stream.write('\r\x1b[K')
                self._stream.flush()


def line(what, count, total):
    """Return the text of a bar; without a total, of a counter."""
    if not total:
        return f'{what}: {count}'
    full = WIDTH * count // total
    return f'{what}: [{"#" * full:{WIDTH}}] {count}/{total}'
