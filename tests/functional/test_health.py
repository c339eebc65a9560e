# SPDX-License-Identifier: Apache-2.0
"""What a load balancer learns from /healthcheck of the real APIs."""

import contextlib
import pathlib
import sqlite3
import subprocess
import sys
import time

import pytest
import requests

from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.health import backend
from tests.cloud import layout
from tests.cloud import processes
from tests.functional import apis

# Nova's own api-paste.ini has no healthcheck.
NOVA = '''
[app:healthcheck]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
backends = nova_trove_guard
detailed = true
'''
NOVA_ROOT = '/: oscomputeversions\n'
# In those of Cinder and Neutron.
BACKENDS = 'backends = disable_by_file\n'
WITH_GUARD = 'backends = disable_by_file, nova_trove_guard\ndetailed = true\n'
# The database that a lookup asks first, and the group that says where it is.
DATABASES = {'nova': ('nova-api', 'api_database'),
             'cinder': ('cinder', 'database'),
             'neutron': ('neutron', 'database')}


class Health:
    """The healthchecks of one service's API, with the guard and without it.

    :param policy: the path of the service's policy file
    :param database: the path of its database
    :param ports: dict of the port by the name of the API
    """

    def __init__(self, policy, database, ports):
        self.policy = policy
        self._database = database
        self._ports = ports

    def check(self, api='guarded'):
        """Return status, reason and details of the guard's back end."""
        answer = requests.get(
            f'http://127.0.0.1:{self._ports[api]}/healthcheck',
            headers={'Accept': 'application/json'}, timeout=60)
        result = answer.json()['reasons'][-1]
        return answer.status_code, result['reason'], result['details']

    @contextlib.contextmanager
    def locked_database(self):
        """Have nobody read the database while in the context."""
        with contextlib.closing(sqlite3.connect(
                self._database, timeout=60, isolation_level=None)) as database:
            database.execute('BEGIN EXCLUSIVE')
            yield


def with_healthcheck(text):
    """Return the text of an api-paste.ini with the back end, as documented."""
    assert (NOVA_ROOT in text) != (BACKENDS in text)
    if BACKENDS in text:
        return text.replace(BACKENDS, WITH_GUARD)
    return text.replace(
        NOVA_ROOT, f'{NOVA_ROOT}/healthcheck: healthcheck\n') + NOVA


@pytest.fixture(scope='module', params=['nova', 'cinder', 'neutron'])
def health(request, cloud, tmp_path_factory):
    """Return Health of a service of the cloud, on a copy of its database."""
    service = request.param
    files = layout.Layout(cloud.root)
    directory = tmp_path_factory.mktemp(service)
    stock = pathlib.Path(
        sys.prefix, 'etc', service, 'api-paste.ini').read_text()
    pastes = {'guarded': pipelines.insert(stock), 'stock': stock}
    ports = processes.free_ports(pastes)
    for name, text in pastes.items():
        (directory / name).write_text(with_healthcheck(text))
    policy, database, more, log = (
        directory / name for name in ('policy.yaml', 'sqlite', 'conf', 'log'))
    policy.write_text('')
    name, group = DATABASES[service]
    with files.open_database(name) as source, contextlib.closing(
            sqlite3.connect(database)) as copy:
        source.backup(copy)
        # A reader waits for a writer.
        copy.execute('PRAGMA journal_mode = DELETE')
    more.write_text(f'[oslo_policy]\npolicy_file = {policy}\n'
                    f'[{group}]\nconnection = sqlite:///{database}\n'
                    '[trove_guard]\ntrove_managed_instances = true\n')
    with log.open('w') as lines, subprocess.Popen(
            [sys.executable, '-m', 'tests.functional.health_api', service,
             files.conf(service) / f'{service}.conf', more,
             *(f'{directory / name}={port}'
               for name, port in ports.items())],
            cwd=layout.REPOSITORY, stdin=subprocess.DEVNULL, stdout=lines,
            stderr=subprocess.STDOUT) as process:
        try:
            apis.await_(lambda: process.poll() is not None or
                        all(map(apis.answers, ports.values())))
            assert process.poll() is None, log.read_text()
            yield Health(policy, database, ports)
        finally:
            process.terminate()


def test_a_guard_that_can_judge_is_in_service(health):
    status, reason, details = health.check()
    assert (status, reason) == (200, 'OK')
    assert ', mode enforce, process ' in details


def test_without_the_guard_in_its_pipelines_a_process_is_out_of_service(
        health):
    status, reason, details = health.check('stock')
    assert (status, reason) == (503, backend.Reason.MISPLACED)
    assert 'keystone: missing' in details


def test_a_mistake_in_the_policy_file_is_out_of_service_until_it_is_fixed(
        health):
    health.policy.write_text('"trove_guard:trove_admin": "rule:nobody"\n')
    status, reason, details = health.check()
    assert (status, reason) == (503, backend.Reason.POLICY)
    assert 'refers to rule:nobody' in details
    health.policy.write_text('')
    assert health.check()[:2] == (200, 'OK')


def test_a_database_that_does_not_answer_is_out_of_service_in_time(health):
    assert health.check()[0] == 200
    with health.locked_database():
        # A result counts for a second.
        assert apis.await_(lambda: health.check()[0] == 503)
        began = time.monotonic()
        status, reason, _ = health.check()
        # SQLite itself waits for 5 s, and so do all where threads are
        # eventlet's.
        assert time.monotonic() - began < 20
        assert (status, reason) == (503, backend.Reason.DATABASE)
    assert apis.await_(lambda: health.check()[0] == 200)
