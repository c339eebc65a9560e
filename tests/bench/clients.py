# SPDX-License-Identifier: Apache-2.0
"""Clients that send requests over HTTP, and what they measure.

Each client is a process of its own with one connection, and sends its next
request as soon as the last one is answered. Two or more sides, such as the
same service with and without the guard, take turns in slices of some seconds:
A B B A. So a machine that is faster now than then is so for all.
"""

import collections
import dataclasses
import gc
import http.client
import multiprocessing
import random
import re
import statistics
import time
from urllib import parse
import uuid

SLICE_SECONDS = 10
# Between the start of a slice and its first request, so that all clients
# begin together.
HEAD_START_SECONDS = 0.2
TIMEOUT_SECONDS = 120
# How often slices are drawn again to find the spread of a ratio, and the share
# of these within the spread.
DRAWS = 200
WITHIN = 0.95
# In place of a status.
NO_ANSWER = 0
_ID = re.compile('[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


@dataclasses.dataclass(frozen=True)
class Ask:
    """A request that a client sends.

    :ivar kind: under which name its latency is recorded
    :ivar weight: how often it is sent, next to the client's others
    :ivar method: the HTTP method
    :ivar path: the path below the endpoint's URL; {unknown} stands for an id
        that is new in each request
    :ivar expected: the statuses that are right
    :ivar body: the JSON text, None for none
    """

    kind: str
    weight: float
    method: str
    path: str
    expected: tuple[int, ...] = (200,)
    body: str | None = None


@dataclasses.dataclass(frozen=True)
class Client:
    """What one client does in a slice.

    :ivar url: the endpoint
    :ivar headers: a dict
    :ivar asks: a tuple of Ask
    :ivar seed: decides which of them come when
    :ivar pause: how many seconds the client waits after an answer
    """

    url: str
    headers: dict
    asks: tuple
    seed: str
    pause: float = 0


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a client, or several, measured in a slice.

    :ivar latencies: lists of seconds, by Ask.kind
    :ivar rates: requests a second, by Ask.kind
    :ivar unexpected: how often there was another status than expected, by
        kind, method, path without ids, and status
    """

    latencies: dict
    rates: dict
    unexpected: collections.Counter


def drive(client, begin, seconds):
    """Send requests for a while.

    :param client: a Client
    :param begin: when to begin, as of time.monotonic()
    :param seconds: for how long
    :returns: Answers
    """
    drawn = random.Random(client.seed)
    weights = [ask.weight for ask in client.asks]
    latencies = collections.defaultdict(list)
    strange = collections.Counter()
    url = parse.urlsplit(client.url)
    connection = http.client.HTTPConnection(
        url.hostname, url.port, timeout=TIMEOUT_SECONDS)
    time.sleep(max(0, begin - time.monotonic()))
    while time.monotonic() < begin + seconds:
        ask, = drawn.choices(client.asks, weights)
        path = url.path + ask.path.replace(
            '{unknown}', str(uuid.UUID(int=drawn.getrandbits(128), version=4)))
        start = time.monotonic()
        status = _status(connection, ask.method, path, ask.body,
                         client.headers)
        latencies[ask.kind].append(time.monotonic() - start)
        if status not in ask.expected:
            strange[f'{ask.kind}: {ask.method} '
                    f'{_ID.sub("{id}", ask.path)}: {status}'] += 1
        time.sleep(client.pause)
    connection.close()
    taken = time.monotonic() - begin
    return Answers(
        dict(latencies),
        {kind: len(some) / taken for kind, some in latencies.items()},
        strange)


def _status(connection, method, path, body, headers):
    """Send a request, and return the status of the whole answer.

    :returns: NO_ANSWER if there is none
    """
    is_new = connection.sock is None
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
    except ConnectionError:
        # Not every server keeps connections, or announces that it does not.
        connection.close()
        return NO_ANSWER if is_new else _status(
            connection, method, path, body, headers)
    except (OSError, http.client.HTTPException):
        connection.close()
        return NO_ANSWER
    return answer.status


def together(answers):
    """Return the Answers of clients that run at the same time as one.

    :param answers: a list of Answers
    """
    latencies = collections.defaultdict(list)
    rates = collections.Counter()
    for each in answers:
        for kind, taken in each.latencies.items():
            latencies[kind] += taken
        rates.update(each.rates)
    return Answers(dict(latencies), dict(rates), unexpected(answers))


def unexpected(answers):
    """Return how often there was what unexpected status.

    :param answers: an iterable of Answers
    :returns: a Counter, as in Answers
    """
    return sum((each.unexpected for each in answers), collections.Counter())


class Crew:
    """Processes that drive clients; a context manager.

    :param size: how many clients there can be at a time
    """

    def __init__(self, size):
        # A collection of this process's many objects would take long.
        self._pool = multiprocessing.get_context('fork').Pool(
            size, initializer=gc.freeze)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._pool.terminate()
        self._pool.join()

    def drive(self, some, seconds):
        """Drive clients together.

        :param some: a list of Client, at most as many as there are processes
        :param seconds: for how long
        :returns: a list of Answers, one for each Client
        """
        begin = time.monotonic() + HEAD_START_SECONDS
        return self._pool.starmap(
            drive, [(client, begin, seconds) for client in some], chunksize=1)


def turns(pairs):
    """Yield (number of the pair, side 0 or 1) in turn: A B, B A, A B, ...

    :param pairs: how many slices each side gets
    """
    for pair in range(pairs):
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            yield pair, side


def compare(measure_slice, seconds):
    """Have two sides take turns.

    :param measure_slice: a function of the side (0 or 1), the number of its
        slice, and the seconds that the slice takes, that returns Answers
    :param seconds: how long each side is measured
    :returns: a list of Answers for each side, one for each slice
    """
    pairs = max(2, round(seconds / SLICE_SECONDS))
    for side in 0, 1:
        # The first requests are slower: caches are empty.
        measure_slice(side, -1, min(SLICE_SECONDS, seconds / pairs))
    slices = [], []
    for pair, side in turns(pairs):
        slices[side].append(measure_slice(side, pair, seconds / pairs))
    return slices


def rate(slices, kind=None):
    """Return the requests a second of a side.

    :param slices: a list of Answers
    :param kind: the kind of requests that count; None for all
    """
    return statistics.fmean(
        sum(per_second for its_kind, per_second in each.rates.items()
            if kind in (None, its_kind)) for each in slices)


def percentile(slices, number, kind=None):
    """Return a percentile of the latencies of a side, in seconds.

    :param slices: a list of Answers
    :param number: which, from 1 to 99
    :param kind: the kind of requests that count; None for all
    """
    taken = [seconds for each in slices
             for its_kind, some in each.latencies.items()
             if kind in (None, its_kind) for seconds in some]
    return statistics.quantiles(taken, n=100, method='inclusive')[number - 1]


def ratio(statistic, sides):
    """Return a statistic of the second side, divided by that of the first.

    :param statistic: a function of a list of Answers
    :param sides: a pair of lists of Answers
    """
    first, second = map(statistic, sides)
    return second / first


def spread(statistic, sides):
    """Return between which numbers a ratio is, had it been measured again.

    Pairs of slices are drawn at random, with replacement (bootstrap).

    :param statistic: a function of a list of Answers
    :param sides: a pair of lists of Answers, of the same length
    :returns: (lowest, highest) of 95 % of the ratios
    """
    drawn = random.Random(0)
    pairs = list(zip(*sides))
    ratios = sorted(
        ratio(statistic, tuple(zip(*drawn.choices(pairs, k=len(pairs)))))
        for _ in range(DRAWS))
    left_out = round((1 - WITHIN) / 2 * DRAWS)
    return ratios[left_out], ratios[-1 - left_out]
