# SPDX-License-Identifier: Apache-2.0
"""Outages: processes of a cloud that are killed or stopped for a while."""

from concurrent import futures
import contextlib
import dataclasses
import enum
import sys
import threading
import time

from tests.cloud import processes

# How often to look for processes that have ended by themselves.
WATCH_SECONDS = 1


class Kind(enum.Enum):
    """What happens to the processes with a name."""

    KILL = 'killed'
    STOP = 'stopped'


@dataclasses.dataclass(frozen=True)
class Outage:
    """An outage of the processes with a name.

    :ivar pause: how long after the one before it begins, in seconds
    :ivar seconds: how long they are away; who is killed takes longer, as it
        has to start
    """

    name: str
    kind: Kind
    pause: float
    seconds: float

    def __str__(self):
        return f'{self.name} {self.kind.value} for {self.seconds:.1f} s'


def plan(generator, names, kinds, pause, seconds):
    """Yield Outages without an end, the same ones for the same seed.

    :param generator: a random.Random
    :param names: the names of processes
    :param kinds: some of Kind
    :param pause: the shortest and the longest pause
    :param seconds: the shortest and the longest outage
    """
    while True:
        yield Outage(generator.choice(names), generator.choice(kinds),
                     generator.uniform(*pause), generator.uniform(*seconds))


class Outages:
    """Has Outages happen, and restarts what ends by itself meanwhile.

    As systemd does, it starts each process again that has ended, also those
    that give up because what they need is away.

    :param files: the cloud's Layout
    :param names: the names of all processes that must run
    :ivar happened: a list of (begin, end, Outage), by time.monotonic()
    :ivar restarts: how many processes have ended by themselves
    """

    def __init__(self, files, names):
        self.happened = []
        self.restarts = 0
        self._files = files
        self._names = frozenset(names)
        self._away = set()
        self._mutex = threading.Lock()

    def happen(self, outages, at_once, end):
        """Have Outages happen, and wait until all processes run again.

        :param outages: an iterator of Outage
        :param at_once: how many there may be at a time
        :param end: a threading.Event that ends it
        """
        with self.watched(), futures.ThreadPoolExecutor(at_once) as pool:
            under_way = {}
            for outage in outages:
                if end.wait(outage.pause):
                    break
                before = under_way.get(outage.name)
                others = [one for one in under_way.values() if not one.done()]
                if before:
                    before.result()
                elif len(others) == at_once:
                    futures.wait(others, return_when=futures.FIRST_COMPLETED)
                under_way[outage.name] = pool.submit(self.strike, outage)
            for one in under_way.values():
                one.result()

    def strike(self, outage):
        """Have an Outage happen, and wait for its end."""
        began = time.monotonic()
        with self._mutex:
            self._away.add(outage.name)
        print(f'{time.strftime("%H:%M:%S")} {outage}', file=sys.stderr)
        try:
            _AWAY[outage.kind](self._files, outage)
        finally:
            with self._mutex:
                self._away.remove(outage.name)
                self.happened.append((began, time.monotonic(), outage))

    @contextlib.contextmanager
    def watched(self):
        """Restart what ends by itself while in the context.

        At the end all processes run.
        """
        end = threading.Event()
        with futures.ThreadPoolExecutor(1) as pool:
            watch = pool.submit(self._watch, end)
            try:
                yield
            finally:
                end.set()
                watch.result()

    def _watch(self, end):
        is_over = False
        while not is_over:
            is_over = end.wait(WATCH_SECONDS)
            with self._mutex:
                for name in self._names - self._away - {
                        one.name for one in processes.running(self._files)}:
                    self.restarts += 1
                    print(f'{time.strftime("%H:%M:%S")} {name} had ended',
                          file=sys.stderr)
                    processes.respawn(self._files, name)


def _kill(files, outage):
    # It may have ended by itself a moment ago.
    with contextlib.suppress(processes.Failed):
        processes.kill(files, outage.name)
    time.sleep(outage.seconds)
    processes.respawn(files, outage.name)


def _stop(files, outage):
    try:
        with processes.paused(files, outage.name):
            time.sleep(outage.seconds)
    except processes.Failed:
        # It has ended by itself.
        pass


_AWAY = {Kind.KILL: _kill, Kind.STOP: _stop}
