# SPDX-License-Identifier: Apache-2.0
"""Work in parallel, no more of it at a time than is wanted."""

import collections
from concurrent import futures
import itertools


def each(function, items, jobs):
    """Yield (item, function(item)) of each item, in order.

    No more than `jobs` items are under way, and no more are taken from
    `items` than that ahead of what has been yielded.

    :param function: callable; what it raises is raised here, and no more
        items are begun
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
