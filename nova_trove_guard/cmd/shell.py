# SPDX-License-Identifier: Apache-2.0
"""The entry points of ``nova-trove-guard`` and ``nova-trove-guard-status``.

To add a command, add a line to ``[options.entry_points]
nova_trove_guard.cli`` of setup.cfg. A command that connects to a cloud is a
clouds.Command.
"""

import argparse
import importlib.metadata
import io
import logging
import os
import sys
import typing
import warnings

from cliff import app
from cliff import command
from cliff import commandmanager

from nova_trove_guard.cmd import outcome

COMMANDS = 'nova_trove_guard.cli'


class _Commands(commandmanager.CommandManager):
    """Commands that are imported when they are run, not before.

    Importing all of them takes seconds, and one of them needs Nova, which is
    not installed on every host.
    """

    def load_commands(self, namespace: str) -> None:
        """Record the commands in a group of entry points."""
        self.group_list.append(namespace)
        for entry in importlib.metadata.entry_points(group=namespace):
            self.commands[entry.name.replace('_', ' ')] = entry


class Shell(app.App):
    """Runs one command."""

    # Libraries log at INFO: -v shows that.
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self) -> None:
        super().__init__(
            description='Install and operate nova-trove-guard.',
            version=importlib.metadata.version('nova-trove-guard'),
            command_manager=_Commands(COMMANDS),
            deferred_help=True)
        self.arguments: list[str] = []
        self._error: BaseException | None = None

    def build_option_parser(
            self, description: str | None, version: str | None,
            argparse_kwargs: dict[str, typing.Any] | None = None,
            ) -> argparse.ArgumentParser:
        """Return the parser of the options of all commands.

        It reads the options of the command, too: without abbreviations, it
        does not take --log for --log-file.
        """
        parser: argparse.ArgumentParser = super().build_option_parser(
            description, version,
            {'allow_abbrev': False, **(argparse_kwargs or {})})
        return parser

    def initialize_app(self, argv: list[str]) -> None:
        """Show the help if no command is named."""
        self.options.deferred_help |= not argv

    def run_subcommand(self, argv: list[str]) -> int:
        """Run a command, and return its exit code."""
        # Some options depend on others: commands read them before parsing.
        self.arguments = argv
        try:
            status: int = super().run_subcommand(argv)
        except ModuleNotFoundError as error:
            self.LOG.error('%s needs the Python package %s, which is not '
                           'installed here', argv[0],
                           (error.name or '').partition('.')[0])
            return outcome.FAILED
        if self._error is None or isinstance(self._error, outcome.Refused):
            return status
        return outcome.FAILED

    def clean_up(self, cmd: command.Command, result: int,
                 err: BaseException | None) -> None:
        """Record the exception that a command raised."""
        self._error = err


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    :param argv: the arguments, None for those of the process
    :returns: the exit code
    """
    _quieten_libraries()
    for stream in (sys.stdout, sys.stderr):
        # Text from Nova or a file can be printed in any locale.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    exit_code: int = Shell().run(sys.argv[1:] if argv is None else argv)
    return exit_code


def status() -> int:
    """Run the command line of ``nova-trove-guard-status``.

    :returns: the exit code
    """
    _quieten_libraries()
    # Not at the top: importing it takes seconds.
    from nova_trove_guard.cmd import upgrade_check
    return upgrade_check.main()


def _quieten_libraries() -> None:
    """Hide warnings of libraries that only developers need."""
    if not sys.warnoptions:
        warnings.simplefilter('ignore')
    # Nova 2025.1 would patch this process for eventlet when it is imported,
    # and warn that it is too late.
    os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')
    # Nova 2025.2 would warn that a service is starting without eventlet.
    logging.getLogger('nova.monkey_patch').setLevel(logging.ERROR)
    # oslo.policy would log a traceback of its parser (the guard names the rule
    # that is at fault), and at DEBUG, cliff's level, all that it judges.
    logging.getLogger('oslo_policy').setLevel(logging.INFO)
    logging.getLogger('oslo_policy._parser').setLevel(logging.CRITICAL)
