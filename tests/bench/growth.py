# SPDX-License-Identifier: Apache-2.0
"""By how much the processes of a cloud grow in memory, files and threads."""

import collections
import contextlib
import dataclasses
import statistics
import threading
import time

import psutil

from tests.cloud import processes

MB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a process has.

    :ivar at: when, by time.monotonic()
    :ivar memory: its resident set, in bytes
    :ivar files: how many files it has open
    :ivar threads: how many threads
    :ivar connections: how many connections to the database
    """

    at: float
    memory: int
    files: int
    threads: int
    connections: int


def workers(files, names):
    """Return the processes that serve, without those that only start them.

    :param files: the cloud's Layout
    :param names: the names of services
    :returns: a dict of psutil.Process by name and number
    """
    found = {}
    for name in names:
        each = [psutil.Process(one.pid) for one in processes.running(files)
                if one.name == name]
        parents = {one.ppid() for one in each}
        found |= {f'{name} {number}': one for number, one in enumerate((
            one for one in each if one.pid not in parents), start=1)}
    return found


class Sampler:
    """Takes samples of processes.

    :param observed: a dict of psutil.Process by name
    :param port: that of the database, on 127.0.0.1
    :ivar samples: a dict of lists of Sample by name
    """

    def __init__(self, observed, port):
        self.samples = collections.defaultdict(list)
        self._observed = observed
        self._port = port

    def take(self):
        """Take a Sample of each process.

        :raises psutil.NoSuchProcess: if one has ended
        """
        for name, process in self._observed.items():
            self.samples[name].append(Sample(
                time.monotonic(), process.memory_info().rss,
                process.num_fds(), process.num_threads(),
                sum(bool(one.raddr) and one.raddr.port == self._port and
                    one.status == psutil.CONN_ESTABLISHED
                    for one in process.net_connections('tcp'))))

    @contextlib.contextmanager
    def sampling(self, seconds):
        """Take samples while in the context.

        :param seconds: between two of them
        """
        end = threading.Event()

        def sample():
            while not end.wait(seconds):
                self.take()

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def settled(samples):
    """Return the last two thirds of samples: the first is for warming up."""
    return samples[len(samples) // 3:]


def memory_growth(samples):
    """Return by how much memory grows in an hour, in percent.

    That is the slope of the line that fits the last two thirds best.

    :param samples: list of Sample
    """
    late = settled(samples)
    slope = statistics.linear_regression(
        [one.at for one in late], [one.memory for one in late]).slope
    return slope * 3600 / statistics.mean(one.memory for one in late) * 100


def count_growth(samples, count):
    """Return by how much a count grows from the second third to the last.

    That is the difference of the medians: what is open for a moment, and what
    is opened again after a restart, does not count.

    :param samples: list of Sample
    :param count: the name of an attribute of Sample
    """
    late = [getattr(one, count) for one in settled(samples)]
    half = len(late) // 2
    return statistics.median(late[half:]) - statistics.median(late[:half])
