# SPDX-License-Identifier: Apache-2.0
"""Send the same request to an endpoint again and again.

Each request has a connection of its own: a balancer chooses a host for each
new connection, and an operating system a process.
"""

import collections
from concurrent import futures
import contextlib
import dataclasses
import math
import time

from keystoneauth1 import exceptions
from keystoneauth1 import session as sessions
import requests

from nova_trove_guard.cmd.probe import endpoints
from nova_trove_guard.cmd.probe import requested
from nova_trove_guard.cmd.probe import responses

# Parallel requests: while a process is busy, others get some of them.
JOBS = 4
# An endpoint is given up after so many requests without a response.
GIVE_UP = 4
# Seconds to connect, to wait for a response, and to read it, by default.
TIMEOUT = 10.0
# How many bytes of a response are read. The guard's has a few hundred.
LIMIT = 16 * 1024

# A process that gets 1 in SHARE requests is missed in less than 1 of RUNS
# runs.
SHARE = 16
RUNS = 1000
REQUESTS = math.ceil(math.log(1 / RUNS) / math.log(1 - 1 / SHARE))


def share(count: int) -> int:
    """Return the share of requests that a process must get to be reached.

    :param count: the number of requests
    :returns: the largest n for which a process that gets 1 in n requests, at
        random, is missed in less than 1 of RUNS runs
    """
    return math.floor(1 / (1 - math.exp(-math.log(RUNS) / count)))


class _Connections(requests.Session):
    """A session that neither follows nor reads redirects."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: requests would read the whole body of a redirect."""
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Sender:
    """Send probe's request.

    :ivar behind: the session whose credentials and settings it uses
    :ivar metadata_key: the marker
    """

    behind: sessions.Session
    metadata_key: str

    @property
    def _timeout(self) -> float:
        return self.behind.timeout or TIMEOUT

    def probe(self, endpoint: endpoints.Endpoint,
              count: int) -> responses.ResponseCounts:
        """Send the request to an endpoint, and count the responses.

        :param count: the number of requests; fewer if the endpoint is down
        """
        counts: collections.Counter[str] = collections.Counter()
        with futures.ThreadPoolExecutor(JOBS) as pool:
            for start in range(0, count, JOBS):
                counts.update(pool.map(
                    lambda _: self.send(endpoint),
                    range(start, min(start + JOBS, count))))
                if responses.ResponseCounts(counts).down >= GIVE_UP:
                    break
        return responses.ResponseCounts(counts)

    def send(self, endpoint: endpoints.Endpoint) -> str:
        """Send the request once, and classify the response."""
        service = endpoint.service
        with contextlib.closing(_Connections()) as connections:
            session = sessions.Session(
                auth=self.behind.auth, session=connections,
                verify=self.behind.verify, cert=self.behind.cert,
                timeout=self._timeout)
            try:
                response = session.request(
                    endpoint.url + service.path, service.method,
                    json=service.body(self.metadata_key),
                    headers=dict(requested.HEADERS), redirect=False,
                    raise_exc=False, log=False, stream=True)
            except exceptions.ConnectTimeout:
                return responses.TIMEOUT
            except exceptions.SSLError:
                return responses.TLS_ERROR
            except exceptions.ConnectionError:
                return responses.NO_CONNECTION
            return responses.classify(
                service, self.metadata_key, response.status_code,
                _content(response, time.monotonic() + self._timeout))


def _content(response: requests.Response, deadline: float) -> bytes:
    """Return the body of a response, empty if it is too long or cut off.

    :param deadline: when to stop reading, by time.monotonic
    """
    content = bytearray()
    try:
        # Byte by byte: iter_content waits until a larger piece is complete.
        for byte in response.iter_content(1):
            content += byte
            if len(content) > LIMIT or time.monotonic() > deadline:
                return b''
    except requests.RequestException:
        return b''
    return bytes(content)
