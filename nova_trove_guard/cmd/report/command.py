# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard report LOG...``: what the guard refused, by group."""

import argparse
import collections
from collections.abc import Iterator
import pathlib
import typing

from cliff import lister

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.report import logs
from nova_trove_guard.cmd.report import pages
from nova_trove_guard.cmd.report import plots
from nova_trove_guard.cmd.report import tally
from nova_trove_guard.core.reports import log

_DEFAULT = ['operation', 'principal']
# What the page has plots of.
_PLOTTED = ('hour', 'operation', 'principal', 'database_instance')


class NotWritten(Exception):
    """The page can't be written where it was asked for."""


class Report(lister.Lister):
    """Count what the guard refused, or would refuse in audit mode.

    Reads logs of nova-api, cinder-api and neutron-api in oslo.log's default
    format or by its JSONFormatter, and skips what others wrote there.
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
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Print the list, and return the exit code."""
        try:
            super().run(parsed_args)
        except (logs.LogUnreadable, NotWritten) as error:
            self.app.LOG.error('%s', error)
            return outcome.USAGE
        except logs.LogBroken as error:
            self.app.LOG.error('%s', error)
            return outcome.FAILED
        return outcome.OK

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            tuple[str, ...], Iterator[tuple[typing.Any, ...]]]:
        """Read the logs, and return columns and rows."""
        listed = tally.Tally(parsed_args.by or _DEFAULT)
        plotted = {dimension: tally.Tally([dimension])
                   for dimension in _PLOTTED if parsed_args.html}
        total = tally.Group({}, collections.Counter())
        reader = logs.Reader()
        for logged in reader.read(parsed_args.log, self.app.stdin.buffer):
            total.add(logged)
            for each in (listed, *plotted.values()):
                each.add(logged)
        if reader.unreadable:
            self.app.LOG.warning(
                'Lines that look like the guard\'s, but can\'t be read: %d. '
                'They are not in one of oslo.log\'s formats, or cut short, '
                'and are not counted.', reader.unreadable)
        groups, counters = listed.groups(), tuple(map(str, plots.STACK))
        if parsed_args.html:
            _write(parsed_args.html, pages.page(
                total, {dimension: each.groups()
                        for dimension, each in plotted.items()},
                groups, counters, reader.unreadable))
        return (*listed.columns, *counters, 'first', 'last'), (
            (*group.values.values(),
             *(group.counts[counter] for counter in counters),
             group.first or log.NONE, group.last or log.NONE)
            for group in groups)


def _write(path: str, text: str) -> None:
    try:
        pathlib.Path(path).write_text(text, encoding='utf-8')
    except OSError as error:
        raise NotWritten(
            f'{path} can\'t be written: {error.strerror}') from error
