# SPDX-License-Identifier: Apache-2.0
"""(1) What a plain read pays for the guard, and for other filters."""

import io

from oslo_config import cfg
from oslo_middleware import cors
from oslo_middleware import http_proxy_to_wsgi
from oslo_middleware import request_id
from oslo_middleware import sizelimit
import webob.dec

from nova_trove_guard.core import guard
from nova_trove_guard.nova import service
from tests.bench import measure

CALLS = 3000
GUARD = 'nova-trove-guard'

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


def _filters():
    """Return the filters (applications) to compare, by name."""
    conf = cfg.ConfigOpts()
    conf([])
    return {
        'nothing': application,
        GUARD: guard.TroveGuard(
            application, service.NovaService(application), None, None,
            'trove_instance_id'),
        'empty wsgify filter': empty,
        'oslo.middleware request_id': request_id.RequestId(application),
        'oslo.middleware sizelimit': sizelimit.RequestBodySizeLimiter(
            application, conf),
        'oslo.middleware http_proxy_to_wsgi':
            http_proxy_to_wsgi.HTTPProxyToWSGI(application, conf),
        'oslo.middleware cors': cors.CORS(application, conf),
    }


def run():
    """Return the Result."""
    times = measure.medians({
        name: lambda app=app: app(ENVIRON.copy(), start_response)
        for name, app in _filters().items()}, CALLS)
    bare = times.pop('nothing')
    added = {name: taken - bare for name, taken in times.items()}
    cheapest = min(value for name, value in added.items() if 'oslo' in name)
    return measure.Result(
        'What a filter adds to a plain read',
        [measure.Row(name, value) for name, value in added.items()],
        [measure.Aim('added by the guard', added[GUARD], 1, unit='us'),
         measure.Aim('cheapest filter of oslo.middleware / guard',
                     cheapest / added[GUARD], 15, at_most=False)])
