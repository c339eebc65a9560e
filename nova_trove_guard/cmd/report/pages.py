# SPDX-License-Identifier: Apache-2.0
"""Render the report as one HTML page that loads no other files."""

from collections.abc import Sequence
import importlib.resources

import jinja2

from nova_trove_guard.cmd.report import plots
from nova_trove_guard.cmd.report import tally

# The limits of rows in a plot, and in the table below.
MOST_ROWS = 20
MOST_GROUPS = 500


def page(total: tally.Group, by: dict[str, Sequence[tally.Group]],
         details: Sequence[tally.Group], counters: Sequence[str],
         unreadable: int, policy: str | None = None) -> str:
    """Return the page.

    :param total: all lines
    :param by: groups by dimension; those by hour are plotted by time
    :param details: the groups in the table
    :param counters: the columns with numbers in the table
    :param unreadable: how many lines could not be read
    :param policy: the policy file by which calls were judged
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(
        importlib.resources.files(__package__).joinpath(
            'page.html.j2').read_text())
    return template.render(
        total=total, details=details[:MOST_GROUPS],
        left_out=len(details[MOST_GROUPS:]), counters=counters,
        unreadable=unreadable, policy=policy, stack=plots.STACK,
        timeline=plots.timeline(by['hour']),
        charts={dimension: _chart(groups) for dimension, groups in by.items()
                if dimension != 'hour'})


def _chart(groups: Sequence[tally.Group]) -> dict[str, object]:
    """Return the rows of a bar chart, and how many are left out."""
    longest = groups[0].total if groups else 1
    return {'rows': [(group, plots.bar(group, longest))
                     for group in groups[:MOST_ROWS]],
            'left_out': len(groups[MOST_ROWS:])}
