# SPDX-License-Identifier: Apache-2.0
"""The healthcheck back end, in Nova's API as paste.deploy loads it."""

import dataclasses
import logging
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from nova_trove_guard.health import backend
from tests.unit import nova_api
from tests.unit import nova_database
from tests.unit import test_filter as filters

APP = '''
[app:healthcheck]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
backends = nova_trove_guard
detailed = {}
'''
COMPOSITE = '/: oscomputeversions\n'
AUDIT = f'{filters.GUARDED}mode = audit\n'
JSON = {'Accept': 'application/json'}
SECRET = 'swordfish'
PAGE = (pathlib.Path(__file__).parents[2] /
        'doc/source/admin/monitoring.rst').read_text()
# What is wrong with the pipelines, by what there is in place of the right
# words in a pipeline.
MISPLACED = {
    'not there': ('keystonecontext trove_guard', 'keystonecontext'),
    'in front of keystonecontext': (
        'keystonecontext trove_guard', 'trove_guard keystonecontext'),
    'not in one of two': (
        'keystonecontext trove_guard legacy_v2_compatible',
        'keystonecontext legacy_v2_compatible')}


class Failure(Exception):
    """What a database raises."""


@pytest.fixture(scope='module')
def load(load_nova_api, guarded):
    """Return f(options, detailed, edit): NovaAPI with a healthcheck.

    :param options: the [trove_guard] of nova.conf
    :param detailed: whether the healthcheck shows details
    :param edit: text to replace in api-paste.ini, and what takes its place
    """
    def load(options=filters.GUARDED, detailed=True, edit=('', '')):
        text = filters.paste(guarded)
        assert edit[0] in text
        text = text.replace(*edit) if edit[0] else text
        return load_nova_api(
            text.replace(COMPOSITE, f'{COMPOSITE}/healthcheck: healthcheck\n')
            + APP.format(detailed), options)

    return load


@pytest.fixture
def api(load):
    """Return NovaAPI whose healthcheck shows details."""
    # Of those in this process, only the last has its configuration.
    return load()


@dataclasses.dataclass
class Clock:
    """Stands in for the module time.

    :ivar now: what it shows, in seconds
    """

    now: float = 1000

    def monotonic(self):
        """Return what it shows."""
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Return the Clock by which the result of a lookup gets old."""
    clock = Clock()
    monkeypatch.setattr(backend, 'time', clock)
    return clock


def check(api):
    """Return status, reason and details of the healthcheck."""
    answer = api.ask('GET', '/healthcheck', headers=JSON)
    reason, = answer.json['reasons']
    return answer.status_int, reason['reason'], reason['details']


def write_policy(api, text):
    """Write the policy file."""
    (api.directory / 'policy.yaml').write_text(text)


def test_a_guard_that_can_judge_is_healthy_and_shows_mode_and_version(api):
    status, reason, details = check(api)
    assert (status, reason) == (200, 'OK')
    assert details.startswith('nova-trove-guard ')
    assert details.endswith(f', Nova, mode enforce, process {os.getpid()}')


def test_a_guard_that_is_off_is_healthy(load):
    for edit in ('', ''), MISPLACED['not there']:
        status, reason, details = check(load('', edit=edit))
        assert (status, reason) == (200, 'OK')
        assert ', Nova, off, process' in details


@pytest.mark.parametrize('edit', MISPLACED.values(), ids=MISPLACED)
def test_a_guard_that_is_not_in_its_place_is_unhealthy(load, edit):
    api = load(edit=edit)
    status, reason, details = check(api)
    assert (status, reason) == (503, backend.Reason.MISPLACED)
    assert f'{api.directory}/api-paste.ini: composite:' in details
    # What is written to the file later changes nothing in this process.
    (api.directory / 'api-paste.ini').write_text('')
    assert check(api) == (status, reason, details)


def test_a_mistake_in_the_policy_file_is_unhealthy_until_it_is_fixed(api):
    write_policy(api, '"trove_guard:servers:delte": "!"\n')
    status, reason, details = check(api)
    assert (status, reason) == (503, backend.Reason.POLICY)
    assert 'there is no rule trove_guard:servers:delte' in details
    write_policy(api, '')
    assert check(api)[:2] == (200, 'OK')


def test_a_database_that_fails_is_unhealthy_until_it_works(
        api, clock, monkeypatch):
    def fail(self, server_ids):
        raise Failure(f'mysql://nova:{SECRET}@localhost')

    with monkeypatch.context() as patched:
        patched.setattr(nova_api, 'cells', fail)
        status, reason, details = check(api)
        assert (status, reason) == (503, backend.Reason.DATABASE)
        assert details.endswith(': Failure')
    clock.now += backend.SECONDS
    assert check(api)[:2] == (200, 'OK')


def test_a_database_that_hangs_is_unhealthy_in_time(api, clock, monkeypatch):
    hung, released = [], threading.Event()

    def hang(self, server_ids):
        hung.append(threading.current_thread())
        released.wait(60)
        return {}

    with monkeypatch.context() as patched:
        patched.setattr(nova_api, 'cells', hang)
        began = time.monotonic()
        for _ in range(2):
            clock.now += backend.SECONDS
            status, reason, details = check(api)
            assert (status, reason) == (503, backend.Reason.DATABASE)
            assert details.endswith(': TimeoutError')
        assert time.monotonic() - began < 2 * backend.SECONDS + 5
    # However many ask, one thread waits for the database.
    assert len(hung) == 1
    released.set()
    clock.now += backend.SECONDS
    assert check(api)[:2] == (200, 'OK')


def test_without_details_nobody_learns_of_paths_rules_or_versions(load):
    api = load(detailed=False)
    write_policy(api, f'"trove_guard:{SECRET}": "!"\n')
    for accept in 'text/plain', 'text/html', 'application/json':
        answer = api.ask('GET', '/healthcheck', headers={'Accept': accept})
        assert answer.content_type == accept
        assert answer.status_int == 503
        assert backend.Reason.POLICY in answer.text
        for hidden in (SECRET, str(api.directory), backend.PACKAGE,
                       'enforce'):
            assert hidden not in answer.text
    assert api.ask('HEAD', '/healthcheck').status_int == 503


def test_in_audit_mode_the_process_stays_in_service(load):
    api = load(AUDIT)
    assert check(api)[:2] == (200, 'OK')
    write_policy(api, '}\n')
    status, reason, details = check(api)
    assert (status, reason) == (200, 'OK')
    assert ', mode audit, process ' in details
    assert 'policy.yaml' in details
    status, reason, details = check(load(
        AUDIT, edit=MISPLACED['not there']))
    assert (status, reason) == (200, 'OK')
    assert 'composite:openstack_compute_api_v21 keystone: missing' in details


@pytest.mark.parametrize('text, complaint', [
    (None, 'not loaded from an api-paste.ini'),
    ('[pipeline:api]\npipeline = api\n', 'no pipeline with keystonecontext'),
    ('[oh dear', 'can\'t be parsed')])
def test_what_can_t_be_set_up_is_unhealthy(tmp_path, text, complaint):
    conf = {}
    if text is not None:
        (tmp_path / 'api-paste.ini').write_text(text)
        conf['__file__'] = str(tmp_path / 'api-paste.ini')
    result = backend.TroveGuardHealthcheck(None, conf).healthcheck(80)
    assert not result.available
    assert result.reason == backend.Reason.NOT_SET_UP
    assert complaint in result.details


def test_a_problem_is_logged_once_and_so_is_its_end(api, caplog):
    caplog.set_level(logging.WARNING, backend.LOG.logger.name)
    assert check(api)[0] == 200
    write_policy(api, '}\n')
    for _ in range(3):
        assert check(api)[0] == 503
    write_policy(api, '')
    for _ in range(3):
        assert check(api)[0] == 200
    begun, ended = [
        record.getMessage() for record in caplog.records
        if record.name == backend.LOG.logger.name]
    assert begun.startswith(
        'The guard cannot judge: TROVE GUARD POLICY UNREADABLE: ')
    assert ended == 'The guard can judge again.'


def test_checks_take_one_statement_a_second_however_many_there_are(
        load, clock, tmp_path):
    with nova_database.NovaDatabases(tmp_path):
        api = load()
        api.app.has_databases = True
        with nova_database.selects() as selects:
            for _ in range(5):
                assert check(api)[0] == 200
        assert len(selects) == 1
        clock.now += backend.SECONDS
        with nova_database.selects() as selects:
            assert check(api)[0] == 200
        assert len(selects) == 1


def test_it_is_loaded_without_the_libraries_of_the_commands():
    done = subprocess.run(
        [sys.executable, '-c',
         'import sys; sys.modules["cliff"] = None; '
         'import nova_trove_guard.health.backend'],
        text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize('reason', backend.Reason)
def test_operators_can_read_what_a_reason_means(reason):
    assert f'``{reason}``' in PAGE
