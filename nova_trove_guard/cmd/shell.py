# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard``: the commands of the entry points below.

Another command is one more line in ``[options.entry_points]
nova_trove_guard.cli`` of setup.cfg; one that asks a cloud is a clouds.Command,
too.
"""

import importlib.metadata
import sys

from cliff import app
from cliff import commandmanager

from nova_trove_guard.cmd import outcome

COMMANDS = 'nova_trove_guard.cli'


class Shell(app.App):
    """Runs one command."""

    def __init__(self):
        super().__init__(
            description='Installs nova-trove-guard, and looks after it.',
            version=importlib.metadata.version('nova-trove-guard'),
            command_manager=commandmanager.CommandManager(COMMANDS),
            deferred_help=True)
        self._error = None

    def run_subcommand(self, argv):
        """Run a command, and return its exit code."""
        # Options that depend on others are looked for before parsing.
        self.arguments = argv
        status = super().run_subcommand(argv)
        if self._error is None or isinstance(self._error, outcome.Refused):
            return status
        return outcome.FAILED

    def clean_up(self, cmd, result, err):
        """Take note of what a command raised."""
        self._error = err


def main(argv=None):
    """Run the command line.

    :param argv: list of arguments, None for the process's own
    :returns: the exit code
    """
    arguments = sys.argv[1:] if argv is None else argv
    return Shell().run(arguments or ['help'])
