# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard paste insert | remove | check FILE``."""

import difflib

from cliff import command

from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines


def _add_file(parser):
    parser.add_argument('file', metavar='FILE',
                        help='Nova\'s api-paste.ini')


class _Change(command.Command):
    """A command that changes the file.

    :cvar change: the function of pipelines that does
    :cvar done: what has happened then
    """

    def get_parser(self, prog_name):
        """Add the options."""
        parser = super().get_parser(prog_name)
        _add_file(parser)
        parser.add_argument(
            '--dry-run', action='store_true',
            help='print the change as a unified diff, and change nothing')
        return parser

    def take_action(self, parsed_args):
        """Change the file, or print how it would."""
        path = parsed_args.file
        before, after = files.understood(type(self).change, path)
        if after == before:
            print(f'{path}: nothing to change', file=self.app.stdout)
        elif parsed_args.dry_run:
            self.app.stdout.writelines(_diff(before, after, path))
        else:
            backup = files.rewrite(path, after)
            print(f'{path}: {self.done}; before that it was {backup}. '
                  f'Restart nova-api.', file=self.app.stdout)


class Insert(_Change):
    """Put the guard into every pipeline of Nova's Compute API.

    It goes right after keystonecontext. Comments, order and spacing stay as
    they are, and what the file was is kept beside it. A file that is not
    understood stays as it is.
    """

    change = staticmethod(pipelines.insert)
    done = 'the guard is in it'


class Remove(_Change):
    """Take the guard out of every pipeline of an api-paste.ini.

    Undoes what "paste insert" does, and keeps what the file was beside it.
    """

    change = staticmethod(pipelines.remove)
    done = 'the guard is out of it'


class Check(outcome.CheckLister):
    """Tell of every pipeline whether the guard is in it, where it must be.

    Ends with 1 if it is missing, or in the wrong place, in any of them.
    """

    def get_parser(self, prog_name):
        """Add the argument."""
        parser = super().get_parser(prog_name)
        _add_file(parser)
        return parser

    def take_action(self, parsed_args):
        """Return the rows."""
        _, findings = files.understood(pipelines.check, parsed_args.file)
        self.ok = pipelines.are_ok(findings)
        return ('Place', 'Line', 'Guard'), [
            (finding.place, finding.line, str(finding.state))
            for finding in findings]


def _diff(before, after, path):
    for line in difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True),
            path, path):
        yield line if line.endswith('\n') else (
            f'{line}\n\\ No newline at end of file\n')
