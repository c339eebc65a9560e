# SPDX-License-Identifier: Apache-2.0
"""The short ways of the reading say what the long ways say."""

import io
import re

import hypothesis
from hypothesis import strategies as st
import pytest
import webob

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import routing
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import reader
from tests import examples
from tests.unit import nova_api

settings = hypothesis.settings(
    max_examples=examples.number(2000), deadline=None, derandomize=True,
    database=None)

SEGMENTS = sorted({
    segment for route in operations.ROUTES for segment in route.split('/')
    if not segment.startswith('{')} | {
    nova_api.MANAGED, nova_api.PROJECT, nova_api.MANAGED + '\n', 'detail',
    'flavors', 'nohex', 'SERVERS', 'servers.json', '\n', 'face-'})


@st.composite
def paths(draw):
    """Strategy: a path, most of them near to one of the table."""
    segments = draw(st.sampled_from(sorted(operations.ROUTES))).split('/')
    segments = [
        draw(st.sampled_from(SEGMENTS))
        if segment.startswith('{') or draw(st.integers(0, 9)) == 9
        else segment for segment in segments[1:]]
    project = draw(st.lists(st.sampled_from(SEGMENTS), max_size=1))
    tail = draw(st.sampled_from(('', '', '', '\n', '/', '/x', '\n\n')))
    return '/' + '/'.join(project + segments) + tail


def reads(path, method, query):
    """Return whether a request passes as a plain read."""
    return reader.read({
        'REQUEST_METHOD': method, 'PATH_INFO': path,
        'QUERY_STRING': query}) is None


@settings
@hypothesis.given(
    path=paths(), method=st.sampled_from(('GET', 'GET', 'HEAD', 'DELETE')),
    query=st.sampled_from(('', 'limit=1', '_method=DELETE', '_method')))
def test_a_path_of_plain_reads_is_one_by_the_table(path, method, query):
    quickly = reads(path, method, query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, '_is_read', lambda path: None)
        assert quickly == reads(path, method, query)


@pytest.mark.parametrize('path', [
    '/servers', '/servers/detail', f'/servers/{nova_api.MANAGED}',
    f'/{nova_api.PROJECT}/servers/{nova_api.MANAGED}/tags/x',
    f'/servers/{nova_api.MANAGED}/topology', '/os-volumes/x'])
def test_plain_reads_take_the_short_way(path):
    assert reader._is_read(path)


def test_the_beginning_of_a_route_is_no_route():
    expression = re.compile(routing._expression([['a', '{id}', 'b']]))
    assert expression.fullmatch('/a/x/b')
    assert not expression.fullmatch('/a/x')


def test_a_fixed_segment_goes_before_a_variable():
    listed, deleted = (calls.Operation(name)
                       for name in ('list', 'delete'))
    router = routing.Router({
        '/a/{id}': {'DELETE': deleted}, '/a/detail': {'GET': listed}})
    assert router.find(['a', 'detail'], 'GET') is listed
    assert router.find(['a', 'detail'], 'DELETE') is deleted
    assert router.find(['a', 'x'], 'GET') is None


def test_no_collection_is_taken_for_a_project():
    assert not [collection for collection in reader._ROUTER.collections
                if reader._is_read(f'/{collection}/servers/x/tags')]


class Chatty(io.RawIOBase):
    """A body of which there is more behind it: the next request."""

    def __init__(self, body):
        self._stream = io.BytesIO(body + b'POST / HTTP/1.1')

    def read(self, size=-1):
        """Return bytes, as a web server does that knows no end."""
        return self._stream.read(size)


def read(environ, way):
    """Return what one reads of a body, and what Nova reads after it.

    Where it can't be read, return whether that is for a client that hung up.
    """
    try:
        content = way(environ)
    except (OSError, ValueError) as error:
        return isinstance(error, OSError)
    return (content, environ.get('webob.is_body_seekable'),
            webob.Request(environ).body)


def by_webob(environ):
    """Return the body, as webob reads it."""
    return webob.BaseRequest(environ).body


# What a filter before the guard does.
EARLIER = {
    'reads nothing': lambda environ: None,
    'copies it': lambda environ: webob.Request(environ).make_body_seekable(),
    'reads on': lambda environ: (
        webob.Request(environ).make_body_seekable(),
        webob.Request(environ).body_file.read(3)),
    'reads a part': lambda environ: webob.Request(environ).body_file.read(3),
}


@settings
@hypothesis.given(
    body=st.binary(max_size=40) | st.integers(9990, 10300).map(bytes) |
    st.integers(999_990, 1_000_010).map(bytes),
    length=st.sampled_from(('its', 'its', 'its', 'none', '', '0', '1', ' 2',
                            '+3', '-1', '1_0', '\xb2', '99999', 'x', '007')),
    headers=st.sampled_from(({}, {'wsgi.input_terminated': True})),
    stream=st.sampled_from((io.BytesIO, Chatty)),
    earlier=st.sampled_from(sorted(EARLIER)))
def test_a_body_is_read_as_by_webob(body, length, headers, stream, earlier):
    if length == 'its':
        length = str(len(body))
    headers = dict(headers, REQUEST_METHOD='POST', PATH_INFO='/')
    if length != 'none':
        headers['CONTENT_LENGTH'] = length
    if stream is Chatty:
        # Of that stream nobody may say so.
        hypothesis.assume('wsgi.input_terminated' not in headers)
    environs = []
    for _ in range(2):
        environ = dict(headers, **{'wsgi.input': stream(body)})
        try:
            EARLIER[earlier](environ)
        except (OSError, ValueError):
            hypothesis.reject()
        environs.append(environ)
    assert (read(environs[0], documents.body) ==
            read(environs[1], by_webob))


@pytest.mark.parametrize('size', [1, 112 * 1024, 999_999])
def test_the_bodies_that_services_accept_are_not_copied_to_a_file(
        size, monkeypatch):
    monkeypatch.setattr(
        webob.BaseRequest, 'make_tempfile', lambda self: pytest.fail('file'))
    environ = {'REQUEST_METHOD': 'POST', 'CONTENT_LENGTH': str(size),
               'wsgi.input': io.BytesIO(bytes(size))}
    assert documents.body(environ) == bytes(size)
    assert environ['wsgi.input'].read() == bytes(size)
