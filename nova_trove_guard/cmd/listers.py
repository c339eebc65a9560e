# SPDX-License-Identifier: Apache-2.0
"""Commands that print a list."""

import argparse

from cliff import lister

from nova_trove_guard.cmd import outcome


class CheckLister(lister.Lister):
    """A command that lists what it checked.

    :ivar ok: whether all checks passed; take_action sets it
    """

    ok: bool

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Print the list, and return the exit code: 1 unless all is ok."""
        super().run(parsed_args)
        return outcome.OK if self.ok else outcome.NOT_OK
