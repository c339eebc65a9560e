# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard drift``: compare Trove with the other services."""

import argparse
from collections import abc
import contextlib
import json
import os
import typing

import openstack
from troveclient import exceptions as trove_exceptions

from nova_trove_guard.cmd import clouds
from nova_trove_guard.cmd.drift import comparisons
from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd.drift import fixes
from nova_trove_guard.cmd.drift import progress_bar
from nova_trove_guard.cmd.drift import retries
from nova_trove_guard.cmd.drift import sources
from nova_trove_guard.cmd.drift import store
from nova_trove_guard.cmd import listers
from nova_trove_guard.cmd import outcome
from nova_trove_guard.core import options
from nova_trove_guard.trove import opts

JOBS = 4
# A keystoneauth1 session keeps at most this many connections.
MOST_JOBS = 10
FOUND = 'found'


class Drift(clouds.Command, listers.CheckLister):
    """Compare Trove's records with Nova's, Cinder's and Neutron's.

    Prints one line per discrepancy, with the command that fixes it. Use the
    Trove admin's credentials: any admin can run the comparison, but where
    the guard is on, only the Trove admin can fix markers. The exit code is 0
    if there are no discrepancies, 1 if some are left, and 3 if a service
    stays down; with --state, the next run then continues where this one
    stopped.
    """

    need_sort_by_cliff = False
    whose = 'the Trove admin\'s or a cloud admin\'s'
    errors = (*clouds.Command.errors, trove_exceptions.ClientException)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--metadata-key', metavar='<key>',
            default=options.DEFAULT_METADATA_KEY,
            help='the marker: metadata_key in [trove_guard] of nova.conf '
                 '(default: %(default)s)')
        parser.add_argument(
            '--server-owner', default='trove',
            choices=tuple(opts.SERVER_OWNERS),
            help='who owns the servers: server_owner in [trove_guard] of '
                 'trove.conf (default: %(default)s)')
        parser.add_argument(
            '--trove-project', metavar='<project>',
            help='the ID of Trove\'s own project (default: the project of '
                 'the credentials)')
        parser.add_argument(
            '--security-group-prefix', default='trove_sg', metavar='<name>',
            help='what the names of the security groups of database '
                 'instances begin with: trove_security_group_name_prefix in '
                 'trove.conf (default: %(default)s)')
        parser.add_argument(
            '--trove-region', metavar='<region>',
            help='the region of Trove (default: the region of Nova)')
        parser.add_argument(
            '--other-trove', action='append', default=[], metavar='<region>',
            help='the region of another Trove with servers in the same '
                 'Nova, volumes in the same Cinder or ports in the same '
                 'Neutron: their markers are not reported as forged; repeat '
                 'for several')
        parser.add_argument(
            '--tagged-only', action='store_true',
            help='list only servers with Trove\'s tag: faster in a cloud '
                 'with many other servers, but forged markers on servers are '
                 'not detected')
        parser.add_argument(
            '--ignore', action='append', default=[], metavar='<code>',
            choices=[code.value for code in discrepancies.Code],
            help='do not report discrepancies with this code, such as '
                 'unlocked where Trove does not lock servers; repeat for '
                 'several')
        parser.add_argument(
            '--jobs', default=JOBS, type=int, metavar='<number>',
            choices=range(1, MOST_JOBS + 1),
            help=f'the number of parallel calls, at most {MOST_JOBS} '
                 f'(default: %(default)s)')
        parser.add_argument(
            '--state', default='', metavar='<file>',
            help='save progress to a file, so that an interrupted run can '
                 'continue; the file is removed at the end')
        parser.add_argument(
            '--fix', action='store_true',
            help='fix what is safe to fix: mark servers, volumes, ports and '
                 'security groups, and lock servers with a reason')
        parser.add_argument(
            '--dry-run', action='store_true',
            help='with --fix, show what would be fixed, and change nothing')
        parser.add_argument(
            '--yes', action='store_true',
            help='with --fix, do not ask for confirmation')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            abc.Sequence[str], abc.Iterable[typing.Any]]:
        """Compare, fix, and return the rows."""
        if parsed_args.fix and not (
                parsed_args.dry_run or parsed_args.yes or
                self.app.stdin.isatty()):
            raise outcome.Refused(
                '--fix needs a terminal to ask for confirmation: use --yes '
                'or --dry-run')
        connection = self.connect(parsed_args)
        with contextlib.closing(store.Ledger(
                parsed_args.state,
                _subject(connection, parsed_args))) as ledger:
            comparison = _comparison(
                connection, parsed_args, ledger, self.app.stderr)
            if not comparison.cinder.is_there():
                print('Volumes are not compared: the catalog has no Cinder.',
                      file=self.app.stderr)
            if not comparison.neutron.is_there():
                print('Ports and security groups are not compared: the '
                      'catalog has no Neutron.', file=self.app.stderr)
            with comparison.progress.shown():
                comparison.run()
            if parsed_args.fix:
                self._fix(fixes.Fix(
                    comparison, connection.current_project_id,
                    not parsed_args.dry_run), parsed_args)
            rows, left = [], 0
            for each, result in ledger.results():
                rows.append((
                    each.code, each.server, each.volume, each.port,
                    each.security_group, each.instance, each.detail,
                    result or FOUND,
                    each.remedy(parsed_args.metadata_key)))
                left += result not in fixes.RESOLVED
            self.ok = not left
            self.summary = _summary(ledger, left)
        return ('Code', 'Server', 'Volume', 'Port', 'Security Group',
                'Database Instance', 'Detail', 'Result', 'Remedy'), rows

    def _fix(self, fix: fixes.Fix, parsed_args: argparse.Namespace) -> None:
        if fix.for_real and fix.count and not parsed_args.yes:
            what = outcome.count(fix.count, 'discrepancy', 'discrepancies')
            print(f'Fix {what}? [y/N] ', end='', flush=True,
                  file=self.app.stderr)
            if self.app.stdin.readline().strip().lower() != 'y':
                return
        with fix.comparison.progress.shown():
            fix.run()

    def produce_output(
            self, parsed_args: argparse.Namespace,
            column_names: abc.Sequence[str],
            data: abc.Iterable[abc.Sequence[typing.Any]]) -> int:
        """Print the rows and the summary, and remove the saved progress."""
        status = super().produce_output(parsed_args, column_names, data)
        self.app.stdout.flush()
        if parsed_args.state:
            # Not before the discrepancies are printed.
            os.unlink(parsed_args.state)
        return status


def _where(connection: openstack.connection.Connection, service: str,
           region: str | None = None) -> dict[str, typing.Any]:
    """Return the arguments of a keystoneauth1 Adapter for a service."""
    config = connection.config
    return {'region_name': region or config.get_region_name(service),
            'interface': config.get_interface(service),
            'endpoint_override': (
                None if region else config.get_endpoint(service))}


def _comparison(connection: openstack.connection.Connection,
                parsed_args: argparse.Namespace, ledger: store.Ledger,
                stderr: typing.TextIO) -> comparisons.Comparison:
    progress = progress_bar.Progress(stderr)
    session = retries.PatientSession(connection.session, progress)
    compute = _where(connection, 'compute')

    def trove(region: str | None) -> sources.Trove:
        return sources.Trove(
            session, compute['region_name'],
            **_where(connection, 'database', region))

    return comparisons.Comparison(
        nova=sources.Nova(session, parsed_args.tagged_only, **compute),
        cinder=sources.Cinder(
            session, **_where(connection, 'block-storage')),
        neutron=sources.Neutron(session, **_where(connection, 'network')),
        trove=trove(parsed_args.trove_region),
        other_troves=tuple(map(trove, parsed_args.other_trove)),
        expectation=discrepancies.Expectation(
            parsed_args.metadata_key, parsed_args.server_owner,
            parsed_args.trove_project or connection.current_project_id,
            parsed_args.security_group_prefix),
        ledger=ledger, progress=progress,
        ignored=frozenset(map(discrepancies.Code, parsed_args.ignore)),
        jobs=parsed_args.jobs)


def _subject(connection: openstack.connection.Connection,
             parsed_args: argparse.Namespace) -> str:
    """Return what is compared, for the ledger."""
    return json.dumps([
        connection.config.get_auth_args().get('auth_url'),
        _where(connection, 'compute'),
        _where(connection, 'block-storage'),
        _where(connection, 'network'),
        _where(connection, 'database', parsed_args.trove_region),
        parsed_args.other_trove, parsed_args.metadata_key,
        parsed_args.server_owner, parsed_args.trove_project,
        parsed_args.security_group_prefix, parsed_args.tagged_only,
        parsed_args.ignore])


def _summary(ledger: store.Ledger, left: int) -> str:
    tally = ledger.tally()
    codes = ', '.join(f'{code} {count}' for code, count in tally.items())
    instances = outcome.count(ledger.size('instances'), 'database instance')
    found = outcome.count(sum(tally.values()), 'discrepancy', 'discrepancies')
    return (f'{instances}: {found}{f" ({codes})" if codes else ""}, '
            f'{left} left')
