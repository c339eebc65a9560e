# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard report LOG...``: what the guard refused, by group."""

import argparse
import collections
from collections.abc import Iterator
import pathlib
import typing

from cliff import lister

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.report import judgements
from nova_trove_guard.cmd.report import logs
from nova_trove_guard.cmd.report import pages
from nova_trove_guard.cmd.report import plots
from nova_trove_guard.cmd.report import tally
from nova_trove_guard.cmd import wings
from nova_trove_guard.core.reports import log

_DEFAULT = ['operation', 'principal']
# The dimensions of which the page has plots.
_PLOTTED = ('hour', 'operation', 'principal', 'database_instance')


class Report(lister.Lister):
    """Count what the guard refused, or would refuse in audit mode.

    Reads logs of nova-api, cinder-api and neutron-api in oslo.log's default
    format or by its JSONFormatter, and skips lines that are not the guard's.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'log', nargs='+', metavar='LOG',
            help=f'a log, also one compressed to .gz, or '
                 f'{logs.STANDARD_INPUT} for standard input')
        parser.add_argument(
            '--by', action='append', choices=tuple(tally.DIMENSIONS),
            help='what to group by; may be given several times (default: '
                 'operation and principal)')
        parser.add_argument(
            '--html', metavar='<file>',
            help='also write a page with plots, for a browser')
        parser.add_argument(
            '--policy', metavar='<file>',
            help='also judge each call by this policy file, and by the '
                 'installed service\'s defaults for rules that are not in it')
        parser.add_argument(
            '--service', choices=tuple(wings.PACKAGES), default='compute',
            help='the service of the policy file (default: %(default)s)')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            tuple[str, ...], Iterator[tuple[typing.Any, ...]]]:
        """Read the logs, and return columns and rows."""
        judge = (judgements.create(parsed_args.policy, parsed_args.service)
                 if parsed_args.policy else None)
        listed = tally.Tally(parsed_args.by or _DEFAULT)
        plotted = {dimension: tally.Tally([dimension])
                   for dimension in _PLOTTED if parsed_args.html}
        total = tally.Group({}, collections.Counter())
        reader = logs.Reader()
        for logged in reader.read(parsed_args.log, self.app.stdin.buffer):
            judgement = judge.judge(logged.entry) if judge else None
            total.add(logged, judgement)
            for each in (listed, *plotted.values()):
                each.add(logged, judgement)
        if reader.unreadable:
            self.app.LOG.warning(
                'Lines that look like the guard\'s, but can\'t be read: %d. '
                'They are cut short or not in one of oslo.log\'s formats, '
                'and are not counted.', reader.unreadable)
        groups = listed.groups()
        counters = [*plots.STACK, *(judgements.PolicyVerdict if judge else ())]
        if parsed_args.html:
            _write(parsed_args.html, pages.page(
                total, {dimension: each.groups()
                        for dimension, each in plotted.items()},
                groups, counters, reader.unreadable, parsed_args.policy))
        columns = (*listed.columns, *map(str, counters), 'first', 'last',
                   *(('why_not_judged',) if judge else ()))
        return columns, (
            (*group.values.values(),
             *(group.counts[counter] for counter in counters),
             group.first or log.NONE, group.last or log.NONE,
             *(('; '.join(sorted(group.why)),) if judge else ()))
            for group in groups)


def _write(path: str, text: str) -> None:
    try:
        pathlib.Path(path).write_text(text, encoding='utf-8')
    except OSError as error:
        raise outcome.Refused(
            f'{path} can\'t be written: {error.strerror}') from error
