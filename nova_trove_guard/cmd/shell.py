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
import textwrap
import typing
import warnings

from cliff import app
from cliff import command
from cliff import commandmanager

from nova_trove_guard.cmd import completion
from nova_trove_guard.cmd import outcome

COMMANDS = 'nova_trove_guard.cli'


# Their messages are for developers, or repeat the error that follows.
_VERBOSE_LIBRARIES = {'keystoneauth': logging.ERROR,
                      'stevedore': logging.CRITICAL}


class _UnknownCommand(outcome.Refused, ValueError):
    """There is no such command; cliff expects a ValueError."""


class _Unusable(command.Command):
    """A command that cannot be imported."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Refuse to run."""
        raise outcome.Refused(self.get_description())


class _Entry(commandmanager.EntryPointWrapper):
    """An entry point with a command, which may need a missing package."""

    def __init__(self, entry: importlib.metadata.EntryPoint) -> None:
        super().__init__(entry.name, _Unusable)
        self._entry = entry

    @property
    def value(self) -> str:
        """The module and class of the command."""
        return self._entry.value

    def load(self) -> type[command.Command]:
        """Return the command, or one that reports what is missing."""
        try:
            loaded: type[command.Command] = self._entry.load()
        except ImportError as error:
            return type('_Unusable', (_Unusable,), {
                '__module__': __name__, '_description': (
                    f'Not usable: {outcome.describe(error)} (pip install '
                    f'"nova-trove-guard[cli]")')})
        return loaded


class _Commands(commandmanager.CommandManager):
    """Commands that are imported when they are run, not before.

    Importing all of them takes seconds, and one of them needs Nova, which is
    not installed on every host.
    """

    def load_commands(self, namespace: str) -> None:
        """Record the commands in a group of entry points."""
        self.group_list.append(namespace)
        for entry in importlib.metadata.entry_points(group=namespace):
            self.commands[entry.name.replace('_', ' ')] = _Entry(entry)

    def find_command(self, argv: list[str]) -> tuple[
            type[command.Command], str, list[str]]:
        """Return a command with its name and arguments."""
        try:
            found: tuple[type[command.Command], str, list[str]] = (
                super().find_command(argv))
        except ValueError as error:
            raise _UnknownCommand(
                f'there is no command {" ".join(argv)}: see nova-trove-guard '
                f'--help') from error
        return found


class Shell(app.App):
    """The application that runs one command."""

    # Show what libraries log at INFO only with -v.
    DEFAULT_VERBOSE_LEVEL = 0
    LOG = logging.getLogger(__name__)
    # The default is the name of the running script.
    NAME = 'nova-trove-guard'

    def __init__(self) -> None:
        super().__init__(
            description='Install and operate nova-trove-guard.',
            version=importlib.metadata.version('nova-trove-guard'),
            command_manager=_Commands(COMMANDS),
            deferred_help=True)
        self.command_manager.add_command('complete', completion.Complete)
        self.arguments: list[str] = []
        self._error: BaseException | None = None
        self.LOG.addFilter(_described)

    def build_option_parser(
            self, description: str | None, version: str | None,
            argparse_kwargs: dict[str, typing.Any] | None = None,
            ) -> argparse.ArgumentParser:
        """Return the parser of the options of all commands.

        It does not accept abbreviations: it also reads the command's options,
        and would take --log for --log-file.
        """
        parser: argparse.ArgumentParser = super().build_option_parser(
            description, version, {
                'allow_abbrev': False,
                'formatter_class': argparse.RawDescriptionHelpFormatter,
                'epilog': _exit_codes(), **(argparse_kwargs or {})})
        return parser

    def configure_logging(self) -> None:
        """Log to standard error, and to a file if --log-file names one."""
        try:
            super().configure_logging()
        except OSError as error:
            self.parser.error(f'argument --log-file: '
                              f'{outcome.describe(error)}')
        if not self.options.verbose_level:
            for name, level in _VERBOSE_LIBRARIES.items():
                logging.getLogger(name).setLevel(level)

    def initialize_app(self, argv: list[str]) -> None:
        """Show the help if no command is named."""
        self.options.deferred_help |= not argv

    def prepare_to_run_command(self, cmd: command.Command) -> None:
        """Refuse a command that cannot be imported, whatever its options."""
        if isinstance(cmd, _Unusable):
            cmd.take_action(argparse.Namespace())

    def run_subcommand(self, argv: list[str]) -> int:
        """Run a command, and return its exit code."""
        # Some options of a command exist only if another one is given: the
        # command looks for that one before it parses them.
        self.arguments = argv
        status: int = super().run_subcommand(argv)
        return (status if self._error is None
                else outcome.exit_code(self._error))

    def clean_up(self, cmd: command.Command, result: int,
                 err: BaseException | None) -> None:
        """Record the exception that a command raised."""
        self._error = err


def _described(record: logging.LogRecord) -> bool:
    """Replace an exception, which cliff logs, by its description."""
    if isinstance(record.msg, BaseException):
        record.msg = outcome.describe(record.msg)
    return True


def _exit_codes() -> str:
    """Return the table of exit codes for the help."""
    return '\n'.join(('exit codes:', *(
        textwrap.fill(meaning, 79, initial_indent=f'  {code:<5} ',
                      subsequent_indent=' ' * 8)
        for code, meaning in outcome.MEANINGS.items())))


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    :param argv: the arguments, None for those of the process
    :returns: the exit code
    """
    _quieten_libraries()
    for stream in (sys.stdout, sys.stderr):
        # Print text from a service or a file in any locale: escape the
        # characters that the locale does not have.
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
    # oslo.policy would log tracebacks of its parser, although the guard names
    # the rule that is not valid; and at DEBUG, cliff's level, all its checks.
    logging.getLogger('oslo_policy').setLevel(logging.INFO)
    logging.getLogger('oslo_policy._parser').setLevel(logging.CRITICAL)
