# SPDX-License-Identifier: Apache-2.0
"""Commands that print a list."""

import argparse
from collections import abc
import typing

from cliff import lister

from nova_trove_guard.cmd import outcome


class CheckLister(lister.Lister):
    """A command that lists what it checked.

    take_action sets its attributes.

    :ivar ok: whether all checks passed
    :ivar summary: what to print after the list, None for nothing
    """

    ok: bool
    summary: str | None = None

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Print the list, and return the exit code: 1 unless all is ok."""
        super().run(parsed_args)
        return outcome.OK if self.ok else outcome.NOT_OK

    def produce_output(
            self, parsed_args: argparse.Namespace,
            column_names: abc.Sequence[str],
            data: abc.Iterable[abc.Sequence[typing.Any]]) -> int:
        """Print the rows, and the summary to standard error."""
        status: int = super().produce_output(parsed_args, column_names, data)
        if self.summary is not None:
            print(self.summary, file=self.app.stderr)
        return status
