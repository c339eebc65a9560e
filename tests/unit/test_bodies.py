# SPDX-License-Identifier: Apache-2.0
"""The body of a request: read before anything is looked up, and only once.

Nova reads the whole body before it dispatches. A client that holds back its
end would otherwise choose how long after the look-up of a server Nova acts on
it: long enough for Trove to have marked the server.
"""

import io

import pytest
import webob

from nova_trove_guard.core import documents
from nova_trove_guard.nova import reader
from tests.unit import nova_api
from tests.unit import test_filter as filters


class Body(io.BytesIO):
    """A body whose last byte comes when the server has been marked."""

    is_read = False

    def read(self, size=-1):
        """Return bytes; what is read is noted."""
        self.is_read = True
        return super().read(size)


@pytest.fixture
def marked_late(monkeypatch):
    """Have the free server marked as soon as a body is read; return one."""
    body = Body(b'{"x": null}')
    monkeypatch.setattr(
        nova_api, 'metadata',
        lambda server_id: {nova_api.METADATA_KEY: 'late'}
        if body.is_read else {})
    return body


@pytest.mark.parametrize('operation, method, path, body', filters.calls())
def test_a_server_that_is_marked_while_the_body_comes_is_guarded(
        guarded, marked_late, operation, method, path, body):
    content = filters.json.dumps(body or {}).encode()
    marked_late.write(content)
    marked_late.seek(0)
    environ = webob.Request.blank(
        filters.FREE + path, method=method,
        headers={'X-Auth-Token': guarded.token(*filters.TENANT)},
        environ={'CONTENT_LENGTH': str(len(content)),
                 'CONTENT_TYPE': 'application/json',
                 'wsgi.input': marked_late}).environ
    guarded.dispatched.clear()
    answer = webob.Request(environ).get_response(guarded.app)
    assert answer.status_int == 403
    assert guarded.dispatched == []


class Fails(io.BytesIO):
    """A body of which the client sends no more."""

    def read(self, size=-1):
        """Return no more than half of it."""
        return super().read(3)


def send(api, method, path, content, **environ):
    """Return (status, body), or the exception that a web server gets."""
    request = webob.Request.blank(path, method=method, headers={
        'X-Auth-Token': api.token(*filters.TENANT)}, environ={
            'CONTENT_TYPE': 'application/json', 'wsgi.input': content,
            **environ})
    api.dispatched.clear()
    answer = request.get_response(api.app)
    return answer.status, answer.body, len(api.dispatched)


CALLS = pytest.mark.parametrize('method, path', [
    ('DELETE', filters.FREE), ('POST', f'{filters.FREE}/action'),
    ('PUT', f'{filters.FREE}/metadata'), ('POST', '/v2.1/servers'),
    ('DELETE', f'/v2/servers/{nova_api.FREE}'),
    ('DELETE', f'/v2.1/os-volumes/{nova_api.MISSING}')])


@CALLS
@pytest.mark.parametrize('environ', [
    {'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'},
    {'CONTENT_LENGTH': '200000'}], ids=['chunked', 'with a length'])
def test_a_body_that_is_too_large_ends_as_without_the_guard(
        guarded, unguarded, method, path, environ):
    answers = [send(api, method, path, io.BytesIO(b'x' * 200000), **environ)
               for api in (guarded, unguarded)]
    assert answers[0] == answers[1]
    assert answers[0][0].startswith('413')


@pytest.mark.parametrize('opened, closed', [('[', ']'), ('{"x":', '}')])
@pytest.mark.parametrize('method, path, key', [
    ('POST', f'{filters.FREE}/action', 'os-stop'),
    ('PUT', f'{filters.FREE}/metadata/x', 'meta'),
    ('POST', '/v2.1/servers', 'server')])
def test_a_body_with_too_many_lists_or_objects_is_not_parsed(
        guarded, monkeypatch, method, path, key, opened, closed):
    """Garbage collectors would run long, and twice."""
    def ask(containers):
        value = ','.join(f'{opened}1{closed}' for _ in range(containers - 2))
        content = f'{{"{key}":[{value}]}}'.encode()
        return send(guarded, method, path, io.BytesIO(content),
                    CONTENT_LENGTH=str(len(content)))

    status, _, dispatched = ask(documents.MAX_CONTAINERS)
    assert dispatched == 1
    monkeypatch.setattr(documents, 'parsed', None)
    status, body, dispatched = ask(documents.MAX_CONTAINERS + 1)
    assert status.startswith('413')
    assert b'too many lists and objects' in body
    assert dispatched == 0


@CALLS
@pytest.mark.parametrize('environ', [
    {'CONTENT_LENGTH': '100'}, {'CONTENT_LENGTH': '20000'}], ids=str)
def test_a_client_that_hangs_up_ends_as_without_the_guard(
        guarded, unguarded, method, path, environ):
    answers = [send(api, method, path, Fails(b'{"x": null}'), **environ)
               for api in (guarded, unguarded)]
    assert answers[0][::2] == answers[1][::2]
    assert answers[0][2] == 0


@CALLS
def test_a_chunked_body_is_still_nova_s_to_read(guarded, method, path):
    content = b'{"createImage": {"metadata": {}}}'
    seen = []

    class Input(io.BytesIO):
        def read(self, size=-1):
            seen.append(super().read(size))
            return seen[-1]

    send(guarded, method, path, Input(content), **{
        'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'})
    assert b''.join(seen) == content
    assert len(guarded.dispatched) == 1
    if method != 'DELETE':
        dispatch, = guarded.dispatched
        assert dispatch.arguments['body'] == filters.json.loads(content)


def test_plain_reads_are_not_read():
    assert reader.read({
        'REQUEST_METHOD': 'GET', 'PATH_INFO': f'/servers/{nova_api.FREE}',
        'CONTENT_LENGTH': '7', 'wsgi.input': None}) is None
