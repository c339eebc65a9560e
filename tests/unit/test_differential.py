# SPDX-License-Identifier: Apache-2.0
"""What Nova does of a request, against what the guard makes of it.

Generated requests go through the guard into Nova's real API application:
urlmap, pipeline, router and resources. The router is the oracle.
"""

import collections

import hypothesis
import pytest

from tests.unit import nova_api
from tests.unit import requests as hostile

settings = hypothesis.settings(
    max_examples=500, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))


def send(api, environ):
    """Return (status, headers, body, dispatches) of a request.

    An exception that passes all of Nova's filters counts as status 500, as
    the web server answers it.
    """
    api.dispatched.clear()
    answer = []
    try:
        body = b''.join(api.app(
            environ, lambda *head: answer.append(head[:2])))
    except Exception as error:
        return f'500 {type(error).__name__}', (), b'', list(api.dispatched)
    status, headers = answer[-1]
    return status, sorted(
        (name, value) for name, value in headers
        if not name.lower().endswith('request-id')), body, list(api.dispatched)


def mutations(dispatches, server_id=nova_api.MANAGED):
    """Return the dispatches that do more than read a server."""
    return [dispatch for dispatch in dispatches
            if dispatch.names(server_id) and not dispatch.is_read]


@pytest.fixture(scope='session', params=[
    ('member', 'reader'), ('reader',), ('manager', 'member', 'reader')],
    ids=['member', 'reader', 'manager'])
def tenant_roles(request):
    """Return the roles of a principal of the server's project."""
    return request.param


@pytest.mark.xdist_group('differential, tenants')
@settings
@hypothesis.given(request=hostile.requests())
def test_nothing_but_reads_reaches_a_managed_server(
        guarded, tenant_roles, request):
    token = guarded.token(*tenant_roles)
    *_, dispatches = send(guarded, request(token))
    hypothesis.note(hostile.describe(request))
    assert not mutations(dispatches)


@settings
@hypothesis.given(request=hostile.requests())
def test_a_cloud_admin_reaches_it_with_the_calls_of_services_only(
        guarded, request):
    token = guarded.token('admin', 'manager', 'member', 'reader')
    *_, dispatches = send(guarded, request(token))
    hypothesis.note(hostile.describe(request))
    assert {(dispatch.controller, dispatch.method)
            for dispatch in mutations(dispatches)} <= {
        ('AssistedVolumeSnapshotsController', 'create'),
        ('AssistedVolumeSnapshotsController', 'delete'),
        ('ServerExternalEventsController', 'create'),
        ('VolumeAttachmentController', 'update')}


@settings
@hypothesis.given(request=hostile.requests(nova_api.FREE))
def test_a_free_server_is_as_without_the_guard(guarded, unguarded, request):
    # Behind these paths the body says which server is meant, and the guard
    # refuses what does not say it.
    hypothesis.assume('/os-server-ext' not in request.environ['PATH_INFO'])
    hypothesis.assume('/os-assisted' not in request.environ['PATH_INFO'])
    _assert_same_answer(guarded, unguarded, request, 'member', 'reader')


@settings
@hypothesis.given(request=hostile.requests())
def test_the_trove_admin_is_as_without_the_guard(
        guarded, unguarded, request):
    _assert_same_answer(guarded, unguarded, request, 'trove_admin', 'admin')


def _assert_same_answer(guarded, unguarded, request, *roles):
    # Who hangs up gets no answer.
    hypothesis.assume(not request.is_cut_short)
    hypothesis.note(hostile.describe(request))
    assert (send(guarded, request(guarded.token(*roles))) ==
            send(unguarded, request(unguarded.token(*roles))))


# Tricks that work on an unguarded Nova, each told by what is in the request.
TRICKS = {
    'method override': lambda environ, body: (
        environ['REQUEST_METHOD'] == 'GET' and
        '_method=' in environ['QUERY_STRING']),
    'encoded override': lambda environ, body: (
        environ['REQUEST_METHOD'] == 'GET' and
        '_method=' not in environ['QUERY_STRING']),
    'final newline': lambda environ, body: environ['PATH_INFO'].endswith('\n'),
    'escapes in JSON': lambda environ, body: b'\\u' in body,
    'repeated key': lambda environ, body: body.endswith(b': null}'),
    'chunked body': lambda environ, body: 'CONTENT_LENGTH' not in environ,
    'no content type': lambda environ, body: 'CONTENT_TYPE' not in environ,
    'text/plain': lambda environ, body: (
        environ.get('CONTENT_TYPE') == 'text/plain'),
    'project in path': lambda environ, body: (
        nova_api.PROJECT in environ['PATH_INFO']),
    'alias': lambda environ, body: 'os-volumes_boot' in environ['PATH_INFO'],
    'upper case': lambda environ, body: (
        nova_api.MANAGED.upper() in environ['PATH_INFO']),
    'legacy v2': lambda environ, body: environ['PATH_INFO'].startswith('/v2/'),
    'version in header': lambda environ, body: (
        not environ['PATH_INFO'].startswith('/v2')),
}


@pytest.mark.xdist_group('differential, tricks')
def test_every_trick_does_harm_without_the_guard(unguarded):
    """The tests above could fail: their requests get through to Nova."""
    harm = collections.Counter()
    token = unguarded.token('member', 'reader')

    @hypothesis.settings(settings, max_examples=2000,
                         phases=[hypothesis.Phase.generate])
    @hypothesis.given(request=hostile.requests())
    def count(request):
        if mutations(send(unguarded, request(token))[-1]):
            harm.update(name for name, is_in in TRICKS.items()
                        if is_in(request.environ, request.body))

    count()
    assert set(harm) == set(TRICKS), harm
