# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard probe`` finds what is not guarded, and changes nothing.

On Nova, Cinder and Neutron as they are, with the guard and without it.
"""

import contextlib
import itertools
import json
import os
import pathlib
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time

import pytest

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.probe import requested
from nova_trove_guard.cmd.probe import responses
from tests.cloud import layout
from tests.cloud import people
from tests.cloud import processes
from tests.cloud import state
from tests.functional import apis
from tests.functional import scene as scenes

COMMAND = pathlib.Path(sys.prefix, 'bin', 'nova-trove-guard')
GUARDED, NOT_GUARDED, PARTLY = 'guarded', 'not guarded', 'partly guarded'
NAMES = {'compute': 'nova', 'volume': 'cinder', 'network': 'neutron'}
DATABASES = ('nova-api', 'nova-cell0', 'nova-cell1', 'cinder', 'neutron')
# What the services themselves write again and again, to say that they run.
HEARTBEATS = ('services', 'agents')
# Exit codes.
REFUSED, DOWN = outcome.USAGE, outcome.UNAVAILABLE
USERS = ('reader', 'owner', 'admin', 'nova')
# Microversions, None for no header.
VERSIONS = {'compute': (None, '2.1', 'latest'),
            'volume': (None, '3.0', 'latest'), 'network': (None,)}


@pytest.fixture
def probe(cloud):
    """Return f(arguments, user, region): exit code and rows."""
    def probe(*arguments, user='owner', region=state.GUARDED):
        done = subprocess.run(
            [COMMAND, 'probe', '-f', 'json', '--os-region-name', region,
             *arguments],
            env=os.environ | cloud.environment(people.named(user)),
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert 'Traceback' not in done.stderr
        return done.returncode, json.loads(done.stdout or '[]')

    return probe


def results(rows):
    """Return the results of rows, in their order."""
    return [row['Result'] for row in rows]


@pytest.mark.parametrize('region, status, found', [
    (state.GUARDED, outcome.OK, [GUARDED] * 3),
    (state.UNGUARDED, outcome.NOT_OK, [NOT_GUARDED] * 3),
    (state.NOVA_GUARDED, outcome.NOT_OK,
     [GUARDED, NOT_GUARDED, NOT_GUARDED]),
    (state.CINDER_GUARDED, outcome.NOT_OK,
     [NOT_GUARDED, GUARDED, NOT_GUARDED]),
    (state.NEUTRON_GUARDED, outcome.NOT_OK,
     [NOT_GUARDED, NOT_GUARDED, GUARDED])])
def test_it_finds_which_services_of_a_region_have_the_guard(
        probe, region, status, found):
    done, rows = probe('--requests', '10', region=region)
    assert (done, results(rows)) == (status, found)
    assert [row['Service'] for row in rows] == ['Nova', 'Cinder', 'Neutron']
    assert all(row['Guarded'] + row['Not Guarded'] == 10 for row in rows)


@pytest.mark.parametrize('user', USERS)
def test_any_credentials_will_do(probe, user):
    done, rows = probe('--requests', '2', '--all-regions', user=user)
    assert done == outcome.NOT_OK
    assert {(row['Region'], row['Result']) for row in rows} >= {
        (state.GUARDED, GUARDED), (state.USER, GUARDED),
        (state.UNGUARDED, NOT_GUARDED)}
    assert len(rows) == 3 * len(state.REGIONS)


def test_the_trove_admins_credentials_will_not_do(probe):
    assert probe(user='trove') == (REFUSED, [])


@pytest.mark.parametrize('option, result, logged', [
    ('mode = enforce', GUARDED, 'refused'),
    ('mode = audit', NOT_GUARDED, 'would_refuse'),
    ('metadata_key = another', NOT_GUARDED, None),
    ('trove_managed_instances = false', NOT_GUARDED, None)])
def test_a_guard_that_does_not_enforce_counts_as_not_guarded(
        cloud, probe, tmp_path, option, result, logged):
    with apis.running(
            cloud, tmp_path, f'[trove_guard]\n{option}\n') as api:
        _, rows = probe('--url', f'compute={api.url}', '--requests', '4')
    assert results(rows) == [result]
    decisions = re.findall(rf'req-{requested.PROBE_ID}.* decision=(\w+)',
                           api.log.read_text())
    assert decisions.count(logged) == (4 if logged else 0)


# Behind a balancer.

class _RoundRobin(socketserver.ThreadingTCPServer):
    """Forwards each connection to the next of several servers.

    :ivar turns: iterator of their addresses
    """

    daemon_threads = True
    turns: itertools.cycle


class _Forward(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(next(self.server.turns)) as behind:
            there = threading.Thread(
                target=_pump, args=(self.request, behind))
            there.start()
            _pump(behind, self.request)
            there.join()


def _pump(source, target):
    """Send on what comes, until there is no more."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def balancing(*urls):
    """Yield the address of a balancer in front of some URLs' hosts."""
    with _RoundRobin(('127.0.0.1', 0), _Forward) as server:
        server.turns = itertools.cycle(
            ('127.0.0.1', int(url.split(':')[2].split('/')[0]))
            for url in urls)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_address[1]}'
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize('service', requested.SERVICES)
def test_one_host_without_the_guard_behind_a_balancer_is_found(
        cloud, probe, service):
    name = NAMES[service]
    guarded, other = cloud.urls[name], cloud.urls[f'{name}-unguarded']
    with balancing(guarded, guarded, guarded, other) as url:
        done, (row,) = probe('--url', f'{service}={url}', '--requests', '40')
    assert (done, row['Result']) == (outcome.NOT_OK, PARTLY)
    assert (row['Guarded'], row['Not Guarded'], row['Other']) == (30, 10, {})


def test_a_service_that_is_down_is_told_in_bounded_time(cloud, probe):
    port, = processes.free_ports(['nobody']).values()
    with socket.create_server(('127.0.0.1', 0)) as silent:
        start = time.monotonic()
        done, rows = probe(
            '--timeout', '1',
            '--url', f'compute=http://127.0.0.1:{silent.getsockname()[1]}',
            '--url', f'volume=http://127.0.0.1:{port}',
            '--url', f'network={cloud.urls["neutron"]}')
        seconds = time.monotonic() - start
    assert done == DOWN
    assert results(rows) == ['down', 'down', 'guarded']
    assert [row['Other'] for row in rows] == [
        {'timeout': 4}, {'no connection': 4}, {}]
    assert seconds < 60  # 108 requests of 1 s each would take more


# What the request does.

def rows_of_all(cloud):
    """Return the rows (sorted list of str) of each table by its name."""
    tables = {}
    for name in DATABASES:
        with layout.Layout(cloud.root).open_database(name) as database:
            for table, in database.execute(
                    'SELECT name FROM sqlite_master WHERE type = \'table\''
                    ).fetchall():
                if table not in HEARTBEATS:
                    tables[name, table] = sorted(map(repr, database.execute(
                        f'SELECT * FROM "{table}"')))
    assert len(tables) > 300
    return tables


def send(cloud, user, service, url, version=None):
    """Send the request; return the response, and what it counts as."""
    headers = dict(requested.HEADERS)
    if version:
        headers['OpenStack-API-Version'] = f'{service} {version}'
    probed = requested.SERVICES[service]
    response = cloud.session(user).request(
        url + probed.path, probed.method, json=probed.body(scenes.MARKER),
        headers=headers, redirect=False, raise_exc=False)
    return response, responses.classify(
        probed, scenes.MARKER, response.status_code, response.content)


@pytest.mark.parametrize('service', requested.SERVICES)
@pytest.mark.parametrize('behind', ['', '-unguarded'],
                         ids=['guarded', 'unguarded'])
def test_the_request_changes_nothing(
        cloud, witness, cinder_witness, neutron_witness, service, behind):
    name = NAMES[service]
    url = cloud.urls[name + behind]
    if service == 'network':
        url += '/v2.0'
    recorded = {'nova': witness, 'cinder': cinder_witness,
                'neutron': neutron_witness}[name]
    before = rows_of_all(cloud)
    for version, user in itertools.product(VERSIONS[service], USERS):
        response, found = send(cloud, user, service, url, version)
        assert found == (NOT_GUARDED if behind else GUARDED), response.text
        assert behind or recorded.dispatches(
            response.headers['x-openstack-request-id']) == []
    assert rows_of_all(cloud) == before


@pytest.mark.parametrize('nova, found', [
    ('nova', GUARDED), ('nova-unguarded', NOT_GUARDED)])
def test_the_legacy_api_answers_the_same(cloud, nova, found):
    url = cloud.urls[nova].replace('/v2.1', '/v2')
    assert send(cloud, 'owner', 'compute', url)[1] == found


@pytest.mark.parametrize('service', requested.SERVICES)
def test_probes_are_known_by_their_id_in_the_services_logs(
        cloud, probe, service):
    path = layout.Layout(cloud.root).log(NAMES[service])
    start = path.stat().st_size
    assert probe('--requests', '5', '--service', service)[0] == outcome.OK
    with path.open() as log:
        log.seek(start)
        lines = [line for line in log if ' decision=' in line]
    assert len(lines) == 5
    assert all(f'req-{requested.PROBE_ID}' in line and
               'decision=refused' in line for line in lines)
