# SPDX-License-Identifier: Apache-2.0
"""One cell's database is down: calls on servers of other cells go on."""

from concurrent import futures
import itertools
import time

from oslo_db import exception as db_exception
import pytest
import sqlalchemy

from nova_trove_guard.core import deadline
from tests.production import proxies
from tests.unit import nova_api
from tests.unit import nova_database
from tests.unit import test_effort
from tests.unit import test_filter as filters
from tests.unit import test_lookup

api = test_effort.api

MARKED, ORDINARY = test_lookup.MARKED, test_lookup.ORDINARY
managed = test_lookup.managed
UP = ('cell0', 'cell1')
DOWN = 'cell2'
# In which all that is up is found, also on a busy machine.
LONG_SECONDS = 10


@pytest.fixture(scope='module')
def proxy(databases, server):
    """Return the proxies.Proxy through which Nova connects to a cell."""
    proxy = proxies.Proxy(server.directory / 'proxy', server.socket)
    databases.reconnect(DOWN, databases.url(DOWN).replace(
        str(server.socket), str(proxy.path)))
    yield proxy
    databases.forget_connections(DOWN)
    proxy.close()


@pytest.fixture(scope='module')
def server_ids(databases, proxy):
    """Return the ids of servers, by (cell, whether it is managed)."""
    return {(cell, is_managed): databases.server(
                MARKED if is_managed else ORDINARY, cell,
                project_id=nova_database.PROJECT)
            for cell in nova_database.CELLS for is_managed in (True, False)}


def fails(servers, server_id):
    """Return how long a lookup takes that fails."""
    began = time.monotonic()
    with pytest.raises((TimeoutError, db_exception.DBError)):
        servers.managed([('server', server_id)])
    return time.monotonic() - began


WAYS = pytest.mark.parametrize(
    'way', [proxies.Proxy.refusing, proxies.Proxy.hanging],
    ids=lambda way: way.__name__)


@WAYS
def test_others_are_found_at_once_while_many_wait_for_a_cell_that_is_down(
        proxy, server_ids, way):
    servers = test_lookup.looking(LONG_SECONDS)
    for server_id in server_ids.values():
        servers.managed([('server', server_id)])
    waiting = deadline.THREADS + 4
    with futures.ThreadPoolExecutor(waiting) as executor, way(proxy):
        failures = [executor.submit(
            fails, servers, server_ids[DOWN, is_managed])
            for _ in range(waiting // 2) for is_managed in (True, False)]
        for (cell, is_managed), server_id in server_ids.items():
            if cell != DOWN:
                assert servers.existing([('server', server_id)]) == (
                    managed(server_id) if is_managed else [None])
        if way is proxies.Proxy.hanging:
            assert not any(failure.done() for failure in failures)
        # A caller waits no longer than for one lookup, however many wait.
        assert max(failure.result()
                   for failure in failures) < LONG_SECONDS * 1.8
    assert servers.managed([('server', server_ids[DOWN, True])]) == managed(
        server_ids[DOWN, True])


def test_a_cell_that_hangs_when_nova_starts_blocks_no_other(
        databases, proxy, server_ids):
    servers = test_lookup.looking(1, threads=2)
    databases.forget_connections(DOWN)
    with proxy.hanging():
        for _ in range(3):
            fails(servers, server_ids[DOWN, True])
        for cell in UP:
            assert servers.managed([('server', server_ids[cell, True])]) == (
                managed(server_ids[cell, True]))


@test_lookup.IN_EVERY_CELL
def test_what_may_be_in_any_cell_is_a_failure_while_one_is_down(
        databases, proxy, server_ids, kind):
    servers = test_lookup.looking()
    identifier = test_lookup.LEADING_TO[kind](
        databases, server_ids[UP[1], True])
    with proxy.refusing(), pytest.raises(db_exception.DBError):
        servers.managed([(kind, identifier)])
    assert servers.managed([(kind, identifier)]) == managed(
        server_ids[UP[1], True])


@pytest.mark.parametrize('way, seconds', [
    (proxies.Proxy.refusing, 5), (proxies.Proxy.hanging, deadline.SECONDS + 2),
], ids=['refusing', 'hanging'])
def test_calls_are_unavailable_only_on_servers_of_the_cell_that_is_down(
        api, proxy, server_ids, way, seconds):
    def delete(which):
        began = time.monotonic()
        answer = api.ask('DELETE', f'/v2.1/servers/{server_ids[which]}',
                         token=token)
        return answer, bool(api.dispatched), time.monotonic() - began

    token = api.token(*filters.TENANT, project_id=nova_api.PROJECT)
    with way(proxy):
        answer, is_dispatched, took = delete((DOWN, False))
        assert (answer.status_int, is_dispatched) == (503, False)
        assert answer.headers['Retry-After']
        assert took < seconds
        for cell, is_managed in itertools.product(UP, (True, False)):
            answer, is_dispatched, took = delete((cell, is_managed))
            assert is_dispatched is not is_managed
            assert (answer.status_int == 403) == is_managed
            assert took < deadline.SECONDS / 2


def test_a_response_that_ends_anywhere_is_never_taken_for_unmanaged(
        proxy, server_ids):
    servers = test_lookup.looking()
    server_id = server_ids[DOWN, True]
    assert servers.managed([('server', server_id)]) == managed(server_id)
    cut = 0
    for limit in itertools.count(0, 25):
        with proxy.cutting(limit):
            try:
                found = servers.managed([('server', server_id)])
            except (db_exception.DBError, sqlalchemy.exc.DBAPIError):
                cut += 1
                continue
        assert found == managed(server_id)
        break
    # It takes some hundred bytes to connect, and some hundred to respond.
    assert cut > 20
