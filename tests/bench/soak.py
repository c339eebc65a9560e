# SPDX-License-Identifier: Apache-2.0
"""(S) An hour of load, with restarts of what Nova, Cinder and Neutron need.

The clients of the measurement "load" call the API with the guard at full
speed. MariaDB, RabbitMQ, memcached and Keystone are killed in between, and
start again. No call on a managed server may pass at any time, and each call is
right again soon after a restart. The workers must not grow.
"""

import bisect
import contextlib
import dataclasses
import random
import sys
import threading
import time
import uuid

from keystoneauth1 import exceptions
import sqlalchemy

from tests.bench import clients
from tests.bench import growth
from tests.bench import load
from tests.bench import measure
from tests.bench import outages
from tests.bench import whole_cloud
from tests.cloud import layout

SECONDS = 3600
# What restarts.
NAMES = ('mariadb', 'rabbitmq', 'memcached', 'keystone')
AWAY = (0.2, 8)
# Between two restarts, as shares of the whole time.
PAUSE = (1 / 30, 1 / 10)
# Within how many seconds of the start of what was killed calls are right.
RECOVERY_SECONDS = 45
SLICE_SECONDS = 5
SAMPLES = 240
SERVICES = ('nova', 'cinder', 'neutron')
DATABASE = 'nova-cell1'
MEMORY_GROWTH = 5
COUNTS = ('files', 'threads', 'connections')
# What says that Nova has taken a call on a managed server.
PASSED = frozenset((*range(100, 400), 400, 404, 409))


@dataclasses.dataclass(frozen=True)
class Slice:
    """Some seconds of load.

    :ivar begin: when it began, by time.monotonic()
    :ivar end: when it ended
    :ivar calls: how many there were
    :ivar unexpected: a Counter of the answers that were not right, of all
        calls, by kind, method, path and status
    """

    begin: float
    end: float
    calls: int
    unexpected: object

    @property
    def passed(self):
        """How many calls on managed servers Nova has taken."""
        return sum(
            number for what, number in self.unexpected.items()
            if what.startswith(f'{load.MANAGED}: ') and
            int(what.rpartition(': ')[2]) in PASSED)


def mix(ordinary, managed):
    """Return what a client asks, with what is right where the guard is."""
    return tuple(
        dataclasses.replace(ask, expected=(403,))
        if ask.kind == load.MANAGED else ask
        for ask in load.mix(ordinary, managed))


def wrong(slices, restarts):
    """Return how many answers were wrong that nothing excuses.

    :param slices: list of Slice
    :param restarts: list of (begin, end), in order
    """
    return sum(
        sum(one.unexpected.values()) for one in slices
        if not _is_excused(one, restarts))


def _is_excused(one, restarts):
    """Return whether something was away in a Slice, or a moment before it."""
    before = bisect.bisect_left(restarts, (one.end,)) - 1
    return before >= 0 and max(
        end for _, end in restarts[:before + 1]) + RECOVERY_SECONDS > one.begin


def recoveries(slices, restarts):
    """Return for how long calls were wrong after each restart, in seconds.

    :param slices: list of Slice, in order
    :param restarts: list of (begin, end), in order
    """
    until = [begin for begin, _ in restarts[1:]] + [float('inf')]
    return [max((one.end - end for one in slices
                 if one.unexpected and end < one.end <= next_one),
                default=0)
            for (_, end), next_one in zip(restarts, until)]


class Load:
    """Clients that call the API with the guard.

    :param cloud: a tests.cloud.state.Cloud
    :param crew: a clients.Crew
    :ivar slices: list of Slice
    """

    def __init__(self, cloud, crew):
        servers = whole_cloud.Servers(cloud)
        ordinary = servers.create('ordinary', load.SERVERS, 'owner',
                                  metadata={'purpose': 'web'})
        managed = servers.create_managed(
            'managed', load.SERVERS, str(uuid.uuid4()))
        self.slices = []
        self._mixes = [mix(ordinary[number::load.CLIENTS], managed)
                       for number in range(load.CLIENTS)]
        self._url = cloud.guarded
        self._owner = cloud.session('owner')
        self._crew = crew

    def go_on(self, end):
        """Call, slice by slice, until an event."""
        token = self._owner.get_token()
        while not end.is_set():
            # Keystone may be away when the token is about to expire.
            with contextlib.suppress(exceptions.ClientException):
                token = self._owner.get_token()
            headers = {'X-Auth-Token': token,
                       'X-OpenStack-Nova-API-Version': whole_cloud.VERSION,
                       'Content-Type': 'application/json'}
            begin = time.monotonic()
            answers = clients.together(self._crew.drive([
                clients.Client(self._url, headers, asks,
                               f'{len(self.slices)} {number}')
                for number, asks in enumerate(self._mixes)], SLICE_SECONDS))
            self.slices.append(Slice(
                begin, time.monotonic(),
                sum(map(len, answers.latencies.values())),
                answers.unexpected))


def run(seconds, seed):
    """Return the Result.

    :param seconds: for how long
    :param seed: an integer
    """
    print(f'--seed {seed}', file=sys.stderr)
    with (clients.Crew(load.CLIENTS) as crew,
          whole_cloud.running() as cloud):
        files = layout.Layout(cloud.root)
        calls = Load(cloud, crew)
        sampler = growth.Sampler(
            growth.workers(files, SERVICES),
            sqlalchemy.make_url(files.database_url(DATABASE)).port)
        outage = outages.Outages(files, NAMES)
        plan = outages.plan(
            random.Random(seed), NAMES, [outages.Kind.KILL],
            [share * seconds for share in PAUSE], AWAY)
        end = threading.Event()
        timer = threading.Timer(seconds, end.set)
        restarting = threading.Thread(
            target=outage.happen, args=(plan, 1, end))
        with sampler.sampling(seconds / SAMPLES):
            timer.start()
            restarting.start()
            try:
                calls.go_on(end)
            finally:
                timer.cancel()
                end.set()
                restarting.join()
        return result(calls, sampler.samples, outage.happened)


def result(calls, samples, happened):
    """Return the Result.

    :param calls: a Load
    :param samples: a dict of lists of growth.Sample by worker
    :param happened: list of (begin, end, outages.Outage)
    """
    restarts = [(begin, end) for begin, end, _ in happened]
    memory = {name: growth.memory_growth(each)
              for name, each in samples.items()}
    counts = {(count, name): growth.count_growth(each, count)
              for name, each in samples.items() for count in COUNTS}
    number = sum(one.calls for one in calls.slices)
    rows = [
        measure.Row('calls', number, ''),
        measure.Row('calls a second', number / sum(
            one.end - one.begin for one in calls.slices), 'requests/s'),
        measure.Row('restarts', len(restarts), ''),
        measure.Row('calls that failed during restarts', sum(
            sum(one.unexpected.values()) for one in calls.slices), ''),
        measure.Row('longest until right after a restart', max(
            recoveries(calls.slices, restarts), default=0), 's')]
    for name, each in samples.items():
        rows += [
            measure.Row(f'{name}, memory', each[-1].memory / growth.MB, 'MB'),
            measure.Row(f'{name}, growth of memory', memory[name], '%/h'),
            *(measure.Row(f'{name}, {count}', getattr(each[-1], count), '')
              for count in COUNTS)]
    return measure.Result(
        'Soak: load and restarts', rows,
        [measure.Aim('calls on managed servers that passed', sum(
            one.passed for one in calls.slices), 0),
         measure.Aim('wrong answers after restarts',
                     wrong(calls.slices, restarts), 0),
         measure.Aim('growth of memory of a worker', max(memory.values()),
                     MEMORY_GROWTH, unit='%/h'),
         *(measure.Aim(f'growth of {count} of a worker', max(
             grown for (one, _), grown in counts.items() if one == count), 0)
           for count in COUNTS)])
