# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard-status upgrade check`` with a real cloud's files."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from nova_trove_guard.cmd.paste import pipelines
from tests.cloud import layout

COMMAND = pathlib.Path(sys.prefix, 'bin', 'nova-trove-guard-status')
STOCK = pathlib.Path(sys.prefix, 'etc', 'nova', 'api-paste.ini')
GUARDED = layout.REPOSITORY / 'paste' / 'api-paste.ini'
STOCK_CINDER = pathlib.Path(sys.prefix, 'etc', 'cinder', 'api-paste.ini')
GUARDED_NEUTRON = layout.REPOSITORY / 'paste' / 'neutron-api-paste.ini'
STOCK_NEUTRON = pathlib.Path(sys.prefix, 'etc', 'neutron', 'api-paste.ini')
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
        return done.returncode, of_json(done.stdout)

    return check


def of_json(output):
    """Return the results by check."""
    return {result['check']: (result['result'], result['details'])
            for result in json.loads(output.splitlines()[-1])['checks']}


@pytest.fixture
def check_cinder(cloud, tmp_path):
    """Return f(more of cinder.conf): exit code and results by check."""
    base = layout.Layout(cloud.root).conf('cinder') / 'cinder.conf'
    guarded = tmp_path / 'api-paste.ini'
    guarded.write_text(pipelines.insert(STOCK_CINDER.read_text()))

    def check(more='', paste=guarded):
        extra = tmp_path / 'extra.conf'
        extra.write_text(f'[DEFAULT]\napi_paste_config = {paste}\n'
                         '[trove_guard]\ntrove_managed_instances = true\n'
                         f'{more}\n')
        done = subprocess.run(
            [COMMAND, '--service', 'volume', '--config-file', base,
             '--config-file', extra, 'upgrade', 'check', '--json'],
            text=True, capture_output=True,
            env=os.environ | {'no_proxy': '127.0.0.1'})
        return done.returncode, of_json(done.stdout)

    return check


def test_all_is_well(check):
    status, results = check()
    assert status == SUCCESS
    assert set(results.values()) == {(SUCCESS, None)}
    assert list(results) == [f'Nova: {name}' for name in (
        'pipelines', 'options', 'policy', 'Trove admin', 'services',
        'service tokens', 'role in Neutron', 'surface')]


def test_it_is_a_table_for_people(cloud):
    nova_conf = layout.Layout(cloud.root).conf('nova') / 'nova.conf'
    done = subprocess.run(
        [COMMAND, '--config-file', nova_conf, 'upgrade', 'check'],
        text=True, capture_output=True,
        env=os.environ | {'no_proxy': '127.0.0.1'})
    assert '| Check: Nova: Trove admin' in done.stdout
    assert 'Warning' not in done.stderr


def test_the_stock_pipelines_are_a_failure(check):
    status, results = check(paste=STOCK)
    assert status == FAILURE
    code, details = results['Nova: pipelines']
    assert code == FAILURE
    assert 'openstack_compute_api_v21 keystone: missing' in details
    assert 'paste insert' in details


def test_the_guard_that_is_off_is_a_warning(check):
    status, results = check(
        '[trove_guard]\ntrove_managed_instances = false')
    assert status == WARNING
    assert 'The guard is off' in results['Nova: options'][1]


def test_an_option_that_can_t_be_read_is_a_failure(check, tmp_path):
    paste = tmp_path / 'api-paste.ini'
    paste.write_text(GUARDED.read_text().replace(
        '#trove_guard\n', '#trove_guard\nmetadata_kee = mine\n'))
    status, results = check(paste=paste)
    assert status == FAILURE
    assert results['Nova: pipelines'] == (SUCCESS, None)
    assert "'metadata_kee'" in results['Nova: options'][1]


def test_a_missing_api_paste_ini_is_a_failure(check, tmp_path):
    status, results = check(paste=tmp_path / 'missing.ini')
    assert status == FAILURE
    assert 'missing.ini' in results['Nova: pipelines'][1]
    assert results['Nova: options'][0] == WARNING


def test_a_mistake_in_the_policy_is_a_failure(check, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:trove_admin": [oh dear\n')
    status, results = check(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == FAILURE
    assert results['Nova: policy'][0] == FAILURE
    assert str(policy) in results['Nova: policy'][1]
    assert results['Nova: Trove admin'] == (
        WARNING, 'The policy can\'t be read: see the check above.')


def test_a_trove_admin_without_a_role_is_a_warning(check, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:trove_admin": "user_id:trove"\n')
    status, results = check(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == WARNING
    assert 'names no role' in results['Nova: Trove admin'][1]


def test_nobody_with_the_role_is_a_failure(check, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:trove_admin": "role:nobody_s"\n')
    status, results = check(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == FAILURE
    assert results['Nova: Trove admin'][0] == FAILURE
    assert 'No user has the role nobody_s' in results['Nova: Trove admin'][1]


def test_services_without_the_role_are_a_failure(check, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:service_api": "role:nobody_s"\n')
    status, results = check(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == FAILURE
    code, details = results['Nova: services']
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
        assert results['Nova: Trove admin'][0] == WARNING
        assert reason in results['Nova: Trove admin'][1]


# Cinder

def test_all_is_well_in_cinder(check_cinder):
    status, results = check_cinder()
    assert set(results.values()) == {(SUCCESS, None)}
    assert status == SUCCESS
    assert list(results) == [f'Cinder: {name}' for name in (
        'pipelines', 'options', 'policy', 'Trove admin', 'services',
        'service tokens', 'credentials for Nova', 'surface')]


def test_an_option_that_does_not_exist_is_a_failure(check):
    status, results = check('[trove_guard]\nmoode = audit')
    assert status == FAILURE
    assert results['Nova: options'][0] == FAILURE
    assert ('[trove_guard] has no option moode, did you mean mode?' in
            results['Nova: options'][1])


@pytest.mark.parametrize('service, name, options', [
    ('compute', 'nova', ()), ('volume', 'cinder', ('--service', 'volume')),
    ('network', 'neutron', ('--service', 'network'))])
def test_the_demo_cloud_passes_with_options_behind(
        cloud, service, name, options):
    conf = layout.Layout(cloud.root).conf(name) / f'{name}.conf'
    done = subprocess.run(
        [COMMAND, 'upgrade', 'check', '--config-file', conf, *options,
         '--json'], text=True, capture_output=True,
        env=os.environ | {'no_proxy': '127.0.0.1'})
    assert set(of_json(done.stdout).values()) == {(SUCCESS, None)}
    assert done.returncode == SUCCESS


def test_cinder_s_stock_pipelines_are_a_failure(check_cinder):
    status, results = check_cinder(paste=STOCK_CINDER)
    assert status == FAILURE
    assert 'openstack_volume_api_v3 keystone_nolimit: missing' in (
        results['Cinder: pipelines'][1])


def test_the_file_of_another_service_is_a_failure(check_cinder):
    status, results = check_cinder(paste=GUARDED)
    assert status == FAILURE
    assert (f'{GUARDED} is not an api-paste.ini of Cinder' in
            results['Cinder: pipelines'][1])


@pytest.mark.parametrize('more, result, reason', [
    ('auth_type =', WARNING, 'There are no credentials for Nova in [nova]'),
    ('password = wrong', FAILURE, 'Nova refuses the credentials in [nova]'),
    ('username = member\npassword = member\nproject_name = project',
     FAILURE, 'HTTP 40'),
    ('auth_url = http://127.0.0.1:9/v3', WARNING, 'Could not call Nova')])
def test_cinder_must_be_able_to_ask_nova(check_cinder, more, result, reason):
    status, results = check_cinder(f'[nova]\n{more}')
    assert status == result
    assert results['Cinder: credentials for Nova'][0] == result
    assert reason in results['Cinder: credentials for Nova'][1]


def test_nova_must_send_service_tokens(check):
    status, results = check('[service_user]\nsend_service_user_token = false')
    assert status == WARNING
    assert 'send_service_user_token is false' in (
        results['Nova: service tokens'][1])


@pytest.mark.parametrize('more, reason', [
    ('service_token_roles_required = false', 'any token is a valid service'),
    ('service_token_roles = other', 'does not have service')])
def test_service_tokens_must_be_told_from_others(check_cinder, more, reason):
    status, results = check_cinder(f'[keystone_authtoken]\n{more}')
    assert status == WARNING
    assert reason in results['Cinder: service tokens'][1]


def test_nova_without_the_role_is_a_failure(check_cinder, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text(
        '"trove_guard:service_api": "service_roles:nobody_s or role:admin"\n')
    status, results = check_cinder(f'[oslo_policy]\npolicy_file = {policy}')
    assert status == FAILURE
    assert results['Cinder: services'][1].startswith(
        'nova must have the role nobody_s (policy rule')


def test_all_services_that_are_here_are_checked(cloud, tmp_path):
    # As in /etc, where oslo.config looks for them.
    files = layout.Layout(cloud.root)
    for name in ('nova', 'cinder', 'neutron', 'trove'):
        (tmp_path / f'.{name}').mkdir()
        (tmp_path / f'.{name}' / f'{name}.conf').write_text(
            (files.conf(name) / f'{name}.conf').read_text())
    done = subprocess.run(
        [COMMAND, 'upgrade', 'check', '--json'], text=True,
        capture_output=True,
        env=os.environ | {'no_proxy': '127.0.0.1', 'HOME': str(tmp_path)})
    results = of_json(done.stdout)
    assert done.returncode == SUCCESS
    assert {result for result, _ in results.values()} == {SUCCESS}
    assert len(results) == 26


# Neutron

@pytest.fixture
def check_neutron(cloud, tmp_path):
    """Return f(paste file): exit code and results by check."""
    base = layout.Layout(cloud.root).conf('neutron') / 'neutron.conf'

    def check(paste):
        extra = tmp_path / 'extra.conf'
        extra.write_text(f'[DEFAULT]\napi_paste_config = {paste}\n')
        done = subprocess.run(
            [COMMAND, '--service', 'network', '--config-file', base,
             '--config-file', extra, 'upgrade', 'check', '--json'],
            text=True, capture_output=True,
            env=os.environ | {'no_proxy': '127.0.0.1'})
        return done.returncode, of_json(done.stdout)

    return check


def test_all_is_well_in_neutron(check_neutron):
    status, results = check_neutron(GUARDED_NEUTRON)
    assert set(results.values()) == {(SUCCESS, None)}
    assert status == SUCCESS
    assert list(results) == [f'Neutron: {name}' for name in (
        'pipelines', 'options', 'policy', 'Trove admin', 'services',
        'service tokens', 'tags of new ports')]


def test_neutron_s_stock_pipeline_is_a_failure(check_neutron):
    status, results = check_neutron(STOCK_NEUTRON)
    assert status == FAILURE
    assert results['Neutron: pipelines'][0] == FAILURE
