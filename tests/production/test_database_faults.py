# SPDX-License-Identifier: Apache-2.0
"""What MariaDB can do to a lookup: the result is right, or the call gets 503.

The guards of Nova, Cinder and Neutron, each in its service's own API.
"""

from concurrent import futures
import dataclasses
import time
import typing

import pytest

# Before the tests, which import Cinder.
from tests.unit.cinder import loading

from nova_trove_guard.core import deadline  # noqa: I100
from tests.unit.neutron import questions
from tests.unit import nova_api
from tests.unit import test_effort
from tests.unit import test_filter as filters

api = test_effort.api

MANAGED, UNMANAGED, UNAVAILABLE = 'managed', 'unmanaged', 'unavailable'


@dataclasses.dataclass(frozen=True)
class Reader:
    """A guard, and a statement with which it reads a database.

    :ivar schema: the database
    :ivar first: the table that the statement reads first
    :ivar second: the table that it reads next
    :ivar find: returns (status, whether the call is dispatched) of a call on
        a managed or an ordinary resource
    """

    schema: str
    first: str
    second: str
    find: typing.Callable

    def found(self, managed):
        """Return what the guard takes a resource for."""
        status, is_dispatched = self.find(managed)
        assert is_dispatched == (status not in (403, 503))
        return {403: MANAGED, 503: UNAVAILABLE}.get(status, UNMANAGED)


@pytest.fixture(scope='module')
def nova(api, databases):
    """Return a function that makes a call on a server."""
    ids = [databases.server(metadata, project_id=nova_api.PROJECT)
           for metadata in ({'x': 'y'}, test_effort.MARKED)]
    token = api.token(*filters.TENANT)

    def find(managed):
        answer = api.ask(
            'DELETE', f'/v2.1/servers/{ids[managed]}', token=token)
        return answer.status_int, bool(api.dispatched)

    return find


def nova_cell(request):
    """Return what reads a server's marker."""
    find = request.getfixturevalue('nova')
    url = request.getfixturevalue('databases').url('cell1')
    return Reader(schema(url), 'instances', 'instance_metadata', find)


def nova_of_the_api(request):
    """Return what reads the cell of a server."""
    find = request.getfixturevalue('nova')
    url = request.getfixturevalue('databases').url('api')
    return Reader(schema(url), 'instance_mappings', 'cell_mappings', find)


def cinder_volumes(request):
    """Return what reads a volume's marker."""
    cinder = request.getfixturevalue('cinder')

    def find(managed):
        which = (loading.cinder_api.FREE, loading.cinder_api.MANAGED)[managed]
        answer = cinder.ask('DELETE', f'/volumes/{which["volume"]}')
        return answer.status_int, bool(cinder.dispatched)

    return Reader('cinder', 'volumes', 'volume_metadata', find)


def neutron_ports(request):
    """Return what reads a port's marker."""
    neutron = request.getfixturevalue('neutron')

    def find(managed):
        which = (questions.FREE, questions.MANAGED)[managed]
        answer = neutron.ask(
            'DELETE', f'/ports/{which["port"]}', None, questions.ADMIN)
        return answer.status, bool(answer.dispatched)

    return Reader('neutron', 'ports', 'tags', find)


READERS = {'cell': nova_cell, 'API database': nova_of_the_api,
           'Cinder': cinder_volumes, 'Neutron': neutron_ports}


def schema(url):
    """Return the name of the database in a URL."""
    return url.split('?')[0].rpartition('/')[2]


@pytest.fixture(params=READERS.values(), ids=READERS)
def reader(request):
    """Return a Reader."""
    return request.param(request)


# Faults: functions (server, reader, start) that begin a lookup with start()
# and return the future of its result.

def a_lock_of_the_table(server, reader, start):
    """Lock the table, as a backup does, and unlock it."""
    with server.session(reader.schema) as execute:
        execute(f'LOCK TABLES {reader.second} WRITE')
        found = start()
        server.await_waiting(1)
        execute('UNLOCK TABLES')
    return found


def a_change_of_the_table(server, reader, start):
    """Change the table, as a migration does, behind another transaction."""
    with (server.session(reader.schema) as execute,
          server.session(reader.schema) as migrate,
          futures.ThreadPoolExecutor(1) as executor):
        execute(f'SELECT * FROM {reader.second}')
        change = executor.submit(
            migrate, f'ALTER TABLE {reader.second} COMMENT "{time.time()}"')
        server.await_waiting(1)
        found = start()
        server.await_waiting(2)
        execute('COMMIT')
        change.result()
    return found


def a_deadlock_of_table_locks(server, reader, start):
    """Lock both tables, in the other order, while the lookup has the first.

    MariaDB has the statement of the lookup begin again.
    """
    with (server.session(reader.schema) as execute,
          server.session(reader.schema) as lock,
          futures.ThreadPoolExecutor(1) as executor):
        execute(f'LOCK TABLES {reader.second} WRITE')
        found = start()
        server.await_waiting(1)
        both = executor.submit(lock, f'LOCK TABLES {reader.first} WRITE, '
                                     f'{reader.second} WRITE')
        server.await_waiting(2)
        execute('UNLOCK TABLES')
        both.result()
        lock('UNLOCK TABLES')
    return found


def a_transaction_that_removes_the_marker(server, reader, start):
    """Delete all rows, and roll that back after the lookup."""
    with server.session(reader.schema) as execute:
        execute('SET foreign_key_checks = 0')
        execute(f'DELETE FROM {reader.second}')
        found = start()
        futures.wait([found])
        execute('ROLLBACK')
    return found


def a_killed_statement(server, reader, start):
    """End the statement of the lookup."""
    return _killed(server, reader, start, 'KILL QUERY')


def a_killed_connection(server, reader, start):
    """End the connection of the lookup, in the middle of its statement."""
    return _killed(server, reader, start, 'KILL')


def _killed(server, reader, start, kill):
    with server.session(reader.schema) as execute:
        execute(f'LOCK TABLES {reader.second} WRITE')
        found = start()
        number, = server.await_waiting(1)
        server.execute(f'{kill} {number}')
        futures.wait([found])
    return found


def a_killed_server(server, reader, start):
    """Kill MariaDB in the middle of the statement, and start it again."""
    server.execute('FLUSH ENGINE LOGS')
    with server.session(reader.schema) as execute:
        execute(f'LOCK TABLES {reader.second} WRITE')
        found = start()
        server.await_waiting(1)
        server.kill()
    futures.wait([found])
    server.start()
    return found


def a_deadlock_of_row_locks(server, reader, start):
    """Lock rows that the lookup wants, and then want rows that it locked.

    A lookup locks rows only if MariaDB is set to the level SERIALIZABLE.
    MariaDB ends the transaction that wrote less: error 1213.
    """
    before = _deadlocks(server)
    with server.session(reader.schema) as execute:
        execute('CREATE TEMPORARY TABLE weight (x INT) ENGINE=InnoDB')
        execute('INSERT INTO weight SELECT seq FROM seq_1_to_1000')
        execute(f'SELECT * FROM {reader.second} FOR UPDATE')
        found = start()
        server.await_waiting(1)
        execute(f'SELECT * FROM {reader.first} FOR UPDATE')
        futures.wait([found])
    assert _deadlocks(server) == before + 1
    return found


def _deadlocks(server):
    (_, count), = server.execute('SHOW GLOBAL STATUS LIKE "Innodb_deadlocks"')
    return int(count)


def a_row_lock_that_does_not_end(server, reader, start):
    """Lock rows for longer than MariaDB waits: error 1205."""
    with server.session(reader.schema) as execute:
        execute(f'SELECT * FROM {reader.second} FOR UPDATE')
        found = start()
        futures.wait([found])
    return found


RIGHT = (a_lock_of_the_table, a_change_of_the_table,
         a_deadlock_of_table_locks, a_transaction_that_removes_the_marker)
FAILS = (a_killed_statement, a_killed_connection, a_killed_server)
FAILS_IF_SERIALIZABLE = (
    a_deadlock_of_row_locks, a_row_lock_that_does_not_end)


def with_each(faults):
    """Return a decorator that tests each fault."""
    return pytest.mark.parametrize(
        'fault', faults, ids=lambda fault: fault.__name__)


def found_during(fault, server, reader, managed):
    """Return what the guard takes a resource for while a fault happens."""
    expected = MANAGED if managed else UNMANAGED
    assert reader.found(managed) == expected
    with futures.ThreadPoolExecutor(1) as executor:
        found = fault(server, reader,
                      lambda: executor.submit(reader.found, managed)).result()
    # It is right as soon as the fault is over.
    assert reader.found(managed) == expected
    return found


@with_each(RIGHT)
@pytest.mark.parametrize(
    'managed', [True, False], ids=['managed', 'unmanaged'])
def test_a_lookup_that_has_to_wait_is_right(server, reader, fault, managed):
    found = found_during(fault, server, reader, managed)
    assert found == (MANAGED if managed else UNMANAGED)


@with_each(FAILS)
def test_a_call_whose_lookup_is_cut_off_is_unavailable(
        server, reader, fault):
    assert found_during(fault, server, reader, True) == UNAVAILABLE


@pytest.fixture
def serializable(server, reader):
    """Have lookups lock the rows that they read, and wait for no second."""
    server.execute('SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE',
                   'SET GLOBAL innodb_lock_wait_timeout = 1')
    server.kill_connections()
    yield
    server.execute('SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ',
                   'SET GLOBAL innodb_lock_wait_timeout = DEFAULT')
    server.kill_connections()


@with_each(FAILS_IF_SERIALIZABLE)
def test_a_call_whose_lookup_loses_its_locks_is_unavailable(
        server, serializable, reader, fault):
    assert found_during(fault, server, reader, True) == UNAVAILABLE


def test_a_lookup_that_waits_for_a_lock_is_given_up_in_time(server, request):
    reader = nova_cell(request)
    assert reader.found(True) == MANAGED
    with server.session(reader.schema) as execute:
        execute(f'LOCK TABLES {reader.second} WRITE')
        began = time.monotonic()
        assert reader.found(True) == UNAVAILABLE
    assert time.monotonic() - began < deadline.SECONDS * 1.2
    assert reader.found(True) == MANAGED
