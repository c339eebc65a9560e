# SPDX-License-Identifier: Apache-2.0
"""How it is measured: side by side, and what becomes of the numbers."""

import dataclasses
import statistics
import time

ROUNDS = 15


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table.

    :ivar name: what was measured
    :ivar value: how much
    :ivar unit: of what
    """

    name: str
    value: float
    unit: str = 'us'


@dataclasses.dataclass(frozen=True)
class Aim:
    """Something that the guard is to reach.

    :ivar name: what it is
    :ivar value: what it is here
    :ivar limit: what it is to be
    :ivar at_most: whether the limit is one from above
    :ivar unit: of both
    """

    name: str
    value: float
    limit: float
    at_most: bool = True
    unit: str = ''

    @property
    def is_met(self):
        """Whether it is reached."""
        return (self.value <= self.limit if self.at_most
                else self.value >= self.limit)


@dataclasses.dataclass(frozen=True)
class Result:
    """What came out of a measurement.

    :ivar title: what was measured
    :ivar rows: list of Row
    :ivar aims: list of Aim
    :ivar series: lists of numbers in the order in which they were measured,
        by name
    """

    title: str
    rows: list
    aims: list
    series: dict = dataclasses.field(default_factory=dict)


def counted(name, counter):
    """Return an Aim of none, and Rows that say what there was.

    :param name: what is counted, in the plural
    :param counter: a collections.Counter
    :returns: (list of Row, Aim)
    """
    return [Row(f'{name}: {what}', number, '')
            for what, number in sorted(counter.items())], Aim(
                name, counter.total(), 0)


def medians(functions, calls, rounds=ROUNDS):
    """Return how long a call of each function takes, in microseconds.

    They take turns, so that a noisy machine is noisy for all; the median of
    the rounds counts.

    :param functions: dict of functions by name
    :param calls: how often each is called in a round
    :param rounds: how many rounds there are
    """
    times = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            begin = time.perf_counter()
            for _ in range(calls):
                function()
            times[name].append((time.perf_counter() - begin) / calls * 1e6)
    return {name: statistics.median(taken) for name, taken in times.items()}
