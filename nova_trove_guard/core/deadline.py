# SPDX-License-Identifier: Apache-2.0
"""Bound the time that a caller waits for databases and other services."""

from collections.abc import Callable
import concurrent.futures
import threading
import time
import typing

_P = typing.ParamSpec('_P')
_R = typing.TypeVar('_R')

# A call that takes longer counts as failed.
SECONDS = 10
# How many calls can wait for one database or service in a process at a time.
# One that hangs blocks their threads until the network connection fails; until
# then other callers wait for a free thread, up to SECONDS.
THREADS = 16
# The dependency that each service has.
DATABASE = 'database'


class Deadline:
    """Run functions in threads, and stop waiting for those that hang.

    Neither Nova's API database nor Neutron has a time limit of its own. The
    threads start with the first call, because threads do not survive the fork
    of a service's worker process.

    :param seconds: how long to wait
    :param threads: how many functions can wait for the same at a time
    """

    def __init__(self, seconds: float = SECONDS,
                 threads: int = THREADS) -> None:
        self._seconds = seconds
        self._threads = threads
        self._lock = threading.Lock()
        self._by_dependency: dict[str, _Threads] = {}

    def start(self) -> 'Running':
        """Return what runs functions that must all end in time."""
        return Running(self._seconds, self._of)

    def call(self, function: Callable[_P, _R], *args: _P.args,
             **kwargs: _P.kwargs) -> _R:
        """Return what a function returns, or raise what it raises.

        It waits for the service's own database.

        :raises TimeoutError: if it does not return in time; the function
            continues, and its result is dropped
        """
        return self.start().call(DATABASE, function, *args, **kwargs)

    def _of(self, dependency: str) -> '_Threads':
        with self._lock:
            if dependency not in self._by_dependency:
                self._by_dependency[dependency] = _Threads(self._threads)
            return self._by_dependency[dependency]


class Running:
    """Run some functions, one after the other, with a common deadline.

    :param seconds: how long to wait for all of them
    :param of: returns the threads for a dependency
    """

    def __init__(self, seconds: float,
                 of: Callable[[str], '_Threads']) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._of = of

    def call(self, dependency: str, function: Callable[_P, _R],
             *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Return what a function returns, or raise what it raises.

        :param dependency: what the function waits for. Each dependency has
            its own threads: one that hangs does not block the others
        :raises TimeoutError: if it does not return in time; the function
            continues, and its result is dropped
        """
        threads = self._of(dependency)
        if not threads.free.acquire(timeout=self._left()):
            raise TimeoutError(
                f'all lookups hang; waited {self._seconds} s for one to end')
        future = threads.executor.submit(function, *args, **kwargs)
        future.add_done_callback(lambda _: threads.free.release())
        try:
            return future.result(self._left())
        finally:
            # Otherwise a failure and this frame would refer to each other, and
            # with them all that its traceback holds, such as connections,
            # would stay until the garbage collector runs.
            del future

    def _left(self) -> float:
        return max(0, self._end - time.monotonic())


class _Threads:
    """The threads for one dependency.

    :ivar free: counts the free ones
    """

    def __init__(self, count: int) -> None:
        self.executor = concurrent.futures.ThreadPoolExecutor(
            count, 'nova-trove-guard-lookup')
        self.free = threading.Semaphore(count)
