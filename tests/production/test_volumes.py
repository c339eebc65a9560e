# SPDX-License-Identifier: Apache-2.0
"""The guard before Cinder's router, with Cinder's database on MariaDB."""

import urllib.parse

import pytest
from sqlalchemy.dialects import mysql

# Before the tests, which import Cinder.
from tests.unit.cinder import loading
from tests.unit.cinder import test_filter

# All tests and fixtures of the unit tests; only the database is another.
globals().update({
    name: value for name, value in vars(test_filter).items()
    if name.startswith('test_') or name in (
        'image', 'nova_without_servers', 'opened')})

api = loading.cinder_api
# MariaDB takes each for the id; Cinder's schemas and the guard need not.
SPELLINGS = {
    'in upper case': str.upper,
    'with a space behind it': lambda identifier: f'{identifier} ',
}


@pytest.mark.parametrize('spell', SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(
    'operation, target, method, path, number', [
        # It is Glance that looks for images.
        case for case in test_filter.CASES
        if case.values[1].kind != 'image'])
def test_no_spelling_of_an_id_leads_to_a_managed_volume(
        cinder, operation, target, method, path, number, spell):
    which = {kind: spell(identifier)
             for kind, identifier in api.MANAGED.items()}
    _, where, body = list(api.requests(operation, path, which))[number]
    # What a schema of Cinder's refuses is dispatched here, where nothing is
    # behind the router; and so is what Cinder itself refuses but to an admin.
    cinder.ask(method, urllib.parse.quote(where),
               body if method in ('POST', 'PUT') else None, **api.ADMIN)
    for dispatch in cinder.dispatched:
        assert target.is_validated, dispatch


def test_a_lookup_that_hangs_is_a_failure_in_time(cinder, server):
    with server.stopped():
        answer = cinder.ask('DELETE', f'/volumes/{api.FREE["volume"]}')
    assert answer.status_int == 503
    assert answer.headers['Retry-After']
    assert cinder.dispatched == []


@pytest.fixture(scope='module')
def grown(cinder):
    """Have more rows, without which MariaDB reads a table as a whole."""
    api.grow()


@pytest.mark.parametrize('kind, owners', [
    *((kind, [api.FREE]) for kind in (
        'volume', 'snapshot', 'attachment', 'transfer', 'backup', 'origin')),
    # A request can name several of these.
    *((kind, [api.FREE, api.MANAGED, api.ORPHANED]) for kind in (
        'volume', 'backup', 'origin'))])
def test_a_volume_is_found_by_an_index(grown, server, kind, owners):
    statement = api.lookup._STATEMENTS[kind].params(
        metadata_key=api.METADATA_KEY,
        ids=[which[kind] for which in owners]).compile(
            dialect=mysql.dialect(), compile_kwargs={'literal_binds': True})
    plan = server.execute(
        'USE cinder', 'ANALYZE TABLE volumes, volume_metadata, snapshots, '
        'volume_attachment, transfers, backups', f'EXPLAIN {statement}')
    assert plan
    assert 'ALL' not in [row[3] for row in plan]
