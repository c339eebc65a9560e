# SPDX-License-Identifier: Apache-2.0
"""(C) Trove's operations while services are killed and stopped at random.

Users and an operator have Trove work on databases without an end. Meanwhile
one or two services at a time are away for a while, and a tenant and a cloud
admin attack the servers. In the end all services are up, and each managed
server must be locked.
"""

import collections
from concurrent import futures
import contextlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import time

from nova_trove_guard.cmd.drift import fixes
from nova_trove_guard.trove import locks
from tests.bench import hostile_calls
from tests.bench import measure
from tests.bench import outages
from tests.bench import trove_operations
from tests.bench import whole_cloud
from tests.cloud import deployments
from tests.cloud import layout
from tests.cloud import people
from tests.cloud import processes
from tests.cloud import trove_processes
from tests.functional import databases
from tests.functional import scene as scenes
from tests.functional import witness

SECONDS = 1800
OUTAGES = 200
# How many services are away at a time, for how long, and how long after each
# other, in seconds.
AT_ONCE = 2
AWAY = (0.2, 8)
PAUSE = (0, 10)
TASK_MANAGER = '-taskmanager@'
# Nobody in this cloud needs them.
SPARED = '-unguarded'
# In which all is up, and then all is locked.
UP_SECONDS = 180
LOCKED_SECONDS = 180
PAUSE_SECONDS = 1
COMMAND = pathlib.Path(sys.prefix, 'bin', 'nova-trove-guard')
# In place of the codes of discrepancies, if the comparison fails: what half an
# hour of chaos has shown besides is not lost.
NOT_COMPARED = 'not compared'
WINDOW = re.compile(r'(Opened|Closed) the window of server (\S+) for (\w+)')


def open_windows(files):
    """Return the windows that the running task managers have open.

    :param files: the cloud's Layout
    :returns: a set of (server, operation)
    """
    found = set()
    for process in processes.running(files):
        if TASK_MANAGER in process.name:
            # Each line has the id of the process.
            log = files.log(process.name).read_text(errors='replace')
            found |= opened(line for line in log.splitlines()
                           if f' {process.pid} ' in line)
    return found


def opened(lines):
    """Return the windows that lines of a log leave open."""
    found = set()
    for line in lines:
        if match := WINDOW.search(line):
            change = found.add if match[1] == 'Opened' else found.discard
            change(match.groups()[1:])
    return found


def not_locked(servers):
    """Return the ids of those of the servers that Trove has not locked.

    :param servers: a list of dict, as Nova shows them
    """
    return [server['id'] for server in servers
            if server['status'] != locks.BUILDING and (
                server['locked_reason'] !=
                locks.reason(server['metadata'][scenes.MARKER]))]


class Chaos:
    """All that happens in a cloud.

    :param cloud: a tests.cloud.state.Cloud, as in production
    :param generator: a random.Random
    """

    def __init__(self, cloud, generator):
        self._cloud = cloud
        self._files = layout.Layout(cloud.root)
        self._generator = generator
        self._names = sorted({
            one.name for one in processes.running(self._files)
            if not one.name.endswith(SPARED)})
        self._outages = outages.Outages(self._files, self._names)
        self._scene = scenes.Scene(cloud)
        self._owners = [
            trove_operations.Owner(_trove(cloud, deployment, host),
                                   self._next_generator())
            for deployment in databases.REGIONS
            for host in trove_processes.HOSTS]
        self._attacker = hostile_calls.Attacker(
            scenes.Scene(cloud), self._next_generator())

    def _next_generator(self):
        return random.Random(self._generator.random())

    def happen(self, seconds):
        """Have it happen for so long; return how long locking has taken.

        :returns: seconds from when all was up and no operation under way,
            None if servers are still unlocked
        """
        is_over = threading.Event()
        plan = outages.plan(self._next_generator(), self._names,
                            list(outages.Kind), PAUSE, AWAY)
        with futures.ThreadPoolExecutor(len(self._owners) + 1) as pool:
            list(pool.map(trove_operations.Owner.prepare, self._owners))
            working = [pool.submit(owner.work_on) for owner in self._owners]
            attacking = pool.submit(self._attacker.keep_on)
            timer = threading.Timer(seconds, is_over.set)
            timer.start()
            try:
                self._outages.happen(plan, AT_ONCE, is_over)
                _await(lambda: not self.down(), UP_SECONDS)
            finally:
                timer.cancel()
                for owner in self._owners:
                    owner.end()
                futures.wait(working)
                began = time.monotonic()
                is_locked = _await(
                    lambda: not (self.not_locked() or self.open_windows()),
                    LOCKED_SECONDS)
                self._attacker.end()
            for one in (*working, attacking):
                one.result()
        return time.monotonic() - began if is_locked else None

    def down(self):
        """Return the names of the services that do not run or respond."""
        running = {one.name for one in processes.running(self._files)}
        return [*sorted(set(self._names) - running),
                *(url for url in self._cloud.urls.values()
                  if not processes.answers(url))]

    def not_locked(self):
        """Return the ids of the managed servers that are not locked."""
        return not_locked(hostile_calls.managed(self._scene))

    def open_windows(self):
        """Return the windows that are open."""
        return open_windows(self._files)

    def dispatched(self):
        """Return the hostile calls that Nova has dispatched."""
        return hostile_calls.dispatched(
            witness.Witness(self._cloud).since(0), self._attacker.servers,
            self._cloud.connection('trove').current_user_id,
            self._attacker.answers)

    def lost(self):
        """Return the databases that nobody has deleted and that lack a part.
        """
        cinder = self._scene.connection('admin').block_storage
        return [
            instance for owner in self._owners
            for instance, (server, volume) in owner.kept.items()
            if owner.trove.rows.get(instance).deleted or
            self._scene.rows.get(server) is None or
            cinder.find_volume(volume) is None]

    def drift(self, *arguments):
        """Compare each Trove with the other services.

        :returns: a Counter of the discrepancies by code and result
        """
        found = collections.Counter()
        for deployment in deployments.DEPLOYMENTS:
            for row in self._drift(deployment, *arguments):
                print(*filter(None, row.values()), sep=', ', file=sys.stderr)
                found[row['Code'], row['Result']] += 1
        return found

    def _drift(self, deployment, *arguments):
        others = [option for one in deployments.DEPLOYMENTS
                  if one != deployment
                  for option in ('--other-trove', one.region)]
        done = subprocess.run(
            [COMMAND, 'drift', '-f', 'json', '--os-region-name',
             deployment.region, '--server-owner',
             deployment.settings['server_owner'], '--trove-project',
             self._cloud.projects['trove'], *others, *arguments],
            env=os.environ | self._cloud.environment(people.named('trove')),
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            print(done.stderr, file=sys.stderr)
            return [{'Code': NOT_COMPARED, 'Result': None}]
        return json.loads(done.stdout)

    def rows(self):
        """Return measure.Rows of what has happened."""
        happened = [outage.kind for *_, outage in self._outages.happened]
        outcomes = sum((owner.outcomes for owner in self._owners),
                       collections.Counter())
        totals = collections.Counter()
        for (_, outcome), count in outcomes.items():
            totals[outcome] += count
        return [
            *(measure.Row(f'services {kind.value}', happened.count(kind), '')
              for kind in outages.Kind),
            measure.Row('services that ended by themselves',
                        self._outages.restarts, ''),
            *(measure.Row(f'operations {outcome.value}', totals[outcome], '')
              for outcome in trove_operations.Outcome),
            *(measure.Row(f'{name} done', outcomes[name, outcome], '')
              for name, outcome in sorted(outcomes, key=str)
              if outcome is trove_operations.Outcome.DONE),
            *(measure.Row(f'hostile calls, {status}', count, '')
              for status, count in sorted(
                  self._attacker.statuses.items(), key=str)),
        ]


def _trove(cloud, deployment, host):
    """Return a databases.Trove that asks the API of a host."""
    trove = databases.Trove(scenes.Scene(cloud), witness.Witness(cloud),
                            deployment)
    url = cloud.urls[trove_processes.api_name(deployment, host)]
    trove.instances = cloud.trove('owner', trove.region, url).instances
    trove.operator = cloud.trove('admin', trove.region, url).mgmt_instances
    # What it asks other services for, it asks once.
    trove.flavor(databases.FLAVORS[0])
    return trove


def _await(is_there, seconds):
    """Wait for so long at most that is_there(); return whether it is."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(*trove_operations.AWAY):
            if is_there():
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)


def run(seconds, seed):
    """Return the Result.

    :param seconds: for how long
    :param seed: an integer
    """
    print(f'--seed {seed}', file=sys.stderr)
    with whole_cloud.running() as cloud:
        return measured(Chaos(cloud, random.Random(seed)), seconds)


def measured(chaos, seconds):
    """Have chaos happen, and return the Result.

    :param chaos: a Chaos
    :param seconds: for how long
    """
    took = chaos.happen(seconds)
    found = chaos.drift()
    fixed = chaos.drift('--fix', '--yes')
    rows = chaos.rows()
    count = sum(row.value for row in rows[:len(outages.Kind)])
    return measure.Result(
        'Chaos: services killed and stopped while Trove works',
        [*rows,
         *(measure.Row(f'discrepancies, {code}', number, '')
           for (code, _), number in sorted(found.items())),
         *(measure.Row('until all was locked', each, 's')
           for each in (took,) if each is not None)],
        [measure.Aim('services killed or stopped', count,
                     OUTAGES * seconds / SECONDS, at_most=False),
         measure.Aim('services that stay down', len(chaos.down()), 0),
         measure.Aim('servers not locked', len(chaos.not_locked()), 0),
         measure.Aim('windows open', len(chaos.open_windows()), 0),
         measure.Aim('hostile calls dispatched', len(chaos.dispatched()), 0),
         measure.Aim('databases lost', len(chaos.lost()), 0),
         measure.Aim('discrepancies that should be fixed and are not',
                     sum(number for (code, result), number in fixed.items()
                         if code in (*fixes.FIXES, NOT_COMPARED) and
                         result not in fixes.RESOLVED), 0)])
