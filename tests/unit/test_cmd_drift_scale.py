# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard drift`` of a large fleet, in a process of its own."""

import itertools
import json
import os
import signal
import subprocess
import sys

import pytest

from tests.unit import drift_cloud
from tests.unit.drift_cloud import MARKER
from tests.unit.drift_cloud import OTHER_PROJECT

MANY = 20_000
FEW = 2_000
# What the ids of so many more may take; the servers themselves take more
# than 40 MB, and what Python makes of their JSON several times that.
MORE_KILOBYTES = 16_000

# Runs the command line, and writes down the most memory that it took.
COMMAND = """
import pathlib, re, sys
from nova_trove_guard.cmd import shell
path = sys.argv.pop(1)
status = shell.main(sys.argv[1:])
memory = pathlib.Path('/proc/self/status').read_text()
pathlib.Path(path).write_text(re.search(r'VmHWM:\\s+(\\d+)', memory)[1])
sys.exit(status)
"""


class Operator:
    """A shell of the Trove admin's.

    :param directory: where its files are
    :param url: where the simulated cloud is
    """

    def __init__(self, directory, url):
        self.peak = directory / 'peak'
        self.state = directory / 'state'
        self._directory = directory
        self._environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith('OS_')} | {
            'OS_AUTH_TYPE': 'v3password', 'OS_AUTH_URL': f'{url}/v3',
            'OS_USERNAME': 'trove', 'OS_PASSWORD': 'secret',
            'OS_USER_DOMAIN_ID': 'default', 'OS_PROJECT_NAME': 'trove',
            'OS_PROJECT_DOMAIN_ID': 'default', 'OS_REGION_NAME': 'One',
            'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}

    def start(self, *arguments, stdout=subprocess.PIPE):
        """Start the command; return subprocess.Popen."""
        return subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', COMMAND, self.peak,
             'drift', '-f', 'json', *arguments],
            cwd=self._directory, env=self._environment, text=True,
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)

    def run(self, *arguments):
        """Run the command; return (exit status, rows, standard error)."""
        process = self.start(*arguments)
        output, errors = process.communicate()
        return process.returncode, json.loads(output or '[]'), errors


@pytest.fixture
def fleet():
    """Return an empty Fleet."""
    return drift_cloud.Fleet()


@pytest.fixture
def operator(fleet, tmp_path):
    """Return an Operator of the Fleet."""
    with fleet.served() as url:
        yield Operator(tmp_path, url)


def drift(fleet, ids):
    """Let every hundredth instance drift; return how many do, by code."""
    for instance in ids[::100]:
        server = fleet.server_of(instance)
        fleet.lock(server['id'], None)
        del server['metadata'][MARKER]
        del fleet.volume_of(instance)['metadata'][MARKER]
        fleet.ports[instance]['tags'].clear()
        fleet.groups[instance]['tags'].clear()
    for instance in ids[50::1000]:
        del fleet.servers[fleet.instances[instance]['server_id']]
        del fleet.volumes[fleet.instances[instance]['volume_id']]
    for number in range(10):
        fleet.add_server(f'forged-{number}', OTHER_PROJECT, {MARKER: 'x'})
        fleet.add_volume(f'forged-{number}', {MARKER: 'x'})
        fleet.add_port(f'forged-{number}', OTHER_PROJECT, '', 'x', [],
                       f'{MARKER}_x')
    return {'marker-missing': len(ids[::100]), 'unlocked': len(ids[::100]),
            'server-missing': len(ids[50::1000]), 'marker-forged': 10,
            'volume-marker-missing': len(ids[::100]),
            'volume-missing': len(ids[50::1000]), 'volume-marker-forged': 10,
            'port-marker-missing': len(ids[::100]),
            'port-marker-forged': 10,
            'security-group-marker-missing': len(ids[::100])}


# The codes of what --fix fixes here.
FIXABLE = ('marker-missing', 'unlocked', 'volume-marker-missing',
           'port-marker-missing', 'security-group-marker-missing')


def tally(rows, **wanted):
    """Return how many rows there are by code, of those as wanted."""
    codes = [row['Code'] for row in rows
             if all(row[key] == value for key, value in wanted.items())]
    return {code: codes.count(code) for code in codes}


@pytest.mark.production
def test_twenty_thousand_servers(fleet, operator):
    fleet.grow(FEW)
    status, rows, errors = operator.run()
    assert (status, rows) == (0, []), errors
    peak = int(operator.peak.read_text())

    fleet.grow(MANY - FEW)
    expected = drift(fleet, list(fleet.instances))
    # Other people's resources, and a cloud with enough to do.
    for number in range(MANY // 10):
        fleet.add_server(f'other-{number}', OTHER_PROJECT, {})
        fleet.add_volume(f'other-{number}', {})
        fleet.add_port(f'other-{number}', OTHER_PROJECT, '', 'x', [], 'y')
        fleet.add_group(f'other-{number}', OTHER_PROJECT, '', 'y')
    fleet.trouble = lambda number: {
        7: (503, {}), 57: (429, {'Retry-After': '0'})}.get(number % 100)
    status, rows, errors = operator.run('--fix', '--yes', '--jobs', '8')
    assert status == 1, errors
    assert tally(rows) == expected
    assert tally(rows, Result='fixed') == {
        code: expected[code] for code in FIXABLE}
    assert f'{MANY} database instances' in errors
    assert int(operator.peak.read_text()) < peak + MORE_KILOBYTES
    assert all(server['metadata'] and server['locked']
               for server in fleet.servers.values() if server['tags'])
    assert all(volume['metadata'] for volume in fleet.volumes.values()
               if volume['attachments'])
    assert all(row['tags'] for rows in fleet.networking.values()
               for row in rows.values())


@pytest.mark.parametrize('service, number', [
    (('database', 'GET'), 3), (('compute', 'GET', 'detail'), 2),
    (('compute', 'POST', 'action'), 7),
    (('volume', 'POST', 'metadata'), 7),
    (('network', 'PUT', 'ports', 'id', 'tags'), 7)], ids=str)
def test_a_killed_run_continues(fleet, operator, service, number):
    expected = drift(fleet, fleet.grow(FEW))
    arguments = ('--fix', '--yes', '--state', str(operator.state))
    process = operator.start(*arguments)

    def kill(_):
        if fleet.requests[service] >= number:
            process.send_signal(signal.SIGKILL)

    fleet.trouble = kill
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    before = fleet.requests.copy()

    fleet.trouble = lambda number: None
    status, rows, errors = operator.run(*arguments)
    assert status == 1, errors
    # What was in progress was fixed, but its result was not recorded.
    assert tally(rows) == expected
    assert tally(rows, Result='found') == {
        code: count for code, count in expected.items()
        if code not in FIXABLE}
    assert not any(server['metadata'].get(MARKER) is None or
                   not server['locked']
                   for server in fleet.servers.values()
                   if 'trove_instance' in server['tags'])
    assert all(volume['metadata'] for volume in fleet.volumes.values())
    assert all(row['tags'] for rows in fleet.networking.values()
               for row in rows.values())
    assert not operator.state.exists()
    # It began neither Trove's list nor Nova's again.
    assert fleet.requests['database', 'GET'] <= before[
        'database', 'GET'] + FEW // 80 - number + 12 * (
        service == ('database', 'GET'))
    locks = ('compute', 'POST', 'action')
    assert fleet.requests[locks] <= expected['unlocked'] + 4


def test_discrepancies_that_could_not_be_printed_are_kept(fleet, operator):
    ids = fleet.grow(3)
    fleet.lock(fleet.instances[ids[0]]['server_id'], None)
    arguments = '--fix', '--yes', '--state', str(operator.state)
    with open('/dev/full', 'w') as full:
        process = operator.start(*arguments, stdout=full)
        _, errors = process.communicate()
    assert process.returncode == 2
    assert 'No space left' in errors
    status, rows, errors = operator.run(*arguments)
    assert (status, [row['Result'] for row in rows]) == (0, ['fixed']), errors
    assert not operator.state.exists()


def test_a_service_that_fails_is_no_discrepancy(fleet, operator):
    fleet.grow(1)
    fleet.trouble = lambda number: (500, {})
    status, rows, errors = operator.run('--state', str(operator.state))
    assert (status, rows) == (3, []), errors
    assert operator.state.exists()


def test_a_run_continues_after_cinder_failed(fleet, operator):
    fleet.grow(1)
    servers = ('compute', 'GET', 'detail')
    # After Nova's list of servers comes Cinder.
    fleet.trouble = lambda number: fleet.requests[servers] and (500, {})
    status, rows, errors = operator.run('--state', str(operator.state))
    assert (status, rows) == (3, []), errors
    assert fleet.requests['volume', 'GET', 'detail'] == 0
    fleet.trouble = lambda number: None
    status, rows, errors = operator.run('--state', str(operator.state))
    assert (status, rows) == (0, []), errors
    assert fleet.requests[servers] == 1
    assert fleet.requests['volume', 'GET', 'detail'] == 1


def test_a_cloud_without_cinder_and_neutron(fleet, operator):
    fleet.grow(1)
    fleet.has_cinder = fleet.has_neutron = False
    status, rows, errors = operator.run()
    assert (status, rows) == (0, []), errors
    assert errors.splitlines() == [
        'Volumes are not compared: the catalog has no Cinder.',
        'Ports and security groups are not compared: the catalog has no '
        'Neutron.',
        '1 database instance: 0 discrepancies, 0 left']


@pytest.mark.parametrize('arguments, status, message', [
    (('--fix',), 2, 'use --yes'),
    (('--jobs', '0'), 2, '--jobs'),
    (('--ignore', 'nothing'), 2, '--ignore'),
    (('--state', '/'), 2, 'unable to open')])
def test_wrong_usage_is_refused(fleet, operator, arguments, status, message):
    fleet.grow(1)
    ended, rows, errors = operator.run(*arguments)
    assert (ended, rows) == (status, [])
    assert message in errors
    assert not fleet.requests


def test_a_dry_run_and_a_fixed_fleet(fleet, operator):
    ids = fleet.grow(3)
    fleet.lock(fleet.instances[ids[0]]['server_id'], None)
    for arguments, status, results in (
            (['--fix', '--dry-run'], 1, ['would be fixed']),
            (['--fix', '--yes'], 0, ['fixed']), ([], 0, [])):
        ended, rows, errors = operator.run(*arguments)
        assert (ended, [row['Result'] for row in rows]) == (
            status, results), errors
    assert next(itertools.islice(errors.splitlines(), 1)) == (
        '3 database instances: 0 discrepancies, 0 left')
