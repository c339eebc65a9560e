# SPDX-License-Identifier: Apache-2.0
"""Send metrics to statsd: counters of decisions and lookups, and a timer.

statsd is what Swift, openstacksdk and oslo.middleware emit, so that operators
of OpenStack collect it already. Each number is a UDP datagram of its own:
right under any number of worker processes, and nothing waits for what collects
them.
"""

from collections.abc import Callable, Collection
import typing

from nova_trove_guard.core import decisions
from nova_trove_guard.core import options

_R = typing.TypeVar('_R', bound=Collection[typing.Any])


class Metrics(typing.Protocol):
    """Measure what the guard does."""

    @property
    def observers(self) -> tuple[decisions.Observer, ...]:
        """What gets each decision."""

    def timed(self, lookup: Callable[[], _R]) -> _R:
        """Return what a lookup finds; time and count it."""


def create(settings: options.Settings) -> Metrics:
    """Return the metrics that an operator wants.

    :returns: Off where no statsd_host is set
    :raises OSError: where that host has no address
    :raises RuntimeError: where the library is not installed
    """
    if settings.statsd_host is None:
        return Off()
    try:
        # It comes with an extra of setup.cfg.
        import statsd
    except ImportError as error:
        raise RuntimeError('[trove_guard] statsd_host needs the package of '
                           'nova-trove-guard[statsd]') from error
    return Statsd(
        statsd.StatsClient(settings.statsd_host, settings.statsd_port,
                           settings.statsd_prefix), settings.mode)


class Off:
    """Measure nothing, and add nothing to a request's way."""

    observers: tuple[decisions.Observer, ...] = ()

    def timed(self, lookup: Callable[[], _R]) -> _R:
        """Return what a lookup finds."""
        return lookup()


class Statsd:
    """Send counters and times to statsd.

    ``decision.<mode>.<outcome>.<operation>`` counts decisions (a ``:`` in an
    operation's name becomes ``-``, as it means something in the protocol),
    ``lookup.<outcome>`` lookups, and ``lookup.time`` is how long they take.

    :param client: statsd.StatsClient
    :param mode: the guard's mode
    """

    def __init__(self, client: typing.Any, mode: decisions.Mode) -> None:
        self._client = client
        self._mode = mode
        self.observers: tuple[decisions.Observer, ...] = (self._count,)

    def _count(self, decision: decisions.Decision) -> None:
        operation = decision.operation.name.replace(':', '-')
        self._client.incr(
            f'decision.{self._mode}.{decision.outcome}.{operation}')

    def timed(self, lookup: Callable[[], _R]) -> _R:
        """Return what a lookup finds; count found, not_found or failed."""
        outcome = 'failed'
        try:
            with self._client.timer('lookup.time'):
                found = lookup()
            outcome = 'found' if found else 'not_found'
        finally:
            self._client.incr(f'lookup.{outcome}')
        return found
