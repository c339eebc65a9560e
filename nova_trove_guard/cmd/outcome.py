# SPDX-License-Identifier: Apache-2.0
"""How a command ends."""

from cliff import lister

# Exit codes of nova-trove-guard.
FINE = 0
FOUND = 1  # there are findings, or the change is refused and nothing changed
USAGE = 2  # no such command or option
FAILED = 3  # a file or a service can't be used


class Refused(Exception):
    """The command does not do what it was told to, and has changed nothing.

    The message says why, and what to do.
    """


class Findings(lister.Lister):
    """A command that lists what it looked at, and ends with 1 if it is not
    well.

    :ivar are_well: whether it is; take_action sets it
    """

    def run(self, parsed_args):
        """Print the list, and return the exit code."""
        super().run(parsed_args)
        return FINE if self.are_well else FOUND
