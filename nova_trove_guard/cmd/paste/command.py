# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard paste insert | remove | check FILE``."""

import argparse
from collections import abc
import difflib
import typing

from cliff import command

from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import listers
from nova_trove_guard.cmd.paste import pipelines


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('file', metavar='FILE',
                        help='the api-paste.ini of Nova, Cinder or Neutron')


class _Change(command.Command):
    """A command that changes the file.

    :cvar change: the function that returns the new text
    :cvar done: the message after a change
    """

    change: abc.Callable[[str], str]
    done: str

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_file(parser)
        parser.add_argument(
            '--dry-run', action='store_true',
            help='print the change as a unified diff, and change nothing')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Change the file, or print the change."""
        path = parsed_args.file
        before, after = files.understood(type(self).change, path)
        if after == before:
            print(f'{path}: nothing to change', file=self.app.stdout)
        elif parsed_args.dry_run:
            self.app.stdout.writelines(_diff(before, after, path))
        else:
            backup = files.rewrite(path, after)
            process = pipelines.api_of(after).process
            print(f'{path}: {self.done}; the original file is kept as '
                  f'{backup}. Restart {process}.', file=self.app.stdout)


class Insert(_Change):
    """Insert the guard into every pipeline of a service's API.

    The file's filters show whether it is for Nova, Cinder or Neutron. The
    guard is inserted right after keystonecontext. Comments, order and spacing
    are kept, and the original file is kept as <name>.bak. A file with a layout
    that is not supported is refused and not changed.
    """

    change = staticmethod(pipelines.insert)
    done = 'the guard is in every pipeline'


class Remove(_Change):
    """Remove the guard from every pipeline of an api-paste.ini.

    Reverts "paste insert". The original file is kept as <name>.bak.
    """

    change = staticmethod(pipelines.remove)
    done = 'the guard is removed'


class Check(listers.CheckLister):
    """Check whether every pipeline has the guard in the right place.

    The exit code is 1 if the guard is missing or in the wrong place in any
    pipeline, or if it is the filter of another service.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the argument."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_file(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            abc.Sequence[str], abc.Iterable[typing.Any]]:
        """Return the rows."""
        _, findings = files.understood(pipelines.check, parsed_args.file)
        self.ok = pipelines.are_ok(findings)
        return ('Place', 'Line', 'Guard'), [
            (finding.place, finding.line, str(finding.state))
            for finding in findings]


def _diff(before: str, after: str, path: str) -> abc.Iterator[str]:
    for line in difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True),
            path, path):
        yield line if line.endswith('\n') else (
            f'{line}\n\\ No newline at end of file\n')
