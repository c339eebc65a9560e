# SPDX-License-Identifier: Apache-2.0
"""Attachments: who may make one, connect by it, and see how."""

import types

from cinder.compute import nova
from cinder import exception
import pytest

from nova_trove_guard.cinder import lookup
from tests.unit.cinder import cinder_api as api

MARKER = {api.METADATA_KEY: api.DATABASE_INSTANCE}
CONNECTOR = {'host': 'h', 'initiator': 'iqn.1993-08.org.debian:01:1'}
SERVERS = {name: f'5e5e5e5e-1111-4111-8111-{number:012}' for number, name in
           enumerate(('own', 'plain', 'other', 'broken'))}
METADATA = {SERVERS['own']: MARKER, SERVERS['plain']: {},
            SERVERS['other']: {api.METADATA_KEY: 'another'}}


@pytest.fixture(autouse=True)
def servers(monkeypatch):
    """Have Nova know a managed server, another's and a plain one.

    :returns: list of the ids that Nova is asked for
    """
    asked = []

    def get_server(nova, context, server_id, privileged_user=False,
                   timeout=None):
        asked.append(server_id)
        assert privileged_user and timeout
        if server_id == SERVERS['broken']:
            raise exception.APITimeout(service='Nova')
        if server_id not in METADATA:
            raise exception.ServerNotFound(uuid=server_id)
        return types.SimpleNamespace(metadata=METADATA[server_id])

    monkeypatch.setattr(nova.API, 'get_server', get_server)
    return asked


def attach(cinder, volume_id, server_id, connector=None, **who):
    """Ask for an attachment, and return the answer."""
    body = {'volume_uuid': volume_id, 'instance_uuid': server_id,
            'connector': connector}
    return cinder.ask(
        'POST', '/attachments', {'attachment': {
            key: value for key, value in body.items() if value is not None}},
        **who)


# A server that Nova does not know yet.
UNBORN = api.FREE['volume']


@pytest.mark.parametrize('server_id, connector, status', [
    (SERVERS['own'], None, 200), (SERVERS['own'], CONNECTOR, 200),
    (SERVERS['plain'], None, 403), (SERVERS['plain'], CONNECTOR, 403),
    (SERVERS['other'], None, 403), (SERVERS['broken'], None, 503),
    (None, None, 403), ('x', None, 403),
    (UNBORN, None, 200), (UNBORN, {}, 200), (UNBORN, CONNECTOR, 403)])
def test_nova_attaches_a_managed_volume_to_its_own_server_only(
        cinder, server_id, connector, status):
    answer = attach(cinder, api.MANAGED['volume'], server_id, connector,
                    **api.NOVA)
    assert answer.status_int == status
    assert len(cinder.dispatched) == (status == 200)


@pytest.fixture
def attachment(request):
    """Return an attachment of the managed volume to a server."""
    attachment_id = '5e5e5e5e-2222-4222-8222-000000000001'
    api.add(lookup.models.VolumeAttachment, id=attachment_id,
            volume_id=api.MANAGED['volume'],
            instance_uuid=request.param or None)
    yield attachment_id
    with lookup.db.get_engine().begin() as connection:
        connection.execute(lookup.models.VolumeAttachment.__table__.delete(
            ).where(lookup.models.VolumeAttachment.id == attachment_id))


@pytest.mark.parametrize('attachment, status', [
    (SERVERS['own'], 200), (SERVERS['plain'], 403), (SERVERS['other'], 403),
    (SERVERS['broken'], 503), (UNBORN, 403), ('', 403)],
    indirect=['attachment'])
def test_nova_connects_a_managed_volume_to_its_own_server_only(
        cinder, attachment, status):
    answer = cinder.ask('PUT', f'/attachments/{attachment}', {
        'attachment': {'connector': CONNECTOR}}, **api.NOVA)
    assert answer.status_int == status
    assert len(cinder.dispatched) == (status == 200)


@pytest.mark.parametrize('who', [api.OWNER, api.ADMIN, api.TROVE_ADMIN])
def test_nova_is_asked_only_where_nova_asks(cinder, servers, who):
    attach(cinder, api.MANAGED['volume'], SERVERS['own'], **who)
    assert len(cinder.dispatched) == (who is api.TROVE_ADMIN)
    assert servers == []


def test_nova_is_not_asked_about_ordinary_volumes(cinder, servers):
    attach(cinder, api.FREE['volume'], SERVERS['plain'], **api.NOVA)
    assert len(cinder.dispatched) == 1
    cinder.ask('PUT', f'/attachments/{api.FREE["attachment"]}', {
        'attachment': {'connector': CONNECTOR}}, **api.NOVA)
    assert len(cinder.dispatched) == 1
    assert servers == []


# The detailed list.

SPELLINGS = ('/attachments/detail', '/attachments/detail.json',
             f'/{api.PROJECT}/attachments/detail', '/attachments/detail%0A')


def shown(answer):
    """Return the connection information in a list, by volume."""
    return {attachment['volume_id']: attachment['connection_info']
            for attachment in answer.json['attachments']}


@pytest.mark.parametrize('path', SPELLINGS)
@pytest.mark.parametrize('who', [
    api.OWNER, api.ADMIN, {'roles': ('reader',)}], ids=repr)
def test_the_list_has_no_connection_of_a_managed_volume(cinder, path, who):
    answer = cinder.ask('GET', path, **who)
    stock = cinder.ask('GET', path, app=cinder.unguarded, **who)
    assert answer.status_int == 200
    connections = shown(answer)
    assert connections[api.MANAGED['volume']] == {}
    assert connections[api.FREE['volume']] == api.CONNECTION
    # All else is as it was.
    document = stock.json
    for attachment in document['attachments']:
        if attachment['volume_id'] == api.MANAGED['volume']:
            attachment['connection_info'] = {}
    assert answer.json == document
    assert _headers(answer) == _headers(stock)


def _headers(answer):
    return {name: value for name, value in answer.headers.items()
            if name not in ('Content-Length', 'x-compute-request-id')}


@pytest.mark.parametrize('who', [api.TROVE_ADMIN, api.NOVA])
def test_trove_and_nova_see_the_whole_list(cinder, who):
    answer = cinder.ask('GET', '/attachments/detail', **who)
    assert shown(answer)[api.MANAGED['volume']] == api.CONNECTION


def test_a_list_without_managed_volumes_is_cinder_s_to_the_byte(cinder):
    path = '/attachments/detail?volume_id=' + api.FREE['volume']
    # The last version at which every Cinder knows this filter.
    answer, stock = (cinder.ask('GET', path, app=app, version='3.30')
                     for app in (cinder.app, cinder.unguarded))
    assert answer.body == stock.body
    assert b'auth_password' in answer.body


def test_a_fault_passes(cinder):
    path = '/attachments/detail?limit=x'
    answer, stock = (cinder.ask('GET', path, app=app)
                     for app in (cinder.app, cinder.unguarded))
    assert answer.status_int == 400
    assert answer.body == stock.body


def test_in_audit_mode_the_list_is_whole(cinder, caplog):
    answer = cinder.ask('GET', '/attachments/detail',
                        app=cinder.guarded(mode='audit'))
    assert shown(answer)[api.MANAGED['volume']] == api.CONNECTION
    assert 'decision=would_refuse' in caplog.text
    assert 'operation=volume:attachment_detail' in caplog.text


def test_a_list_that_can_t_be_checked_is_not_sent(cinder, monkeypatch):
    def fail(*_, **__):
        raise OSError

    monkeypatch.setattr(lookup.CinderLookup, '_managed', fail)
    answer = cinder.ask('GET', '/attachments/detail')
    assert answer.status_int == 503
    assert 'auth_password' not in answer.text


def test_the_list_costs_one_statement(cinder):
    counts = []
    for app in cinder.unguarded, cinder.app:
        with api.selects() as selects:
            cinder.ask('GET', '/attachments/detail', app=app)
        counts.append(len(selects))
    assert counts[1] == counts[0] + 1


@pytest.mark.parametrize('method, path, body', [
    ('DELETE', '/volumes/{volume}', None),
    ('DELETE', '/snapshots/{snapshot}', None),
    ('DELETE', '/attachments/{attachment}', None),
    ('POST', '/attachments/{attachment}/action', {'os-complete': {}}),
    ('DELETE', '/groups/{group}', None),
    ('DELETE', '/volume-transfers/{transfer}', None)])
def test_a_guarded_call_costs_one_statement(cinder, method, path, body):
    with api.selects() as selects:
        cinder.ask(method, path.format_map(api.FREE), body)
    assert len(cinder.dispatched) == 1
    assert len(selects) == 1
