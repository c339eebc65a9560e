# SPDX-License-Identifier: Apache-2.0
"""Run a function on many items, a limited number at a time."""

import collections
from concurrent import futures
import itertools


def each(function, items, jobs):
    """Yield (item, function(item)) of each item, in order.

    At most `jobs` items are in progress, and at most that many are taken from
    `items` ahead of what has been yielded.

    :param function: callable; if it raises, the exception is raised here and
        no more items are started
    :param items: iterable
    :param jobs: how many threads
    """
    items = iter(items)
    with futures.ThreadPoolExecutor(jobs) as pool:
        waiting = collections.deque(
            (item, pool.submit(function, item))
            for item in itertools.islice(items, jobs))
        try:
            while waiting:
                item, future = waiting.popleft()
                yield item, future.result()
                waiting.extend((item, pool.submit(function, item))
                               for item in itertools.islice(items, 1))
        finally:
            for _, future in waiting:
                future.cancel()
