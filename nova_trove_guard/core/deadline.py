# SPDX-License-Identifier: Apache-2.0
"""Bound the time that a caller waits for a database or another service."""

from collections.abc import Callable
import concurrent.futures
import threading
import time
import typing

_P = typing.ParamSpec('_P')
_R = typing.TypeVar('_R')

# A call that takes longer counts as failed.
SECONDS = 10
# How many calls can run in a process at a time. A database that hangs blocks
# their threads until the network connection fails; until then other callers
# wait for a free thread, up to SECONDS.
THREADS = 16


class Deadline:
    """Run functions in threads, and stop waiting for those that hang.

    Neither Nova's API database nor Neutron has a time limit of its own. The
    threads start with the first call, because threads do not survive the fork
    of a service's worker process.

    :param seconds: how long to wait
    :param threads: how many functions can run at a time
    """

    def __init__(self, seconds: float = SECONDS,
                 threads: int = THREADS) -> None:
        self._seconds = seconds
        self._executor = concurrent.futures.ThreadPoolExecutor(
            threads, 'nova-trove-guard-lookup')
        self._free = threading.Semaphore(threads)

    def call(self, function: Callable[_P, _R], *args: _P.args,
             **kwargs: _P.kwargs) -> _R:
        """Return what a function returns, or raise what it raises.

        :raises TimeoutError: if it does not return in time; the function
            continues, and its result is dropped
        """
        end = time.monotonic() + self._seconds
        if not self._free.acquire(timeout=self._seconds):
            raise TimeoutError(
                f'all lookups hang; waited {self._seconds} s for one to end')
        future = self._executor.submit(function, *args, **kwargs)
        future.add_done_callback(lambda _: self._free.release())
        return future.result(max(0, end - time.monotonic()))
