# SPDX-License-Identifier: Apache-2.0
"""Every guarded call on a managed server, with Nova's databases on MariaDB.

Nova's real API with the guard in its pipeline; only the tokens are not real,
and a controller's method is recorded in place of being called.
"""

import itertools

import pytest

from tests.unit import nova_api
from tests.unit import test_effort
from tests.unit import test_filter as filters

MARKED = test_effort.MARKED
api = test_effort.api
SPELLINGS = {'as it is': str, 'in upper case': str.upper}
# The roles and the project of each.
PRINCIPALS = {
    'owner': (filters.TENANT, nova_api.PROJECT),
    'reader': (('reader',), nova_api.PROJECT),
    'manager': (('manager', 'member', 'reader'), nova_api.PROJECT),
    'admin': (filters.ADMIN, nova_api.PROJECT),
    'stranger': (filters.TENANT, nova_api.OTHER_PROJECT),
}


@pytest.fixture(scope='module')
def server_ids(databases):
    """Return the ids of a managed and of an ordinary server."""
    return [databases.server(metadata, project_id=nova_api.PROJECT)
            for metadata in (MARKED, {'Trove_instance_id': 'no marker'})]


def token(api, who):
    """Return a token of one of PRINCIPALS."""
    roles, project_id = PRINCIPALS[who]
    return api.token(*roles, project_id=project_id)


@pytest.mark.parametrize('operation, method, path, body', filters.calls())
def test_nothing_is_dispatched_for_a_managed_server(
        api, server_ids, operation, method, path, body):
    for who, spell in itertools.product(PRINCIPALS, SPELLINGS.values()):
        answer = api.ask(
            method, f'/v2.1/servers/{spell(server_ids[0])}{path}', json=body,
            token=token(api, who))
        mutating = [dispatch for dispatch in api.dispatched
                    if dispatch.names(server_ids[0])]
        assert mutating == [], who
        # A stranger reads that there is no such server, in Nova's words.
        assert answer.status_int in (
            (403,) if who != 'stranger' else (400, 403, 404)), (
                who, answer.text)


@pytest.mark.parametrize('operation, method, path, body', filters.calls())
def test_all_is_passed_on_for_an_ordinary_server(
        api, server_ids, operation, method, path, body):
    for spell in SPELLINGS.values():
        api.ask(method, f'/v2.1/servers/{spell(server_ids[1])}{path}',
                json=body, token=token(api, 'owner'))
        assert len(api.dispatched) == 1


@pytest.mark.parametrize('operation, method, path, body', filters.calls())
def test_all_is_passed_on_for_the_trove_admin(
        api, server_ids, operation, method, path, body):
    api.ask(method, f'/v2.1/servers/{server_ids[0]}{path}', json=body,
            token=api.token('trove_admin'))
    assert len(api.dispatched) == 1


def test_a_call_is_unavailable_while_mariadb_hangs(api, server, server_ids):
    with server.stopped():
        answer = api.ask('DELETE', f'/v2.1/servers/{server_ids[1]}',
                         token=token(api, 'owner'))
    assert answer.status_int == 503
    assert answer.headers['Retry-After']
    assert api.dispatched == []
