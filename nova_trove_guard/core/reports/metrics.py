# SPDX-License-Identifier: Apache-2.0
"""What the guard does, in numbers: statsd counters and a timer.

statsd is what Swift, openstacksdk and oslo.middleware emit, so that operators
of OpenStack collect it already. Each number is a UDP datagram of its own:
right under any number of worker processes, and nothing waits for whoever
collects them.
"""

import functools

import statsd


def of(settings):
    """Return the metrics that an operator wants.

    :param settings: nova_trove_guard.core.options.Settings
    :returns: Statsd, or Off where no statsd_host is set
    :raises OSError: where that host has no address
    """
    if settings.statsd_host is None:
        return Off()
    return Statsd(
        statsd.StatsClient(settings.statsd_host, settings.statsd_port,
                           settings.statsd_prefix), settings.mode)


class Off:
    """No metrics, and nothing of them on a request's way."""

    observers = ()

    @staticmethod
    def measured(look_up):
        """Return the very function: see Statsd.measured."""
        return look_up


class Statsd:
    """Sends counters and times to statsd.

    ``decision.<mode>.<outcome>.<operation>`` counts decisions (a ``:`` in an
    operation's name becomes ``-``, as it means something in the protocol),
    ``lookup.<outcome>`` look-ups, and ``lookup.time`` tells how long they
    take.

    :param client: statsd.StatsClient
    :param mode: the guard's mode
    """

    def __init__(self, client, mode):
        self._client = client
        self._mode = mode

    @property
    def observers(self):
        """What to tell each Decision, see core.reports.audit."""
        return (self._count,)

    def _count(self, decision):
        operation = decision.operation.replace(':', '-')
        self._client.incr(
            f'decision.{self._mode}.{decision.outcome}.{operation}')

    def measured(self, look_up):
        """Return a look-up that is timed and counted by its outcome.

        :param look_up: function that returns a list of what it finds
        :returns: function that does the same, and counts ``found``,
            ``not_found`` or ``failed``
        """
        @functools.wraps(look_up)
        def measured(*arguments):
            outcome = 'failed'
            try:
                with self._client.timer('lookup.time'):
                    found = look_up(*arguments)
                outcome = 'found' if found else 'not_found'
            finally:
                self._client.incr(f'lookup.{outcome}')
            return found

        return measured
