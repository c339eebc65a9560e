# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for hostile requests about a server.

They are WSGI environs, as any server in front of Nova could make them of what
a client sends, with all the spellings in which Nova's urlmap, Routes, WebOb
and JSON parser could see something else than a guard does.
"""

import io
import itertools
import json

from hypothesis import strategies as st
from nova.api.openstack.compute import routes

from nova_trove_guard.nova import operations
from tests.unit import nova_api

VOLUME = '0c1d2a3b-9999-4999-8999-000000000009'
METHODS = ('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS')

_ROUTES = tuple(
    route for route, methods in routes.ROUTE_LIST
    if route.startswith(('/servers/', '/os-volumes_boot/', '/os-server-ext',
                         '/os-assisted')))


def _mostly(plain, *odd):
    """Strategy: usually one of the plain values, sometimes an odd one.

    Most of a request has to be in order for the rest to be able to do harm.
    """
    return st.sampled_from((*plain * (6 * len(odd) // len(plain) + 1), *odd))


def _server_ids(server_id):
    return _mostly(
        (server_id,), *[server_id.upper()] * 4,
        server_id.replace('-', ''), f'{{{server_id}}}',
        f'urn:uuid:{server_id}', server_id + '\n', server_id + ' ',
        server_id + '.json', server_id + ';x', 'detail', server_id + '/',
        '/' + server_id, './' + server_id)


@st.composite
def _paths(draw, server_id):
    route = draw(st.sampled_from(_ROUTES) | st.sampled_from((
        '/servers/{id}', '/servers/{id}/action', '/os-volumes_boot/{id}',
        '/os-volumes_boot/{id}/action')))
    segments = []
    for index, segment in enumerate(route.split('/')):
        if segment.startswith('{'):
            segment = draw(_server_ids(server_id) if index == 2 else
                           st.sampled_from(('key', '7', VOLUME,
                                            nova_api.METADATA_KEY)))
        segments.append(segment)
    project = draw(_mostly(('', f'/{nova_api.PROJECT}'),
                           '/servers', '/nohex', '//'))
    tail = draw(_mostly(('',), '\n', '\n', '\n\n', '/', '/action', '.json',
                        '\r\n', '?'))
    return project + '/'.join(segments) + tail


def _spellings(text):
    """Strategy: a text with some characters percent-encoded."""
    return st.lists(st.booleans(), min_size=len(text),
                    max_size=len(text)).map(
        lambda encode: ''.join(
            f'%{ord(char):02x}' if yes else char
            for char, yes in zip(text, encode)))


@st.composite
def _queries(draw):
    parameters = draw(st.lists(st.one_of(
        st.builds('{}={}'.format,
                  st.one_of(st.just('_method'), st.just('_method'),
                            _spellings('_method'),
                            st.sampled_from(('_METHOD', 'x_method', '+_method',
                                             '_method[]', 'method'))),
                  st.one_of(st.sampled_from(METHODS[:4]),
                            st.just('DELETE'),
                            st.sampled_from(METHODS).map(str.lower),
                            st.sampled_from(METHODS).flatmap(_spellings),
                            st.sampled_from(('', '%ff', '+DELETE', 'DELETE+',
                                             'de%6cete', '%00')))),
        st.sampled_from(('x=_method', '_method', 'limit=1', '%', '=',
                         f'delete_info={{"volume_id":"{VOLUME}"}}'))),
        max_size=3))
    return draw(st.sampled_from('&;')).join(parameters)


@st.composite
def _json_bodies(draw, server_id):
    """Strategy: the text of an action or of another JSON body."""
    key = draw(st.one_of(
        st.sampled_from(sorted(operations.ACTIONS)),
        st.sampled_from(('metadata', 'meta', 'server', 'volumeAttachment',
                         'tags', 'events', 'snapshot', 'remote_console',
                         'interfaceAttachment', 'force_complete', 'nothing',
                         ''))))
    value = draw(st.one_of(
        st.none(), st.just({}), st.just([]), st.just('x'),
        st.just({nova_api.METADATA_KEY: 'x'}),
        st.just({'metadata': {nova_api.METADATA_KEY: 'x'}}),
        st.just({'volumeId': VOLUME}), st.just({'volume_id': VOLUME}),
        st.just([{'server_uuid': server_id, 'name': 'network-changed'}])))
    name = draw(st.sampled_from((
        json.dumps(key),
        '"' + ''.join(f'\\u{ord(char):04x}' for char in key) + '"')))
    text = json.dumps(value)
    return draw(_mostly(
        (f'{{{name}: {text}}}',), f'{{"lock": null, {name}: {text}}}',
        f'{{{name}: {text}, {name}: null}}', f'{{{name}: null}} ',
        f' \t\r\n{{{name}: {text}}}\n', f'[{{{name}: {text}}}]',
        f'[{name}]', name, f'{{{name}: {text}}}x', f'{{{name}: {text}',
        f'{{{name}: NaN}}', '', 'null', '7', f"{{'{key}': null}}",
        f'/**/{{{name}: {text}}}'))


@st.composite
def _bodies(draw, server_id):
    """Strategy: (content type or None, bytes)."""
    text = draw(_json_bodies(server_id))
    body = draw(_mostly(
        (text.encode(),), text.encode('utf-8-sig'), text.encode('utf-16'),
        text.encode('utf-32'), b'_method=DELETE', b'_method=PUT',
        b'\xff\xfe', b''))
    content_type = draw(_mostly(
        ('application/json', None, '', 'text/plain',
         'application/vnd.openstack.compute+json'),
        'application/json;version=2', 'application/json; charset=utf-16',
        'APPLICATION/JSON', 'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'Application/X-WWW-Form-URLencoded; x=application/json',
        'application/xml'))
    return content_type, body


@st.composite
def requests(draw, server_id=nova_api.MANAGED):
    """Strategy: a function of a token id that returns a new WSGI environ.

    Its attributes tell what is in it: `environ`, `body`, and `is_cut_short`
    where the client hangs up before the end of its body.

    :param server_id: the id (str) of the server that most of them name
    """
    path = draw(_paths(server_id))
    # Nova's urlmap takes the version from a header, too.
    version, headers = draw(_mostly(
        (('/v2.1', {}),), ('/v2', {}), ('', {}),
        ('', {'HTTP_ACCEPT': 'application/json;version=2.1/x'}),
        ('', {'HTTP_ACCEPT': 'application/json;version=2/x'})))
    content_type, body = draw(_bodies(server_id))
    environ = {
        'REQUEST_METHOD': draw(_mostly(
            METHODS[:4], 'PATCH', 'HEAD', 'OPTIONS', 'delete', 'Post', '')),
        'SCRIPT_NAME': '',
        'PATH_INFO': version + path,
        'QUERY_STRING': draw(st.just('') | st.just('') | _queries()),
        'SERVER_NAME': 'localhost', 'SERVER_PORT': '80',
        'HTTP_HOST': 'localhost:80', 'SERVER_PROTOCOL': 'HTTP/1.1',
        'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http',
        'wsgi.errors': io.StringIO(), 'wsgi.multithread': True,
        'wsgi.multiprocess': True, 'wsgi.run_once': False,
    }
    if content_type is not None:
        environ['CONTENT_TYPE'] = content_type
    environ |= draw(_mostly((
        {'CONTENT_LENGTH': str(len(body))},
        {'wsgi.input_terminated': True, 'HTTP_TRANSFER_ENCODING': 'chunked'}),
        {'HTTP_TRANSFER_ENCODING': 'chunked'},
        {'CONTENT_LENGTH': '', 'wsgi.input_terminated': True},
        {'CONTENT_LENGTH': '-1', 'wsgi.input_terminated': True},
        {'CONTENT_LENGTH': '0'},
        {'CONTENT_LENGTH': '0', 'wsgi.input_terminated': True},
        {'CONTENT_LENGTH': 'x'},
        {'CONTENT_LENGTH': str(max(0, len(body) - 1))},
        {'CONTENT_LENGTH': str(len(body) + 1)},
        {}))
    environ |= draw(_mostly(
        ({},),
        {'HTTP_OPENSTACK_API_VERSION': 'compute latest'},
        {'HTTP_OPENSTACK_API_VERSION': 'compute 2.85'},
        {'HTTP_OPENSTACK_API_VERSION': 'compute 9.9'},
        {'HTTP_X_OPENSTACK_NOVA_API_VERSION': 'x'},
        {'HTTP_X_HTTP_METHOD_OVERRIDE': 'DELETE'},
        {'HTTP_X_ROLES': 'trove_admin', 'HTTP_X_IDENTITY_STATUS': 'Confirmed'},
        {'HTTP_X_SERVICE_ROLES': 'trove_admin',
         'HTTP_X_SERVICE_IDENTITY_STATUS': 'Confirmed'}))
    environ |= headers

    def build(token):
        return environ | {'wsgi.input': io.BytesIO(body),
                          'HTTP_X_AUTH_TOKEN': token}

    build.environ, build.body = environ, body
    build.is_cut_short = environ.get('CONTENT_LENGTH') == str(len(body) + 1)
    return build


def describe(request):
    """Return a request as text, for the note of a failing example."""
    return '\n'.join(itertools.chain(
        (f'{key}: {value!r}' for key, value in request.environ.items()
         if key.isupper()), (f'body: {request.body!r}',)))
