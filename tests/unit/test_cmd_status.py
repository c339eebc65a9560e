# SPDX-License-Identifier: Apache-2.0
"""What the upgrade check reads out of policy and of the services."""

import importlib.util
import json
import sys
import types

from keystoneauth1 import exceptions
from oslo_config import cfg
from oslo_policy import policy
from oslo_upgradecheck import upgradecheck
import pytest

from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import upgrade_check
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import routing
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import surface
from tests.unit import pastes

SUCCESS, WARNING, FAILURE = upgradecheck.Code


def rules(**checks):
    """Return the rules as oslo.policy has them in memory."""
    return policy.Rules.from_dict(
        {'trove_guard:trove_admin' if name == 'admin' else name: check
         for name, check in checks.items()})


@pytest.mark.parametrize('checks, roles', [
    ({'admin': 'role:trove_admin or service_roles:trove_admin'},
     ['trove_admin']),
    ({'admin': '(role:dba and project_id:x) or service_roles:trove'},
     ['dba', 'trove']),
    ({'admin': 'rule:first or role:a', 'first': 'rule:second',
      'second': '(role:b)'}, ['a', 'b']),
    ({'admin': 'rule:admins or rule:loop', 'loop': 'rule:loop'}, []),
    ({'admin': 'user_id:trove'}, []),
    ({'admin': '!'}, []),
    ({}, [])])
def test_the_trove_admin_is_known_by_roles(checks, roles):
    assert upgrade_check.named_roles(
        rules(**checks), 'trove_guard:trove_admin') == roles


def test_a_service_is_known_to_cinder_by_its_service_token():
    checks = rules(admin='service_roles:a or (role:b and role:c)')
    assert upgrade_check.named_roles(
        checks, 'trove_guard:trove_admin', {'service_roles'}) == ['a']


def test_the_table_knows_all_of_nova():
    assert surface.unknown() == []


def test_what_the_table_does_not_know_is_told(monkeypatch):
    routes = dict(operations.ROUTES)
    del routes['/servers/{server_id}/tags']
    routes['/servers/{id}'] = {'GET': routing.PASS}
    monkeypatch.setattr(operations, 'ROUTES', routes)
    monkeypatch.delitem(operations.ACTIONS, 'resize')
    assert set(surface.unknown()) >= {
        'GET /servers/{server_id}/tags', 'PUT /servers/{server_id}/tags',
        'DELETE /servers/{id}', 'PUT /servers/{id}', 'action resize'}
    assert 'GET /servers/{id}' not in surface.unknown()


# Which services are checked.

@pytest.mark.parametrize('packages, files, found', [
    ({'nova', 'cinder'}, {'nova', 'cinder'}, ['compute', 'volume']),
    ({'nova', 'cinder'}, {'cinder'}, ['volume']),
    ({'nova'}, {'nova', 'cinder'}, ['compute']),
    ({'nova', 'cinder', 'neutron'}, {'nova', 'neutron'},
     ['compute', 'network']),
    ({'neutron'}, set(), ['network']),
    ({'cinder'}, set(), ['volume']),
    ({'nova', 'cinder'}, set(), ['compute', 'volume']),
    (set(), {'nova'}, [])])
def test_what_is_installed_here(monkeypatch, packages, files, found):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: (
        True if name in packages else None))
    monkeypatch.setattr(cfg, 'find_config_files', lambda project: (
        [f'/etc/{project}/{project}.conf'] if project in files else []))
    assert wings.installed() == found


@pytest.fixture
def chosen(monkeypatch):
    """Return f(arguments): the services checked, and how."""
    checked = []

    class Fake:
        def __init__(self, wing):
            self._name = wing.api.service

        def results(self):
            checked.append((self._name, cfg.CONF.config_file))
            return ()

    def of_process(service_type):
        checked.append(service_type)
        return []

    monkeypatch.setattr(upgrade_check, 'Checks', Fake)
    monkeypatch.setattr(upgrade_check, '_of_process', of_process)
    monkeypatch.setattr(wings, 'load', {
        'compute': types.SimpleNamespace(
            api=pipelines.NOVA, package='nova'),
        'volume': types.SimpleNamespace(
            api=pipelines.CINDER, package='cinder')}.__getitem__)

    def chosen(*arguments, here=('compute', 'volume')):
        checked.clear()
        monkeypatch.setattr(wings, 'installed', lambda: list(here))
        monkeypatch.setattr(cfg, 'CONF', cfg.ConfigOpts())
        monkeypatch.setattr(sys, 'argv', [
            'nova-trove-guard-status', *map(str, arguments), 'upgrade',
            'check', '--json'])
        return upgrade_check.main(), checked

    return chosen


def test_all_that_is_here_is_checked(chosen):
    assert chosen() == (SUCCESS, ['compute', 'volume'])
    status, ((service, _),) = chosen(here=['volume'])
    assert (status, service) == (SUCCESS, 'Cinder')


def test_without_a_service_there_is_nothing_to_check(chosen, capsys):
    assert chosen(here=[]) == (FAILURE, [])
    assert 'None of Nova, Cinder and Neutron is ' in capsys.readouterr().out


def test_a_configuration_is_of_the_service_that_is_named(chosen, tmp_path):
    path = tmp_path / 'some.conf'
    path.touch()
    assert chosen('--config-file', path)[1] == [('Nova', [str(path)])]
    assert chosen('--service', 'volume', '--config-file', path)[1] == [
        ('Cinder', [str(path)])]


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Return f(output, exit code): have it be what this program does."""
    path = tmp_path / 'program.py'
    monkeypatch.setattr(sys, 'argv', [str(path)])

    def program(output, status):
        path.write_text(f'import sys\nprint({output!r})\n'
                        f'print(*sys.argv[1:], file=sys.stderr)\n'
                        f'sys.exit({status})\n')

    return program


def test_each_of_several_is_checked_in_a_process_of_its_own(program, capfd):
    program('a warning\n' + json.dumps({'checks': [
        {'check': 'one', 'result': 0, 'details': None},
        {'check': 'two', 'result': 2, 'details': 'why'}]}), 2)
    (one, well), (two, bad) = upgrade_check._of_process('volume')
    assert (one, well.code, well.details) == ('one', SUCCESS, None)
    assert (two, bad.code, bad.details) == ('two', FAILURE, 'why')
    assert capfd.readouterr().err == '--service volume upgrade check --json\n'


def test_a_check_that_fails_there_fails_here(program):
    program('Error: a traceback', 255)
    with pytest.raises(RuntimeError, match='a traceback'):
        upgrade_check._of_process('volume')


# The checks of one.

PEER = wings.Peer('nova', 'Nova', 'compute', '/servers', 'nothing works')
CONF = '''
[keystone_authtoken]
[nova]
region_name = here
interface = internal
[service_user]
'''


@pytest.fixture
def checks(monkeypatch, tmp_path):
    """Return f(more of the configuration, **of the Wing): Checks."""
    def checks(more='', **wing):
        conf = cfg.ConfigOpts()
        conf.register_opts([
            cfg.ListOpt('service_token_roles', default=['service']),
            cfg.BoolOpt('service_token_roles_required', default=True)],
            'keystone_authtoken')
        conf.register_opts(
            [cfg.StrOpt('region_name'), cfg.StrOpt('interface')], 'nova')
        conf.register_opts(
            [cfg.BoolOpt('send_service_user_token')], 'service_user')
        path = tmp_path / 'cinder.conf'
        path.write_text(f'{CONF}{more}')
        conf([], default_config_files=[str(path)])
        monkeypatch.setattr(cfg, 'CONF', conf)
        return upgrade_check.Checks(types.SimpleNamespace(**{
            'api': pipelines.CINDER, 'package': 'cinder', 'kind': 'volume',
            'service_token': None, **wing}))

    return checks


@pytest.mark.parametrize('name, state', [
    ('installed', 'is not of Cinder'), ('cinder', 'missing')])
def test_the_file_is_that_of_the_service(checks, name, state):
    result = checks(paste_config=lambda conf: str(
        pastes.INSTALLED[name])).pipelines()
    assert result.code is FAILURE
    assert state in result.details


SENT = 'service_user', 'send_service_user_token'


@pytest.mark.parametrize('more, sent, complaint', [
    ('', None, None),
    ('send_service_user_token = true', SENT, None),
    ('send_service_user_token = false', SENT,
     'a Cinder or Neutron with the guard'),
    ('[keystone_authtoken]\nservice_token_roles = a,b', None,
     'does not have service'),
    ('[keystone_authtoken]\nservice_token_roles_required = false', None,
     'any token is a valid service token')])
def test_service_tokens(checks, more, sent, complaint):
    result = checks(more, service_token=sent).service_tokens()
    assert result.code is (WARNING if complaint else SUCCESS)
    assert (complaint or '') in (result.details or '')


@pytest.mark.parametrize('error, code, complaint', [
    (None, SUCCESS, ''),
    (exceptions.Unauthorized(), FAILURE, 'Nova refuses the credentials'),
    (exceptions.Forbidden(), FAILURE, 'so that nothing works'),
    (exceptions.ConnectFailure(), WARNING, 'can\'t be asked')])
def test_credentials_are_tried(checks, monkeypatch, error, code, complaint):
    asked = []

    def get(url, **how):
        asked.append((url, how['endpoint_filter']))
        if error:
            raise error

    monkeypatch.setattr(upgrade_check, '_session', {
        'nova': types.SimpleNamespace(request=lambda url, method, **how: get(
            url, **how))}.get)
    result = checks().credentials(PEER)
    assert (result.code, complaint in (result.details or '')) == (code, True)
    assert asked == [('/servers', {
        'service_type': 'compute', 'interface': 'internal',
        'region_name': 'here'})]


def test_credentials_that_are_not_there_are_a_warning(checks):
    result = checks().credentials(PEER)
    assert result.code is WARNING
    assert 'no credentials for Nova in [nova] of cinder.conf' in (
        result.details)


def test_what_can_t_be_loaded_is_a_warning(checks):
    def unknown():
        raise ConnectionError('no database')

    result = checks().surface(unknown)
    assert result.code is WARNING
    assert 'no database' in result.details


def test_what_is_new_is_a_failure(checks):
    result = checks().surface(lambda: ['PUT /x'])
    assert result.code is FAILURE
    assert 'PUT /x' in result.details


class Credentials:
    """Stands in for a session with credentials.

    :param roles: of the user, or what Keystone raises
    """

    def __init__(self, roles):
        self.auth = self
        self._roles = roles

    def get_access(self, session):
        assert session is self
        if isinstance(self._roles, Exception):
            raise self._roles
        return types.SimpleNamespace(role_names=self._roles)


@pytest.mark.parametrize('roles, complaint', [
    (['admin', 'service'], None),
    (['admin'], 'does not have the role service: a Neutron with the guard'),
    ([], 'does not have the role service'),
    (exceptions.Unauthorized(), 'Keystone can\'t be asked'),
    (None, 'no credentials for Neutron in [neutron] of nova.conf')])
def test_the_user_in_another_service_has_the_role(
        checks, monkeypatch, roles, complaint):
    monkeypatch.setattr(upgrade_check, '_session', {
        'neutron': None if roles is None else Credentials(roles)}.get)
    result = checks(api=pipelines.NOVA, package='nova').own_role(
        'neutron', 'Neutron')
    assert result.code is (WARNING if complaint else SUCCESS)
    assert (complaint or '') in (result.details or '')


def test_advice_is_a_warning(checks, monkeypatch):
    for name in ('pipelines', 'options', 'policy', 'trove_admin', 'services',
                 'service_tokens', 'surface'):
        monkeypatch.setattr(
            upgrade_check.Checks, name, lambda self, *_: None)
    results = dict(checks(
        unknown=list, drives={}, peers=(), advice={
            'first': lambda conf: 'do it', 'second': lambda conf: None},
    ).results())
    assert (results['Cinder: first'].code,
            results['Cinder: first'].details) == (WARNING, 'do it')
    assert results['Cinder: second'].code is SUCCESS
