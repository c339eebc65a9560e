# SPDX-License-Identifier: Apache-2.0
"""Compute the bars of plots, which the template draws as SVG."""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import datetime
import math

from nova_trove_guard.cmd.report import tally
from nova_trove_guard.core import decisions

# The segments of a bar, from the bottom up; also their CSS classes.
STACK = (decisions.Outcome.REFUSED, decisions.Outcome.WOULD_REFUSE,
         decisions.Outcome.BREAK_GLASS)
MOST_BARS = 120
HOURS = (1, 3, 6, 12, 24, 7 * 24)  # widths of a bar

_HOUR = datetime.timedelta(hours=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar.

    :ivar outcome: what it counts
    :ivar start: where it begins, as a share of the axis
    :ivar length: its length, in the same unit
    :ivar count: the number of calls
    """

    outcome: decisions.Outcome
    start: float
    length: float
    count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """A bar of segments.

    :ivar label: what it is about
    :ivar segments: those that are not empty
    """

    label: str
    segments: tuple[Segment, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Timeline:
    """Bars side by side, one for each span of time.

    :ivar hours: the width of a bar, in hours
    :ivar bars: in order of time
    :ivar ticks: where the lines of the grid are: number, share of the axis
    """

    hours: int
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[int, float], ...]


def timeline(groups: Iterable[tally.Group]) -> Timeline | None:
    """Return the plot of groups by hour, None if no group has a time."""
    counts = {datetime.datetime.fromisoformat(group.first): group.counts
              for group in groups if group.first}
    if not counts:
        return None
    first = min(counts).replace(minute=0, second=0)
    span = (max(counts) - first) // _HOUR + 1
    hours = next((width for width in HOURS if span <= width * MOST_BARS),
                 HOURS[-1] * math.ceil(span / (HOURS[-1] * MOST_BARS)))
    totals = [dict.fromkeys(STACK, 0) for _ in range(-(-span // hours))]
    for moment, count in counts.items():
        total = totals[(moment - first) // _HOUR // hours]
        for outcome in STACK:
            total[outcome] += count[outcome]
    ticks = _ticks(max(sum(total.values()) for total in totals))
    return Timeline(hours, tuple(
        Bar(f'{first + number * hours * _HOUR:%Y-%m-%d %H:%M}',
            tuple(_segments(list(total.values()), ticks[-1])))
        for number, total in enumerate(totals)),
        tuple((tick, tick / ticks[-1]) for tick in ticks))


def bar(group: tally.Group, longest: int) -> Bar:
    """Return the bar of a group.

    :param longest: the number at the end of the axis
    """
    return Bar(group.label, tuple(_segments(
        [group.counts[outcome] for outcome in STACK], longest)))


def _segments(counts: Sequence[int], longest: int) -> Iterator[Segment]:
    start = 0
    for outcome, count in zip(STACK, counts, strict=True):
        if count:
            yield Segment(outcome, start / longest, count / longest, count)
        start += count


def _ticks(highest: int) -> list[int]:
    """Return round numbers, the last one not below the highest bar."""
    size = 10 ** math.floor(math.log10(max(highest / 4, 1)))
    step = next(size * factor for factor in (1, 2, 5, 10)
                if 4 * size * factor >= highest)
    return list(range(0, highest + step, step))
