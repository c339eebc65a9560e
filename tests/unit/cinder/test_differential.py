# SPDX-License-Identifier: Apache-2.0
"""What Cinder does of a request, against what the guard reads in it.

Generated requests go into Cinder's real router; what it dispatches is the
oracle.
"""

import io
import json

import hypothesis
from hypothesis import strategies as st

from nova_trove_guard.cinder import operations
from nova_trove_guard.cinder import reader
from nova_trove_guard.core import documents
from nova_trove_guard.core import routing
from tests import examples
from tests.unit.cinder import cinder_api as api

settings = hypothesis.settings(
    max_examples=examples.number(2000), deadline=None, derandomize=True,
    database=None, suppress_health_check=list(hypothesis.HealthCheck))

VOLUME = api.MANAGED['volume']
METHODS = ('GET', 'POST', 'PUT', 'DELETE')
PATHS = sorted({*operations.ROUTES, '/types/{id}', '/types/{id}/action',
                '/volumes/{id}/edit', '/os-quota-sets/{id}'})
KEYS = sorted({action for actions in operations.ACTIONS.values()
               for action in actions})


def _mostly(plain, *odd):
    """Strategy: usually one of the plain values, sometimes an odd one."""
    return st.sampled_from((*plain * (6 * len(odd) // len(plain) + 1), *odd))


@st.composite
def requests(draw):
    """Strategy: a WSGI environ, but for its body; and that."""
    route = draw(st.sampled_from(PATHS))
    segments = []
    for segment in route.split('/')[1:]:
        if segment.startswith('{'):
            segment = draw(_mostly(
                (VOLUME,), VOLUME.upper(), VOLUME + '\n', VOLUME + '.json',
                VOLUME + ' ', 'detail', 'action', 'volumes', 'key'))
        segments.append(segment)
    prefix = draw(_mostly(
        ('', f'/{api.PROJECT}'), '/volumes', '/groups', '/x', '/', '/dead'))
    suffix = draw(_mostly(
        ('', '', '.json'), '\n', '.json\n', '\n.json', '.json.json', '/',
        '.xml', '/action', '/x'))
    key = draw(st.sampled_from(KEYS) | st.sampled_from((
        'volume', 'snapshot', 'backup', 'group', 'metadata', 'x')))
    name = draw(_mostly((json.dumps(key),), '"\\u0078"'))
    value = draw(st.sampled_from(('{}', 'null', '[]', json.dumps(
        {'volume_id': VOLUME, 'add_volumes': VOLUME}))))
    body = draw(_mostly(
        (f'{{{name}: {value}}}',), f'{{{name}: 1, {name}: {value}}}',
        f'{{"os-extend": 1, {name}: {value}}}', '', '{}', '[]', 'null', '{',
        f'[{name}]')).encode(draw(_mostly(('utf-8',), 'utf-8-sig', 'utf-16')))
    methods = list(operations.ROUTES.get(route, ()))
    environ = {
        'REQUEST_METHOD': draw(
            st.sampled_from(methods or METHODS) | _mostly(
                METHODS, 'PATCH', 'HEAD', 'delete')),
        'SCRIPT_NAME': '',
        'PATH_INFO': prefix + '/' + '/'.join(segments) + suffix,
        'QUERY_STRING': draw(_mostly(
            ('',), '_method=DELETE', '_method=PUT', '_method=post',
            '%5Fmethod=DELETE', 'x=1&_method=DELETE', '_method=',
            '_method=GET&_method=DELETE')),
        'SERVER_NAME': 'localhost', 'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1', 'wsgi.url_scheme': 'http',
        'CONTENT_LENGTH': str(len(body))}
    content_type = draw(_mostly(
        ('application/json', 'application/vnd.openstack.volume+json'), None,
        'text/plain', 'application/x-www-form-urlencoded',
        'application/json; charset=utf-16'))
    if content_type is not None:
        environ['CONTENT_TYPE'] = content_type
    return environ, body


def build(request):
    """Return a new environ of a request."""
    environ, body = request
    return environ | api.principal() | {'wsgi.input': io.BytesIO(body)}


def expected(dispatch, method):
    """Return the operation of the table that was dispatched, None for none."""
    operation = operations.ROUTES.get(dispatch.route, {}).get(method)
    if operation is operations.ACTION:
        key, = dispatch.arguments['body']
        operation = operations.ACTIONS[dispatch.route.split('/')[1]][key]
    return None if operation is routing.PASS else operation


def check(cinder, request):
    """Return the operation that Cinder is asked for, and check the guard."""
    method = routing.method_of(build(request))
    cinder.send(build(request), cinder.unguarded)
    if not cinder.dispatched:
        return None
    dispatch, = cinder.dispatched
    operation, call = expected(dispatch, method), reader.read(build(request))
    assert (call and call.operation) == operation, (dispatch, call)
    if operation is None:
        return None
    assert call.is_readable or 'body' not in dispatch.arguments
    variables = [value for name, value in dispatch.arguments.items()
                 if name.endswith('_id')] or [
        value for name, value in dispatch.arguments.items() if name == 'id']
    if variables:
        assert call.identifier.rstrip('\n') == variables[0].rstrip('\n')
    if 'volume_id' in dispatch.arguments and 'id' in dispatch.arguments:
        assert call.item.rstrip('\n') == dispatch.arguments['id'].rstrip('\n')
    if call.operation.has_body and 'body' in dispatch.arguments:
        assert call.document == dispatch.arguments['body']
    return operation


@settings
@hypothesis.given(request=requests())
def test_the_guard_reads_what_cinder_does(cinder, request):
    hypothesis.note(repr(request))
    check(cinder, request)


@settings
@hypothesis.given(request=requests())
def test_nothing_guarded_reaches_a_managed_volume(cinder, request):
    hypothesis.note(repr(request))
    environ, _ = request
    environ['PATH_INFO'] = environ['PATH_INFO'].replace(
        '/types/', '/volumes/')
    cinder.send(build(request))
    for dispatch in cinder.dispatched:
        operation = expected(dispatch, routing.method_of(build(request)))
        assert operation is None or VOLUME not in repr(
            dispatch.arguments).lower() or not {
                target.kind for target in operation.targets
                if target.where is None or not documents.is_absent(
                    dispatch.arguments.get('body'), target.where)
            } & {'volume'}


def test_the_requests_reach_most_operations(cinder):
    """The tests above could fail: their requests get through to Cinder."""
    reached = set()

    @hypothesis.settings(settings, max_examples=3000,
                         phases=[hypothesis.Phase.generate])
    @hypothesis.given(request=requests())
    def count(request):
        reached.add(check(cinder, request))

    count()
    assert len(reached - {None}) > 40
