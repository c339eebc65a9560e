# SPDX-License-Identifier: Apache-2.0
"""What a pass-through costs: ``python3 -m tests.bench``.

Calls a bare WSGI application through one filter at a time, with a plain read
of a server: the guard, an empty webob filter, and the filters of
oslo.middleware that stand in Nova's pipelines. All take turns in one run, so
that a noisy machine is noisy for all; the median of the rounds counts.
"""

import io
import statistics
import timeit

from oslo_config import cfg
from oslo_middleware import cors
from oslo_middleware import http_proxy_to_wsgi
from oslo_middleware import request_id
from oslo_middleware import sizelimit
import webob.dec

from nova_trove_guard import filter as guard

CALLS = 5000
ROUNDS = 15

ENVIRON = {
    'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '/v2.1', 'QUERY_STRING': '',
    'PATH_INFO': '/servers/0c1d2a3b-1111-4111-8111-000000000001',
    'SERVER_NAME': 'localhost', 'SERVER_PORT': '80',
    'SERVER_PROTOCOL': 'HTTP/1.1', 'HTTP_HOST': 'localhost',
    'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http',
    'wsgi.input': io.BytesIO(), 'wsgi.errors': io.StringIO(),
    'wsgi.multithread': True, 'wsgi.multiprocess': True,
    'wsgi.run_once': False,
}


def application(environ, start_response):
    """Answer a request with as little as WSGI allows."""
    start_response('200 OK', [('Content-Length', '2')])
    return [b'{}']


@webob.dec.wsgify
def empty(request):
    """Do nothing, with a webob Request."""
    return application


def start_response(status, headers, exc_info=None):
    """Take the head of an answer, as a web server does."""


def filters():
    """Return the filters (applications) to compare, by name."""
    conf = cfg.ConfigOpts()
    conf([])
    return {
        'nothing': application,
        'nova-trove-guard': guard.TroveGuard(
            application, 'trove_instance_id', None, None),
        'empty webob filter': empty,
        'oslo.middleware request_id': request_id.RequestId(application),
        'oslo.middleware sizelimit': sizelimit.RequestBodySizeLimiter(
            application, conf),
        'oslo.middleware http_proxy_to_wsgi':
            http_proxy_to_wsgi.HTTPProxyToWSGI(application, conf),
        'oslo.middleware cors': cors.CORS(application, conf),
    }


def measure(applications):
    """Return the median time of a call in microseconds, by name."""
    rounds = {name: [] for name in applications}
    for _ in range(ROUNDS):
        for name, app in applications.items():
            seconds = timeit.timeit(
                lambda: app(ENVIRON.copy(), start_response), number=CALLS)
            rounds[name].append(seconds / CALLS * 1e6)
    return {name: statistics.median(times) for name, times in rounds.items()}


def main():
    """Measure, and print a table."""
    times = measure(filters())
    bare = times.pop('nothing')
    added = times['nova-trove-guard'] - bare
    print(f'{"filter":36} {"adds, us":>9} {"x the guard":>12}')
    for name, time in times.items():
        print(f'{name:36} {time - bare:9.2f} {(time - bare) / added:12.1f}')


if __name__ == '__main__':
    main()
