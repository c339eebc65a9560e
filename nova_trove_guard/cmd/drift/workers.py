# SPDX-License-Identifier: Apache-2.0
"""Run a function on many items, a limited number at a time."""

import collections
from collections import abc
from concurrent import futures
import itertools
import typing

Item = typing.TypeVar('Item')
Result = typing.TypeVar('Result')


def each(function: abc.Callable[[Item], Result], items: abc.Iterable[Item],
         jobs: int) -> abc.Iterator[tuple[Item, Result]]:
    """Yield (item, function(item)) of each item, in order.

    At most `jobs` items are in progress, and at most that many are taken from
    `items` ahead of what has been yielded.

    :param function: if it raises, the exception is raised here and no more
        items are started
    :param jobs: the number of threads
    """
    left = iter(items)
    pool = futures.ThreadPoolExecutor(jobs)
    is_interrupted = False
    try:
        waiting = collections.deque(
            (item, pool.submit(function, item))
            for item in itertools.islice(left, jobs))
        while waiting:
            item, future = waiting.popleft()
            yield item, future.result()
            waiting.extend((item, pool.submit(function, item))
                           for item in itertools.islice(left, 1))
    except (KeyboardInterrupt, GeneratorExit):
        # Ctrl-C, here or in the caller. A thread that waits for a service
        # can't be stopped.
        is_interrupted = True
        raise
    finally:
        pool.shutdown(wait=not is_interrupted, cancel_futures=True)
