# SPDX-License-Identifier: Apache-2.0
"""(S) An hour of load, with restarts of what Nova, Cinder and Neutron need.

The clients of the measurement "load" call Nova at full speed, one more calls
Cinder and one Neutron. The APIs with the guard and without it take turns in
slices. MariaDB, RabbitMQ, memcached and Keystone are killed in between, and
start again. No call on what is managed may pass the guard at any time, and
each call is right again soon after a restart. The workers with the guard must
not grow; by how much those without it grow is measured next to them.
"""

import bisect
import collections
import contextlib
import dataclasses
import itertools
import json
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
from tests.cloud import state

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
# What the names of processes and endpoints end with, by side.
SUFFIXES = ALONE, GUARD = ('-unguarded', '')
DATABASE = 'nova-cell1'
MEMORY_GROWTH = 5
COUNTS = ('files', 'threads', 'connections')
# What says that the service itself has answered a call on what is managed.
PASSED = frozenset((*range(100, 400), 400, 404, 409))


@dataclasses.dataclass(frozen=True)
class Slice:
    """Some seconds of load, with the guard.

    :ivar begin: when it began, by time.monotonic()
    :ivar end: when it ended
    :ivar calls: how many there were
    :ivar unexpected: a Counter of the answers that were not right, of all
        calls, by kind, method, path and status
    """

    begin: float
    end: float
    calls: int
    unexpected: collections.Counter

    @property
    def passed(self):
        """The calls on what is managed that the guard has let pass.

        A Counter, as unexpected is.
        """
        return collections.Counter({
            what: number for what, number in self.unexpected.items()
            if what.startswith(f'{load.MANAGED}: ') and
            int(what.rpartition(': ')[2]) in PASSED})


def mixes(ordinary, managed, volume, port, managed_port):
    """Return what each client asks, with what is right with the guard.

    :param ordinary: ids of ordinary servers
    :param managed: ids of locked managed servers
    :param volume: the id of a volume
    :param port: the id of an ordinary port
    :param managed_port: the id of a port of a managed server
    :returns: a list of pairs of a service and a tuple of clients.Ask
    """
    others = whole_cloud.reads_and_writes(
        load.ORDINARY, ordinary[0], volume, port)
    refused = clients.Ask(
        load.MANAGED, 1, 'PUT', f'/v2.0/ports/{managed_port}', (403,),
        json.dumps({'port': {'name': 'x'}}))
    return [
        *(('nova', tuple(
            dataclasses.replace(ask, expected=(403,))
            if ask.kind == load.MANAGED else ask
            for ask in load.mix(ordinary[number::load.CLIENTS], managed)))
          for number in range(load.CLIENTS)),
        ('cinder', others['cinder']),
        ('neutron', (*others['neutron'], refused))]


def wrong(slices, restarts):
    """Return the answers that were wrong, and that nothing excuses.

    :param slices: list of Slice
    :param restarts: list of (begin, end), in order
    :returns: a Counter, as Slice.unexpected is
    """
    return clients.unexpected(
        one for one in slices if not _is_excused(one, restarts))


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
    """Clients that call the APIs with the guard and without it, in turn.

    :param cloud: a tests.cloud.state.Cloud
    :param crew: a clients.Crew
    :ivar slices: list of Slice
    :ivar calls_alone: how many calls there were without the guard
    """

    def __init__(self, cloud, crew):
        servers = whole_cloud.Servers(cloud)
        ordinary = servers.create('ordinary', load.SERVERS, 'owner',
                                  metadata={'purpose': 'web'})
        instance_id = str(uuid.uuid4())
        managed = servers.create_managed('managed', load.SERVERS, instance_id)
        owner = cloud.connection('owner', state.UNGUARDED)
        port, managed_port = (
            next(owner.network.ports(device_id=each[0])).id
            for each in (ordinary, managed))
        cloud.connection('trove', state.UNGUARDED).network.put(
            f'/ports/{managed_port}/tags/trove_instance_id_{instance_id}',
            raise_exc=True)
        self.slices = []
        self.calls_alone = 0
        self._mixes = mixes(
            ordinary, managed, owner.block_storage.create_volume(size=1).id,
            port, managed_port)
        self._urls = cloud.urls
        self._owner = cloud.session('owner')
        self._crew = crew

    def go_on(self, end):
        """Call, slice by slice, until an event."""
        token = self._owner.get_token()
        for suffix in itertools.cycle((ALONE, GUARD, GUARD, ALONE)):
            if end.is_set():
                break
            # Keystone may be away when the token is about to expire.
            with contextlib.suppress(exceptions.ClientException):
                token = self._owner.get_token()
            begin = time.monotonic()
            answers = clients.together(self._crew.drive([
                clients.Client(
                    self._urls[service + suffix],
                    whole_cloud.headers(service, token), asks,
                    f'{len(self.slices)} {number}')
                for number, (service, asks) in enumerate(self._mixes)],
                SLICE_SECONDS))
            calls = sum(map(len, answers.latencies.values()))
            if suffix == ALONE:
                self.calls_alone += calls
            else:
                self.slices.append(Slice(
                    begin, time.monotonic(), calls, answers.unexpected))


def run(seconds, seed):
    """Return the Result.

    :param seconds: for how long
    :param seed: an integer
    """
    print(f'--seed {seed}', file=sys.stderr)
    with (clients.Crew(load.CLIENTS + 2) as crew,
          whole_cloud.running() as cloud):
        files = layout.Layout(cloud.root)
        calls = Load(cloud, crew)
        sampler = growth.Sampler(
            growth.workers(files, [
                service + suffix for service in SERVICES
                for suffix in SUFFIXES]),
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
    guarded = {name: each for name, each in samples.items()
               if ALONE not in name}
    number = sum(one.calls for one in calls.slices)
    late = wrong(calls.slices, restarts)
    passed_rows, passed_aim = measure.counted(
        'calls on what is managed that passed',
        sum((one.passed for one in calls.slices), collections.Counter()))
    late_rows, late_aim = measure.counted('wrong answers after restarts', late)
    rows = [
        measure.Row('calls', number, ''),
        measure.Row('calls without the guard', calls.calls_alone, ''),
        measure.Row('calls a second', number / sum(
            one.end - one.begin for one in calls.slices), 'requests/s'),
        measure.Row('restarts', len(restarts), ''),
        measure.Row('calls that failed during restarts', clients.unexpected(
            calls.slices).total() - late.total(), ''),
        measure.Row('longest until right after a restart', max(
            recoveries(calls.slices, restarts), default=0), 's'),
        *passed_rows, *late_rows]
    for name, each in samples.items():
        rows += [
            measure.Row(f'{name}, memory', each[-1].memory / growth.MB, 'MB'),
            measure.Row(f'{name}, growth of memory', memory[name], '%/h'),
            *(measure.Row(f'{name}, {count}', getattr(each[-1], count), '')
              for count in COUNTS)]
    return measure.Result(
        'Soak: load and restarts', rows,
        [passed_aim, late_aim,
         measure.Aim('growth of memory of a worker', max(
             memory[name] for name in guarded), MEMORY_GROWTH, unit='%/h'),
         *(measure.Aim(f'growth of {count} of a worker', max(
             growth.count_growth(each, count) for each in guarded.values()), 0)
           for count in COUNTS)])
