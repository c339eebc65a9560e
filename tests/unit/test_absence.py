# SPDX-License-Identifier: Apache-2.0
"""What looks as if it did not exist: Nova itself answers, about nothing."""

import io
import json
import urllib.parse

import pytest

from nova_trove_guard.core import absence
from nova_trove_guard.core import calls
from nova_trove_guard.nova import reader
from tests.unit import nova_api
from tests.unit import test_filter as filters

VOLUME = '0c1d2a3b-9999-4999-8999-000000000009'  # nobody's
ADDRESS = '203.0.113.9'
# Requests of a stranger, in which {server}, {volume} and the like stand for
# what they name.
CALLS = {
    'delete': ('DELETE', '/v2.1/servers/{server}', None),
    'delete by override':
        ('GET', '/v2.1/servers/{server}?_method=DELETE', None),
    'behind the project':
        ('DELETE', f'/v2.1/{nova_api.OTHER_PROJECT}/servers/{{server}}', None),
    'alias': ('DELETE', '/v2.1/os-volumes_boot/{server}', None),
    'legacy': ('DELETE', '/v2/servers/{server}', None),
    'final newline': ('DELETE', '/v2.1/servers/{server}%0A', None),
    'action':
        ('POST', '/v2.1/servers/{server}/action', {'createImage': {}}),
    'unknown action': ('POST', '/v2.1/servers/{server}/action', {'x': {}}),
    'two actions':
        ('POST', '/v2.1/servers/{server}/action', {'lock': 1, 'pause': 1}),
    'no action': ('POST', '/v2.1/servers/{server}/action', []),
    'unknown method': ('PATCH', '/v2.1/servers/{server}', None),
    'unknown path': ('POST', '/v2.1/servers/{server}/x/y', None),
    'marker': ('DELETE', '/v2.1/servers/{server}/metadata/trove_instance_id',
               None),
    'volume': ('DELETE', '/v2.1/os-volumes/{volume}', None),
    'snapshot': ('POST', '/v2.1/os-snapshots',
                 {'snapshot': {'volume_id': '{volume}'}}),
    'floating IP': ('DELETE', '/v2.1/os-floating-ips/{floating_ip}', None),
    'attachment':
        ('POST', f'/v2.1/servers/{nova_api.FREE}/os-volume_attachments',
         {'volumeAttachment': {'volumeId': '{volume}'}}),
    'address': ('POST', f'/v2.1/servers/{nova_api.FREE}/action',
                {'addFloatingIp': {'address': '{address}'}}),
}
MANAGED = {'server': nova_api.MANAGED, 'volume': nova_api.VOLUME,
           'floating_ip': nova_api.FLOATING_IP, 'address': nova_api.ADDRESS}
NOWHERE = {'server': calls.NIL_UUID, 'volume': calls.NIL_UUID,
           'floating_ip': calls.NIL_UUID, 'address': '0.0.0.0'}


def fill_in(call, names):
    """Return (method, path, body) about what is named."""
    method, path, body = call
    text = json.dumps(body)
    for name, value in names.items():
        path = path.replace(f'{{{name}}}', value)
        text = text.replace(f'{{{name}}}', value)
    return method, path, json.loads(text)


def ask(api, call, names, *roles, **who):
    """Ask as a stranger; return what depends on the names, and what not."""
    method, path, body = fill_in(call, names)
    answer = api.ask(
        method, path, json=body,
        token=api.token(*(roles or filters.TENANT), **({
            'project_id': nova_api.OTHER_PROJECT} | who)))
    text = answer.text
    for value in names.values():
        text = text.replace(value, '{}')
    return answer.status, text, sorted(
        (name, value) for name, value in answer.headers.items()
        if 'request-id' not in name.lower() and name != 'Content-Length')


@pytest.mark.parametrize('call', CALLS.values(), ids=CALLS)
def test_what_is_managed_looks_to_strangers_as_if_it_did_not_exist(
        guarded, unguarded, call):
    """Status, message and headers are those of a Nova without the guard."""
    answer = ask(guarded, call, MANAGED)
    assert answer == ask(unguarded, call, NOWHERE)
    assert not [dispatch for dispatch in guarded.dispatched
                if dispatch.names(nova_api.MANAGED)]


@pytest.mark.parametrize('name', ['volume', 'snapshot', 'floating IP',
                                  'attachment', 'address'])
def test_a_target_and_not_the_caller_s_own_server_is_spoken_of(guarded, name):
    _, text, _ = ask(guarded, CALLS[name], MANAGED)
    assert nova_api.FREE not in text
    assert 'Instance' not in text


@pytest.mark.parametrize('call', [
    call for name, call in CALLS.items() if name != 'behind the project'])
def test_the_owner_learns_that_it_is_managed(guarded, call):
    method, path, body = fill_in(call, MANAGED)
    answer = guarded.ask(method, path, json=body,
                         token=guarded.token(*filters.TENANT))
    assert answer.status_int in (400, 403)
    assert guarded.dispatched == []


@pytest.mark.parametrize('call', [
    call for name, call in CALLS.items() if '{server}' in call[1]])
def test_an_absent_server_is_answered_by_nova(guarded, unguarded, call):
    names = MANAGED | {'server': nova_api.MISSING}
    assert ask(guarded, call, names) == ask(unguarded, call, names)
    assert not [dispatch for dispatch in guarded.dispatched
                if dispatch.names(nova_api.MISSING)]


@pytest.mark.parametrize('who', [
    {}, {'project_id': None, 'domain_id': 'default'},
    {'project_id': None, 'is_of_system': True}])
def test_who_has_no_project_is_a_stranger(guarded, who):
    status, text, _ = ask(guarded, CALLS['delete'], MANAGED, **who)
    assert (status, json.loads(text)['itemNotFound']['message']) == (
        '404 Not Found', 'Instance {} could not be found.')


# Identifiers that are none.

NO_IDENTIFIERS = (
    '{}?cascade=True', '{}#', '{}%2F', '{}%252F', '{} ', '{}.json', '{}é',
    '{}\u200b', '{}\x00', "{}'", '..%2F{}', 'x', '{{{}}}')


@pytest.mark.parametrize('spelling', NO_IDENTIFIERS)
@pytest.mark.parametrize('path, value', [
    ('/v2.1/os-volumes/', nova_api.VOLUME),
    ('/v2.1/os-floating-ips/', nova_api.FLOATING_IP),
    ('/v2.1/servers/', nova_api.MANAGED)])
def test_what_can_t_be_an_identifier_in_a_path_does_not_exist(
        guarded, path, value, spelling):
    """A client of Nova's would paste it into a URL: 1?cascade=True."""
    spelt = spelling.format(value)
    answer = guarded.ask('DELETE', path + urllib.parse.quote(spelt, safe=''),
                         token=guarded.token(*filters.TENANT))
    assert answer.status_int == 404, spelt
    assert calls.NIL_UUID not in answer.text
    assert guarded.dispatched == []


@pytest.mark.parametrize('spell', [str.upper, str.title, str.swapcase])
def test_an_identifier_in_another_case_leads_where_mariadb_finds_it(
        guarded, spell):
    answer = guarded.ask('DELETE', f'/v2.1/os-volumes/{spell(VOLUME)}',
                         token=guarded.token(*filters.TENANT))
    assert answer.status_int == 202
    answer = guarded.ask(
        'DELETE', f'/v2.1/os-volumes/{spell(nova_api.VOLUME)}',
        token=guarded.token(*filters.TENANT))
    assert answer.status_int == 403
    assert guarded.dispatched == []


@pytest.mark.parametrize('spelt', [
    '\ud800', '\x00', '', 'x', nova_api.VOLUME + ' ', nova_api.VOLUME + 'é'])
@pytest.mark.parametrize('roles', [filters.TENANT, ('admin',)],
                         ids=['member', 'admin'])
def test_what_can_t_be_an_identifier_in_a_body_is_nobody_s(
        guarded, caplog, spelt, roles):
    """No look-up, no traceback; Nova's schema refuses it, or it's absent."""
    token = guarded.token(*roles)
    guarded.ask('POST', f'/v2.1/servers/{nova_api.FREE}/os-volume_attachments',
                json={'volumeAttachment': {'volumeId': spelt}}, token=token)
    assert len(guarded.dispatched) == 1
    answer = guarded.ask('POST', '/v2.1/os-snapshots', token=token,
                         json={'snapshot': {'volume_id': spelt}})
    assert answer.status_int == 404
    assert answer.json['itemNotFound']['message'] == (
        f'Volume {spelt} could not be found.')
    assert 'Traceback' not in caplog.text


@pytest.mark.parametrize('address', [
    '', 'x', '\ud800', '203.0.113.7 ', '203.0.113.7/32', '0x0', '٢.1.1.1'])
def test_what_is_no_address_does_not_reach_neutron(
        guarded, monkeypatch, address):
    monkeypatch.setattr(nova_api, 'server_of_address', None)
    guarded.ask('POST', f'/v2.1/servers/{nova_api.FREE}/action',
                json={'addFloatingIp': {'address': address}},
                token=guarded.token(*filters.TENANT))
    assert len(guarded.dispatched) == 1


def test_it_is_answered_about_a_document_in_a_query():
    info = {'volume_id': nova_api.VOLUME, 'file': 'x', 'é': '&'}
    environ = {
        'REQUEST_METHOD': 'DELETE', 'SCRIPT_NAME': '/v2.1',
        'PATH_INFO': '/os-assisted-volume-snapshots/1',
        'QUERY_STRING': 'a=b&' + urllib.parse.urlencode(
            {'delete_info': json.dumps(info)}),
        'wsgi.input': io.BytesIO(), 'SERVER_NAME': '', 'SERVER_PORT': '1'}
    call = reader.read(environ)
    seen = []

    def nova(environ, start_response):
        seen.append(environ)
        start_response('404 Not Found', [('Content-Type', 'text/plain')])
        return [f'no volume {calls.NIL_UUID}'.encode()]

    named, = call.named()
    before = dict(environ)
    answer, is_not_found = absence.ask(nova, call, named, environ)
    assert answer.text == f'no volume {nova_api.VOLUME}'
    assert is_not_found
    assert environ == before
    parameters = urllib.parse.parse_qs(seen[0]['QUERY_STRING'])
    assert parameters['a'] == ['b']
    assert json.loads(parameters['delete_info'][0]) == info | {
        'volume_id': calls.NIL_UUID}
