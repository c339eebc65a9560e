# SPDX-License-Identifier: Apache-2.0
"""How hard a caller can make the guard work: no harder than Nova itself.

What is counted is the statements that the guard sends to Nova's databases,
with Nova's own objects and SQLite; no controller of Nova's is run.
"""

import uuid

import pytest

from tests.unit import nova_api
from tests.unit import nova_database
from tests.unit import test_filter as filters

MARKED = {nova_api.METADATA_KEY: nova_api.DATABASE_INSTANCE}
# A look-up of one server that is in a cell, and of a volume in each cell.
SERVER, VOLUME = 2, len(nova_database.CELLS) + 1
TENANTS = pytest.mark.parametrize('roles', [
    filters.TENANT, ('reader',), ('manager', 'member', 'reader')],
    ids=['member', 'reader', 'manager'])


@pytest.fixture(scope='module')
def databases(tmp_path_factory):
    """Have Nova use databases of this module's own."""
    with nova_database.NovaDatabases(
            tmp_path_factory.mktemp('nova')) as nova_databases:
        yield nova_databases


@pytest.fixture(scope='module')
def api(load_nova_api, guarded, databases):
    """Return NovaAPI that looks servers up in the databases."""
    api = load_nova_api(filters.paste(guarded), filters.GUARDED)
    api.app.has_databases = True
    return api


@pytest.fixture(scope='module')
def managed(databases):
    """Return the id of a managed server."""
    return databases.server(MARKED, project_id=nova_api.PROJECT)


def spellings(server_id, number):
    """Return an id in some ways that MariaDB takes for the same."""
    letters = [place for place, letter in enumerate(server_id)
               if letter.isalpha()]
    spelt = []
    for mask in range(number):
        text = list(server_id)
        for bit, place in enumerate(letters):
            if mask >> bit & 1:
                text[place] = text[place].upper()
        spelt.append(''.join(text))
    return spelt


def events(server_ids):
    """Return the body of a report of events on some servers."""
    return {'events': [{'name': 'network-changed', 'server_uuid': server_id}
                       for server_id in server_ids]}


def ask(api, method, path, body, *roles):
    """Ask; return the answer, and how many statements that took."""
    token = api.token(*roles)
    with nova_database.selects() as selects:
        answer = api.ask(method, path, json=body, token=token)
    return answer, len(selects)


@TENANTS
@pytest.mark.parametrize('spelt', ['each other', 'the same', 'unknown'])
def test_a_tenant_s_events_cost_nothing(
        api, databases, managed, roles, spelt):
    server_ids = {
        'each other': [databases.server(MARKED) for _ in range(5)] * 80,
        'the same': spellings(managed, 400),
        'unknown': [str(uuid.uuid4()) for _ in range(1000)]}[spelt]
    answer, statements = ask(
        api, 'POST', '/v2.1/os-server-external-events', events(server_ids),
        *roles)
    assert statements == 0
    # It is Nova that refuses.
    assert answer.status_int == 403
    assert 'os_compute_api:os-server-external-events' in answer.text


def test_a_cloud_admin_s_events_cost_one_server_s_look_up(
        api, databases, managed):
    for server_ids in (
            spellings(managed, 400),
            [*(str(uuid.uuid4()) for _ in range(1000)), managed],
            [databases.server(MARKED) for _ in range(5)] * 80):
        answer, statements = ask(
            api, 'POST', '/v2.1/os-server-external-events',
            events(server_ids), 'admin')
        assert answer.status_int == 403
        assert 0 < statements <= 1 + SERVER


def test_events_on_servers_that_exist_nowhere_cost_one_statement(api):
    answer, statements = ask(
        api, 'POST', '/v2.1/os-server-external-events',
        events([str(uuid.uuid4()) for _ in range(1000)]), 'admin')
    assert statements == 1
    assert len(api.dispatched) == 1


def test_a_batch_with_one_managed_server_is_refused_whole(
        api, databases, managed):
    ordinary = databases.server({'purpose': 'web'})
    for server_ids in ([ordinary, managed], [managed, ordinary]):
        answer, _ = ask(api, 'POST', '/v2.1/os-server-external-events',
                        events(server_ids), 'admin')
        assert answer.status_int == 403
        assert f'Server {managed} is managed' in answer.text
        ask(api, 'POST', '/v2.1/os-server-external-events',
            events(server_ids), 'service')
        assert len(api.dispatched) == 1
    _, statements = ask(api, 'POST', '/v2.1/os-server-external-events',
                        events([ordinary] * 400), 'admin')
    assert statements <= SERVER
    assert len(api.dispatched) == 1


@TENANTS
@pytest.mark.parametrize('method, path, body, most', [
    # A server that is not there is looked up twice, by one statement each.
    ('DELETE', '/v2.1/servers/{unknown}', None, 2),
    ('DELETE', '/v2.1/servers/{unknown}/tags/x', None, 2),
    ('POST', '/v2.1/servers/{unknown}/os-volume_attachments',
     {'volumeAttachment': {'volumeId': '{volume}'}}, 2),
    ('DELETE', '/v2.1/servers/{no_id}', None, 0),
    ('DELETE', '/v2.1/servers/{managed}', None, SERVER),
    ('POST', '/v2.1/servers/{managed}/os-volume_attachments',
     {'volumeAttachment': {'volumeId': '{volume}'}}, SERVER),
    ('POST', '/v2.1/servers/{ordinary}/os-volume_attachments',
     {'volumeAttachment': {'volumeId': '{volume}'}}, SERVER + VOLUME),
    ('POST', '/v2.1/servers/{ordinary}/os-volume_attachments',
     {'volumeAttachment': {'volumeId': 'x' * 100_000}}, SERVER),
    ('DELETE', '/v2.1/os-volumes/{volume}', None, VOLUME),
    ('DELETE', '/v2.1/os-volumes/{no_id}', None, 0),
    ('POST', '/v2.1/os-snapshots',
     {'snapshot': {'volume_id': '{volume}'}}, VOLUME),
    ('POST', '/v2.1/os-snapshots',
     {'snapshot': {'volume_id': ['{volume}'] * 1000}}, 0),
    ('GET', '/v2.1/os-console-auth-tokens/{volume}', None, VOLUME)])
def test_what_names_a_few_things_costs_a_few_statements(
        api, databases, managed, roles, method, path, body, most):
    names = {'unknown': str(uuid.uuid4()), 'volume': str(uuid.uuid4()),
             'no_id': 'x' * 1000, 'managed': managed,
             'ordinary': databases.server({}, project_id=nova_api.PROJECT)}
    if body is not None:
        body = filters.json.loads(
            filters.json.dumps(body).replace('{volume}', names['volume']))
    _, statements = ask(api, method, path.format(**names), body, *roles)
    assert statements <= most
