# SPDX-License-Identifier: Apache-2.0
"""What MariaDB finds equal: the guard takes it for what Nova and Cinder do.

With tables of the character set that the services' migrations set, and with
tables that an operator has converted. Neutron's tables have the collation of
the database: see test_networks.py.
"""

import urllib.parse

from pymysql.constants import ER as er
import pytest
import sqlalchemy

# Before the tests, which import Cinder.
from tests.unit.cinder import loading

from cinder import context  # noqa: I100

from nova_trove_guard.core import calls
from tests.unit import nova_api
from tests.unit import nova_database
from tests.unit import test_effort
from tests.unit import test_filter as filters
from tests.unit import test_lookup

api = test_effort.api
volumes = loading.cinder_api
servers = test_lookup.servers

MARKED, ORDINARY = test_lookup.MARKED, test_lookup.ORDINARY
# Of all collations, this finds the most strings equal.
CONVERTED = 'utf8mb4_uca1400_ai_ci'
MIGRATED = 'utf8mb3_general_ci'
# The tables that lookups read.
TABLES = {
    'api': ('instance_mappings', 'cell_mappings', 'build_requests'),
    'cell': ('instances', 'instance_metadata', 'block_device_mapping',
             'console_auth_tokens'),
    'cinder': ('volumes', 'volume_metadata', 'snapshots', 'backups',
               'volume_attachment', 'transfers'),
}
# Of an id, which has a 1, a c and no 11 at its end.
SPELLINGS = {
    'as it is': str,
    'in upper case': str.upper,
    'with a space behind it': '{} '.format,
    'with a space before it': ' {}'.format,
    'with NUL behind it': '{}\0'.format,
    'with a control character in it': lambda each: each.replace('-', '-\1', 1),
    'with a four-byte character behind it': '{}🔥'.format,
    'with a four-byte digit': lambda each: each.replace('1', '𝟏', 1),
    'with a four-byte letter': lambda each: each.replace('c', '𝐜', 1),
    'with an accent': lambda each: each.replace('c', 'ç', 1),
    'with a soft hyphen': lambda each: each.replace('-', '-\xad', 1),
    'of four-byte characters': lambda each: '🔥' * len(each),
}
KEYS = (
    'Trove_Instance_Id', 'trove_instance_id ', '\1trove_instance_id',
    'trove_instance_id\0', 'tróve_instance_id', 'trove︳instance_id',
    'trove_i㎱tance_id')
FOUR_BYTES = '🅃rove_instance_id'


def convert(server, name, kind, collation):
    """Have tables of a database another collation, and its character set."""
    charset = collation.partition('_')[0]
    # MariaDB does not convert a column that a foreign key has.
    for table, key in server.execute(
            'SELECT table_name, constraint_name FROM '
            'information_schema.referential_constraints '
            f'WHERE constraint_schema = "{name}"'):
        server.execute(f'ALTER TABLE {name}.{table} DROP FOREIGN KEY {key}')
    server.execute(
        f'USE {name}', 'SET foreign_key_checks = 0', *(
            f'ALTER TABLE {table} CONVERT TO CHARACTER SET {charset} '
            f'COLLATE {collation}' for table in TABLES[kind]))


def collations(server, name, kind):
    """Return the collations of tables of a database."""
    return {collation for table in TABLES[kind] for collation, in
            server.execute(
                'SELECT table_collation FROM information_schema.tables WHERE '
                f'table_schema = "{name}" AND table_name = "{table}"')}


@pytest.fixture(scope='module', params=[MIGRATED, CONVERTED])
def collation(request, server, databases):
    """Return the collation of Nova's tables."""
    for database in ('api', *nova_database.CELLS):
        name = databases.url(database).split('?')[0].rpartition('/')[2]
        kind = database if database == 'api' else 'cell'
        if request.param != MIGRATED:
            convert(server, name, kind, request.param)
        assert collations(server, name, kind) == {request.param}
    return request.param


@pytest.fixture(scope='module', params=[MIGRATED, CONVERTED])
def converted_cinder(request, server, cinder):
    """Return Cinder, with tables of a collation."""
    convert(server, 'cinder', 'cinder', request.param)
    yield cinder
    convert(server, 'cinder', 'cinder', MIGRATED)


@pytest.fixture(scope='module')
def server_ids(collation, databases):
    """Return the ids of a managed and of an ordinary server."""
    ids = [databases.server(metadata, project_id=nova_api.PROJECT)
           for metadata in (MARKED, ORDINARY)]
    # Each must have what SPELLINGS replace.
    while not all({'1', 'c'} <= set(each) for each in ids):
        ids = [databases.server(metadata, project_id=nova_api.PROJECT)
               for metadata in (MARKED, ORDINARY)]
    return ids


@pytest.mark.parametrize('spell', SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize('is_managed', [True, False],
                         ids=['managed', 'unmanaged'])
def test_a_spelling_of_a_server_s_id_leads_where_it_does_in_nova(
        api, server_ids, is_managed, spell):
    spelt = spell(server_ids[not is_managed])
    is_found = bool(test_lookup.found_by_nova(spelt))
    answer = api.ask(
        'DELETE', f'/v2.1/servers/{urllib.parse.quote(spelt)}',
        token=api.token(*filters.TENANT, project_id=nova_api.PROJECT))
    # What does not exist is replaced by what cannot exist.
    dispatched = [dispatch for dispatch in api.dispatched
                  if dispatch.arguments.get('id') != calls.NIL_UUID]
    assert bool(dispatched) == (is_found and not is_managed)
    assert (answer.status_int == 403) == (is_found and is_managed)


def test_a_key_that_is_not_the_marker_in_nova_is_none(
        server, collation, databases, servers):
    keys = KEYS
    if collation == CONVERTED:
        keys = (*KEYS, FOUR_BYTES)
        for key in keys:
            with server.session('mysql') as execute:
                assert execute(
                    'SELECT 1 WHERE %s = CONVERT("trove_instance_id" '
                    f'USING utf8mb4) COLLATE {CONVERTED}', (key,)), key
    for key in keys:
        server_id = databases.server(ORDINARY)
        databases.write_metadata(server_id, key, 'no marker')
        metadata = databases.metadata(server_id)
        assert key in metadata
        assert servers.existing([('server', server_id)]) == [None], key
        # Nova writes and removes the marker beside it.
        databases.mark(server_id, {**metadata, **MARKED})
        assert servers.managed(
            [('server', server_id)]) == test_lookup.managed(server_id), key
        databases.mark(server_id, metadata)
        assert servers.existing([('server', server_id)]) == [None], key


def test_a_four_byte_name_hides_no_marker(collation, databases, servers):
    name = '🔥' if collation == CONVERTED else 'é'
    server_id = databases.server(MARKED, display_name=name)
    assert servers.managed(
        [('server', server_id)]) == test_lookup.managed(server_id)


@pytest.mark.parametrize('kind', ('volume', 'console_token'))
@pytest.mark.parametrize('identifier', ('🔥', '\0', '\1', '\\'))
def test_what_is_no_id_leads_nowhere(collation, servers, kind, identifier):
    try:
        assert servers.existing([(kind, identifier)]) == []
    except sqlalchemy.exc.OperationalError as error:
        # MariaDB does not compare it with three-byte characters.
        assert error.orig.args[0] == er.CANT_AGGREGATE_2COLLATIONS
        assert (identifier, collation) == ('🔥', MIGRATED)


@pytest.mark.parametrize('spell', SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize('collection, kind', [
    ('volumes', 'volume'), ('snapshots', 'snapshot'), ('backups', 'backup'),
    ('attachments', 'attachment'), ('os-volume-transfer', 'transfer')])
def test_no_spelling_of_an_id_in_cinder_leads_to_what_is_managed(
        converted_cinder, collection, kind, spell):
    answer = converted_cinder.ask(
        'DELETE',
        f'/{collection}/{urllib.parse.quote(spell(volumes.MANAGED[kind]))}')
    assert converted_cinder.dispatched == []
    assert answer.status_int in (403, 404, 503)
    # A 503 only where the database gives an error to Cinder, too.
    if answer.status_int == 503:
        with pytest.raises(sqlalchemy.exc.OperationalError):
            volumes.lookup.db.volume_get(
                context.get_admin_context(), spell(volumes.MANAGED['volume']))
