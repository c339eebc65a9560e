# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard``, and how ``nova-trove-guard-status`` starts.

Another command is one more line in ``[options.entry_points]
nova_trove_guard.cli`` of setup.cfg; one that asks a cloud is a clouds.Command,
too.
"""

import importlib.metadata
import logging
import os
import sys
import warnings

from cliff import app
from cliff import commandmanager

from nova_trove_guard.cmd import outcome

COMMANDS = 'nova_trove_guard.cli'


class _Commands(commandmanager.CommandManager):
    """Commands that are imported when they are run, and not before.

    Importing all of them takes seconds, and one of them needs Nova, which is
    not on every host.
    """

    def load_commands(self, namespace):
        """Take note of the commands in a group of entry points."""
        self.group_list.append(namespace)
        for command in importlib.metadata.entry_points(group=namespace):
            self.commands[command.name.replace('_', ' ')] = command


class Shell(app.App):
    """Runs one command."""

    # What libraries say of their work is for those who ask with -v.
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self):
        super().__init__(
            description='Installs nova-trove-guard, and looks after it.',
            version=importlib.metadata.version('nova-trove-guard'),
            command_manager=_Commands(COMMANDS),
            deferred_help=True)
        self._error = None

    def initialize_app(self, argv):
        """Show the help where no command is named."""
        self.options.deferred_help |= not argv

    def run_subcommand(self, argv):
        """Run a command, and return its exit code."""
        # Options that depend on others are looked for before parsing.
        self.arguments = argv
        try:
            status = super().run_subcommand(argv)
        except ModuleNotFoundError as error:
            self.LOG.error('%s needs the Python package %s, which is not '
                           'installed here', argv[0],
                           error.name.partition('.')[0])
            return outcome.FAILED
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
    _quieten_libraries()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        # Whatever Nova or a file says, it can be told in any locale.
        stream.reconfigure(errors='backslashreplace')
    return Shell().run(sys.argv[1:] if argv is None else argv)


def status():
    """Run the command line of ``nova-trove-guard-status``.

    :returns: the exit code
    """
    _quieten_libraries()
    # Not before: it imports Nova.
    from nova_trove_guard.cmd import upgrade_check
    return upgrade_check.main()


def _quieten_libraries():
    """Keep from operators what libraries tell their developers."""
    if not sys.warnoptions:
        warnings.simplefilter('ignore')
    # Nova 2025.1 would patch this process for eventlet when it is imported,
    # and say that it is too late.
    os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')
    # Nova 2025.2 would warn that a service is starting without eventlet.
    logging.getLogger('nova.monkey_patch').setLevel(logging.ERROR)
