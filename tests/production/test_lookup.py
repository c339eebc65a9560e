# SPDX-License-Identifier: Apache-2.0
"""The lookup of servers on MariaDB: what holds on SQLite, and what differs."""

import time

from oslo_db import exception as db_exception
import pytest
from sqlalchemy.dialects import mysql

from nova_trove_guard.core import deadline
from nova_trove_guard.nova import lookup
from tests.unit import nova_database
from tests.unit import test_lookup

# All tests and fixtures of the unit tests; only their databases are others
# (conftest.py).
globals().update({
    name: value for name, value in vars(test_lookup).items()
    if name.startswith('test_') or name in (
        'servers', 'caller', 'neutron_answers')})
# A copy of a database is a file of SQLite's.
del test_a_stale_copy_of_the_databases_is_not_asked  # noqa: F821
# MariaDB ignores case.
del test_a_database_that_heeds_case_does_not_find_an_id_in_upper_case  # noqa

MARKED, ORDINARY = test_lookup.MARKED, test_lookup.ORDINARY
managed = test_lookup.managed


@pytest.mark.parametrize('key', [
    'Trove_instance_id', 'TROVE_INSTANCE_ID', 'trove_instance_id ',
    'trove_ınstance_ıd', 'tróve_instance_id', 'trove_instance_iđ'])
def test_a_key_that_mariadb_may_take_for_the_marker_is_none(
        databases, servers, key):
    ordinary_id = databases.server({'x': 'y'})
    databases.write_metadata(ordinary_id, key, 'no marker')
    server_id = databases.server(MARKED)
    databases.write_metadata(server_id, key, 'no marker')
    assert servers.managed(
        [('server', ordinary_id), ('server', server_id)]) == managed(
            server_id)


@pytest.mark.parametrize('value', ['', ' ', 'é' * 255])
def test_a_marker_of_any_value_is_a_marker(databases, servers, value):
    server_id = databases.server({})
    databases.write_metadata(server_id, 'trove_instance_id', value)
    assert len(servers.managed([('server', server_id)])) == 1


def test_a_server_that_hangs_is_a_failure_in_time(
        databases, server):
    server_id = databases.server(MARKED)
    bounded = test_lookup.looking(seconds=0.5)
    assert bounded.managed([('server', server_id)]) == managed(server_id)
    began = time.monotonic()
    with server.stopped(), pytest.raises(TimeoutError):
        bounded.managed([('server', server_id)])
    assert time.monotonic() - began < 0.5 + deadline.SECONDS / 2
    # And it is right as soon as the server goes on.
    patient = test_lookup.looking()
    assert patient.managed([('server', server_id)]) == managed(server_id)


def test_a_connection_that_the_server_ended_is_right_or_a_failure(
        databases, server, servers):
    server_id = databases.server(MARKED)
    for _ in range(5):
        assert servers.managed([('server', server_id)]) == managed(server_id)
        server.kill_connections()
        try:
            assert servers.managed(
                [('server', server_id)]) == managed(server_id)
        except db_exception.DBError:
            pass


def test_two_plain_statements_are_all(databases, servers):
    server_id = databases.server(MARKED)
    servers.managed([('server', server_id)])
    with nova_database.selects() as selects:
        servers.managed([('server', server_id)])
    # SQLAlchemy asks whether a connection is alive by a ping.
    assert len(selects) == 2


def test_a_server_is_found_by_an_index(databases, server):
    statement = lookup._SERVERS_BY_ID.params(
        metadata_key='trove_instance_id',
        server_ids=[databases.server(MARKED)]).compile(
            dialect=mysql.dialect(), compile_kwargs={'literal_binds': True})
    name = lookup._database(
        databases.cell_id('cell1')).writer.get_engine().url.database
    plan = server.execute(f'ANALYZE TABLE {name}.instances', f'USE {name}',
                          f'EXPLAIN {statement}')
    assert plan
    assert 'ALL' not in [row[3] for row in plan]
