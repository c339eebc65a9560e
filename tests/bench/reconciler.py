# SPDX-License-Identifier: Apache-2.0
"""(7) What Trove's reconciler asks of Nova, and how long that takes.

Two fleets, one ten times as large, have the same number of unlocked servers.
Then all servers of the large one are unlocked, as they are when the guard is
enabled for the first time. Nova's API and the reconciler run in processes of
their own and talk over HTTP. There is one task manager only.
"""

import collections
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing
import uuid

import requests
import sqlalchemy

from nova_trove_guard.trove import compute
from nova_trove_guard.trove import locks
from tests.bench import cloud
from tests.bench import fleet
from tests.bench import measure

SERVERS = 20_000
UNLOCKED = 100
# How many times as large the large fleet is.
TIMES = 10
ROUNDS = 5
WAYS = ALL_LOCKED, UNDER_WAY, AT_REST = (
    'all locked', '{} unlocked for tasks', '{} unlocked at rest')
FIRST = 'first enabling'
# The default of reconcile_interval.
RUN_SECONDS = 60
MB = 1024 * 1024


class Fleet:
    """Managed servers in Nova, and their database instances in Trove.

    :ivar count: how many
    :ivar others: how many servers there are that are not managed
    :ivar nova: dict of what tests.bench.compute_api.serve() prints
    :ivar trove: the URL of Trove's database
    :param processes: the ids of the processes of Nova's API and, if it is
        one, of the server with the databases
    :param tasks: codes of Trove's tasks, by name
    :param log: the path of the reconciler's log
    """

    def __init__(self, count, others, processes, nova, trove, tasks, log):
        self.count = count
        self.others = others
        self.nova = nova
        self.trove = trove
        self._processes = processes
        self._tasks = tasks
        self._log = log

    def processor_seconds(self):
        """Return how long its processes have had the processor.

        Unlike the time, this does not depend on what else the machine does.
        """
        ticks = 0
        for process in self._processes:
            stat = pathlib.Path(f'/proc/{process}/stat').read_text()
            # utime and stime (proc(5)), after the name in parentheses.
            ticks += sum(map(int, stat.rpartition(')')[2].split()[11:13]))
        return ticks / os.sysconf('SC_CLK_TCK')

    def grow(self, count, others):
        """Add servers, and database instances, until there are so many.

        :param count: even, as the number that there is; and so are others
        """
        cells = self.nova['cells']
        for first, cell in enumerate(cells):
            for begin, now, end in ((0, self.count, count),
                                    (fleet.OTHERS, self.others, others)):
                for url in (cell, self.nova['api']):
                    fleet.copy(url, fleet.server_id(begin + first),
                               fleet.instance_id(begin + first),
                               range(begin + now + first, begin + end,
                                     len(cells)))
        fleet.copy(self.trove, fleet.server_id(0), fleet.instance_id(0),
                   range(self.count, count))
        self.count, self.others = count, others

    def unlock(self, count):
        """Unlock some servers, as an operation or an operator does."""
        for number in range(count):
            server = fleet.server_id(number * self.count // count)
            requests.post(
                f'{self.nova["url"]}/v2.1/servers/{server}/action',
                json={'unlock': None},
                headers={'X-Auth-Token': self.nova['token']},
            ).raise_for_status()

    def begin(self, task):
        """Set the task of every database instance, by its name."""
        self._execute(self.trove, sqlalchemy.text(
            'UPDATE instances SET task_id = :code'), code=self._tasks[task])

    def forget_locks(self):
        """Unlock all servers, as if Trove had never locked any."""
        for url in self.nova['cells']:
            for statement in (
                    'UPDATE instances SET locked = FALSE, locked_by = NULL',
                    "DELETE FROM instance_system_metadata "
                    "WHERE `key` = 'locked_reason'",
                    "DELETE FROM instance_actions_events",
                    "DELETE FROM instance_actions "
                    "WHERE action IN ('lock', 'unlock')"):
                self._execute(url, sqlalchemy.text(statement))

    def locked(self):
        """Return how many servers are locked for their database instance."""
        locked = 0
        for url in self.nova['cells']:
            reasons = dict(self._execute(url, sqlalchemy.text(
                'SELECT instances.uuid, value FROM instances '
                'JOIN instance_system_metadata ON uuid = instance_uuid '
                "WHERE locked AND `key` = 'locked_reason'")))
            locked += sum(
                reasons.get(fleet.server_id(number)) == locks.reason(
                    fleet.instance_id(number))
                for number in range(self.count))
        return locked

    def reconcile(self, show=lambda run: None, page=compute.PAGE):
        """Run the reconciler until it locks no more; return its Runs.

        :param show: called with each Run
        :param page: how many servers it lists in one call
        """
        runs = []
        with _process('task_manager.reconcile', f'{self.nova["url"]}/v2.1',
                      self.nova['token'], self.trove, self._log, RUN_SECONDS,
                      page) as process:
            for line in process.stdout:
                runs.append(Run(**json.loads(line)))
                show(runs[-1])
                if total(runs).calls['lock'] > self.count:
                    raise RuntimeError('the reconciler locks servers twice')
            if process.wait():
                raise RuntimeError('the reconciler failed')
        return runs

    def _execute(self, url, statement, **values):
        with fleet.engine(url).begin() as connection:
            result = connection.execute(statement, values)
            return result.all() if result.returns_rows else None


class Run(typing.NamedTuple):
    """What a run of the reconciler took.

    :ivar seconds: until it ended
    :ivar own_seconds: of the processor, in the reconciler's process
    :ivar calls: numbers of calls to Nova, by kind
    :ivar in_nova: seconds of waiting for Nova, by kind
    :ivar log: the last line of the reconciler's log, None if there is none
    :ivar memory: by how many bytes the process has grown at most, from
        before the first run
    """

    seconds: float
    own_seconds: float
    calls: dict
    in_nova: dict
    log: str | None
    memory: int


@contextlib.contextmanager
def running(count, others=0):
    """Yield a Fleet of which all managed servers are locked.

    :param count: how many managed servers it has
    :param others: how many servers it has that are not managed
    """
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory()))
        server = cloud.server()
        trove = (f'sqlite:///{directory}/trove.sqlite' if server is None else
                 server.create(f'trove_{uuid.uuid4().hex}'))
        api = stack.enter_context(
            _process('compute_api.serve', count, others))
        create = stack.enter_context(
            _process('task_manager.create', trove, count))
        tasks, nova = _read_json(create), _read_json(api)
        processes = [api.pid] if server is None else [
            api.pid, server.process_id]
        yield Fleet(count, others, processes, nova, trove, tasks,
                    str(directory / 'log'))


def run(servers=SERVERS, unlocked=UNLOCKED, rounds=ROUNDS, show=print):
    """Return the Result.

    :param servers: how many the large fleet has
    :param unlocked: how many of each fleet are unlocked; at most all of the
        small one
    :param rounds: how often each fleet is reconciled
    :param show: called with the last line that each run of the first enabling
        logs
    """
    unlocked = min(unlocked, servers // TIMES)
    with running(servers // TIMES) as few, running(servers) as many:
        runs = collections.defaultdict(list)
        for _ in range(rounds):
            for one in (few, many):
                one.unlock(unlocked)
                one.begin('RESIZING')
                runs[UNDER_WAY, one].append(one.reconcile()[0])
                one.begin('NONE')
                first, *_, last = one.reconcile()
                runs[AT_REST, one].append(first)
                runs[ALL_LOCKED, one].append(last)
        left = few.count - few.locked() + many.count - many.locked()
        many.forget_locks()
        first = many.reconcile(lambda run: run.log and show(
            f'{run.log} ({run.seconds:.0f} s)'))
        left += many.count - many.locked()
    typical = {key: sorted(each, key=lambda run: run.seconds)[rounds // 2]
               for key, each in sorted(runs.items(), key=lambda item: (
                   WAYS.index(item[0][0]), item[0][1].count))}
    fewer, more = (typical[AT_REST, one] for one in (few, many))
    whole = total(first)
    return measure.Result(
        f'The reconciler, {servers:,} managed servers',
        [row for (way, one), run in typical.items() for row in _rows(
            f'{one.count:,}, {way.format(unlocked)}', run)]
        + _rows(FIRST, whole) + [
            measure.Row(f'{FIRST}: each {kind}',
                        1000 * seconds / whole.calls[kind], 'ms')
            for kind, seconds in whole.in_nova.items()]
        # The last run has found that there is no more to lock.
        + [measure.Row(f'{FIRST}: runs', len(first) - 1, 'runs')],
        [measure.Aim('calls, large fleet / small',
                     _calls(more) / _calls(fewer), 1),
         measure.Aim('processor time, large fleet / small',
                     more.own_seconds / fewer.own_seconds, 1.2),
         measure.Aim('time, large fleet / small',
                     more.seconds / fewer.seconds, 2),
         measure.Aim('locked while a task is under way', sum(
             run.calls.get('lock', 0) for (way, _), each in runs.items()
             for run in each if way == UNDER_WAY), 0),
         measure.Aim('calls for each server at the first enabling',
                     _calls(whole) / servers, 2.02),
         measure.Aim('left unlocked', left, 0),
         measure.Aim('growth at the first enabling', whole.memory / MB, 16,
                     unit='MB')])


def _rows(name, run):
    """Return the Rows of a Run."""
    return [
        *(measure.Row(f'{name}: {kind}', count, 'calls')
          for kind, count in run.calls.items()),
        measure.Row(f'{name}: time', run.seconds, 's'),
        measure.Row(f'{name}: processor', run.own_seconds, 's'),
        measure.Row(f'{name}: memory', run.memory / MB, 'MB')]


def _calls(run):
    return sum(run.calls.values())


def total(runs):
    """Return a Run that took what some took."""
    calls, in_nova = collections.Counter(), collections.Counter()
    for run in runs:
        calls.update(run.calls)
        in_nova.update(run.in_nova)
    return runs[-1]._replace(
        seconds=sum(run.seconds for run in runs),
        own_seconds=sum(run.own_seconds for run in runs), calls=calls,
        in_nova=in_nova)


def _read_json(process):
    """Return what a process prints on its next line."""
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f'{process.args} failed')
    return json.loads(line)


@contextlib.contextmanager
def _process(function, *arguments):
    """Yield a process that runs a function of tests.bench; end it."""
    module = function.partition('.')[0]
    with subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c',
             f'import json, sys; from tests.bench import {module}; '
             f'{function}(*json.loads(sys.argv[1]))', json.dumps(arguments)],
            text=True, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()
