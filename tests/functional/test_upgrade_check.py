# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard-status upgrade check`` with a real Nova's nova.conf."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.cloud import layout

COMMAND = pathlib.Path(sys.prefix, 'bin', 'nova-trove-guard-status')
STOCK = pathlib.Path(sys.prefix, 'etc', 'nova', 'api-paste.ini')
GUARDED = layout.REPOSITORY / 'paste' / 'api-paste.ini'
SUCCESS, WARNING, FAILURE = 0, 1, 2


@pytest.fixture
def check(cloud, tmp_path):
    """Return f(more of nova.conf): exit code and results by check."""
    nova_conf = layout.Layout(cloud.root).conf('nova') / 'nova.conf'

    def check(more='', paste=GUARDED, base=nova_conf):
        extra = tmp_path / 'extra.conf'
        extra.write_text(f'[wsgi]\napi_paste_config = {paste}\n{more}\n')
        done = subprocess.run(
            [COMMAND, '--config-file', base, '--config-file', extra,
             'upgrade', 'check', '--json'],
            text=True, capture_output=True,
            env=os.environ | {'no_proxy': '127.0.0.1'})
        results = json.loads(done.stdout.splitlines()[-1])['checks']
        return done.returncode, {
            result['check']: (result['result'], result['details'])
            for result in results}

    return check


def test_all_is_well(check):
    status, results = check()
    assert status == SUCCESS
    assert set(results.values()) == {(SUCCESS, None)}
    assert list(results) == ['Pipelines', 'Options', 'Policy', 'Trove admin',
                             'Services', 'Surface of Nova']


def test_it_is_a_table_for_people(cloud):
    nova_conf = layout.Layout(cloud.root).conf('nova') / 'nova.conf'
    done = subprocess.run(
        [COMMAND, '--config-file', nova_conf, 'upgrade', 'check'],
        text=True, capture_output=True,
        env=os.environ | {'no_proxy': '127.0.0.1'})
    assert '| Check: Trove admin' in done.stdout
    assert 'Warning' not in done.stderr


def test_the_stock_pipelines_are_a_failure(check):
    status, results = check(paste=STOCK)
    assert status == FAILURE
    code, details = results['Pipelines']
    assert code == FAILURE
    assert 'openstack_compute_api_v21 keystone: missing' in details
    assert 'paste insert' in details


def test_the_guard_that_is_off_is_a_warning(check):
    status, results = check(
        '[trove_guard]\ntrove_managed_instances = false')
    assert status == WARNING
    assert 'The guard is off' in results['Options'][1]


def test_an_option_that_can_t_be_read_is_a_failure(check, tmp_path):
    paste = tmp_path / 'api-paste.ini'
    paste.write_text(GUARDED.read_text().replace(
        '#trove_guard\n', '#trove_guard\nmetadata_kee = mine\n'))
    status, results = check(paste=paste)
    assert status == FAILURE
    assert results['Pipelines'] == (SUCCESS, None)
    assert "'metadata_kee'" in results['Options'][1]


def test_a_missing_api_paste_ini_is_a_failure(check, tmp_path):
    status, results = check(paste=tmp_path / 'missing.ini')
    assert status == FAILURE
    assert 'missing.ini' in results['Pipelines'][1]
    assert results['Options'][0] == WARNING


def test_a_mistake_in_the_policy_is_a_failure(check, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:trove_admin": [oh dear\n')
    status, results = check(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == FAILURE
    assert results['Policy'][0] == FAILURE
    assert str(policy) in results['Policy'][1]
    assert results['Trove admin'] == (
        WARNING, 'See above: the policy can\'t be read.')


def test_a_trove_admin_without_a_role_is_a_warning(check, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:trove_admin": "user_id:trove"\n')
    status, results = check(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == WARNING
    assert 'names no role' in results['Trove admin'][1]


def test_nobody_with_the_role_is_a_failure(check, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:trove_admin": "role:nobody_s"\n')
    status, results = check(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == FAILURE
    assert results['Trove admin'][0] == FAILURE
    assert 'Nobody has the role nobody_s' in results['Trove admin'][1]


def test_services_without_the_role_are_a_failure(check, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:service_api": "role:nobody_s"\n')
    status, results = check(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == FAILURE
    code, details = results['Services']
    assert code == FAILURE
    assert ('nova, neutron, cinder must have the role nobody_s (policy rule '
            'trove_guard:service_api)') in details
    assert 'openstack role add --user cinder ' in details


def test_keystone_that_can_t_be_asked_is_a_warning(check):
    for more, reason in (
            ('[keystone_authtoken]\npassword = wrong', 'HTTP 401'),
            ('[keystone_authtoken]\nauth_url = http://127.0.0.1:9/v3',
             'Unable to'),
            ('[keystone_authtoken]\nauth_type =', 'has credentials')):
        status, results = check(more)
        assert status == WARNING
        assert results['Trove admin'][0] == WARNING
        assert reason in results['Trove admin'][1]
