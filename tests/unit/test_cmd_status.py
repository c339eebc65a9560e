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

from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import host
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
            api=pipelines.NOVA, package='nova', options=()),
        'volume': types.SimpleNamespace(
            api=pipelines.CINDER, package='cinder', options=()),
    }.__getitem__)

    def chosen(*arguments, here=('compute', 'volume'),
               behind=('--json',)):
        checked.clear()
        monkeypatch.setattr(wings, 'installed', lambda: list(here))
        monkeypatch.setattr(host, 'sides', lambda: ())
        monkeypatch.setattr(cfg, 'CONF', cfg.ConfigOpts())
        monkeypatch.setattr(sys, 'argv', [
            'nova-trove-guard-status', *map(str, arguments), 'upgrade',
            'check', *map(str, behind)])
        return upgrade_check.main(), checked

    return chosen


def test_all_that_is_here_is_checked(chosen):
    assert chosen() == (SUCCESS, ['compute', 'volume'])
    status, ((service, _),) = chosen(here=['volume'])
    assert (status, service) == (SUCCESS, 'Cinder')


def test_without_a_service_there_is_nothing_to_check(chosen, capsys):
    assert chosen(here=[]) == (FAILURE, [])
    assert 'Neither Nova, Cinder nor Neutron is ' in capsys.readouterr().out


def test_a_configuration_is_of_the_service_that_is_named(chosen, tmp_path):
    path = tmp_path / 'some.conf'
    path.touch()
    assert chosen('--config-file', path)[1] == [('Nova', [str(path)])]
    assert chosen('--service', 'volume', '--config-file', path)[1] == [
        ('Cinder', [str(path)])]


def test_options_may_stand_behind_the_command_as_well(chosen, tmp_path):
    first, second = tmp_path / 'a.conf', tmp_path / 'b.conf'
    first.touch()
    second.touch()
    for arguments, behind in (
            ((), ('--config-file', first, f'--config-file={second}',
                  '--service', 'volume')),
            (('--config-file', first, '--service', 'volume'),
             ('--config-file', second)),
            (('--config-file', first, '--config-file', second), (
                '--json', '--service=volume'))):
        assert chosen(*arguments, behind=behind)[1] == [
            ('Cinder', [str(first), str(second)])]


@pytest.mark.parametrize('text, complaint', [
    (None, 'Failed to find some config files: {}\n'),
    (b'[trove_guard', 'Failed to parse {}: at {}:1, Invalid section'),
    (b'\xff', 'a file is not text in UTF-8: '),
    (..., '{}: Is a directory\n')])
@pytest.mark.parametrize('behind', [True, False])
def test_a_configuration_that_can_t_be_read_is_one_line(
        chosen, capsys, tmp_path, text, complaint, behind):
    path = tmp_path / 'nova.conf'
    if text is ...:
        path.mkdir()
    elif text:
        path.write_bytes(text)
    option = '--config-file', path
    status, checked = chosen(*(() if behind else option),
                             behind=option if behind else ())
    output, errors = capsys.readouterr()
    assert (status, checked, output) == (255, [], '')
    assert errors.startswith(
        'nova-trove-guard-status: ' + complaint.format(path, path))
    assert errors.count('\n') == 1


@pytest.mark.parametrize('service, name', [
    ('compute', 'Nova'), ('volume', 'Cinder'), ('network', 'Neutron')])
def test_a_service_that_is_not_installed_is_named(
        monkeypatch, capsys, service, name):
    def load(service_type):
        raise wings.NotInstalled('the Python package is not installed here')

    monkeypatch.setattr(wings, 'load', load)
    monkeypatch.setattr(sys, 'argv', [
        'x', '--service', service, 'upgrade', 'check', '--json'])
    assert upgrade_check.main() == FAILURE
    result, = json.loads(capsys.readouterr().out)['checks']
    assert result == {
        'check': name, 'result': FAILURE, 'details':
        'It can\'t be checked: the Python package is not installed here.'}


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
    """Return f(more of the configuration, api-paste.ini, **of Wing): Checks.
    """
    def checks(more='', paste='api-paste.ini', **wing):
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
        path.write_text(f'[DEFAULT]\napi_paste_config = {paste}\n{CONF}{more}')
        conf([], default_config_files=[str(path)])
        monkeypatch.setattr(cfg, 'CONF', conf)
        return upgrade_check.Checks(types.SimpleNamespace(**{
            'api': pipelines.CINDER, 'package': 'cinder', 'kind': 'volume',
            'service_token': None, **wing}))

    return checks


@pytest.mark.parametrize('name, state', [
    ('installed', 'is not an api-paste.ini of Cinder'), ('cinder', 'missing')])
def test_the_file_is_that_of_the_service(checks, name, state):
    result = checks(paste=pastes.INSTALLED[name]).pipelines()
    assert result.code is FAILURE
    assert state in result.details


def test_the_filter_in_one_pipeline_only_is_a_failure(checks, tmp_path):
    path = tmp_path / 'api-paste.ini'
    path.write_text(pipelines.insert(
        pastes.INSTALLED['cinder'].read_text()).replace(
            'keystonecontext trove_guard', 'keystonecontext', 1))
    result = checks(paste=path).pipelines()
    assert result.code is FAILURE
    assert ': missing. Fix it with' in result.details
    assert result.details.count('missing') == 1


@pytest.mark.parametrize('name, where', [
    ('x.ini', ', neither beside {}/cinder.conf nor in a standard directory '
              'such as /etc/cinder'),
    ('/x/y.ini', '')])
def test_which_api_paste_ini_is_not_there_is_reported(
        checks, tmp_path, name, where):
    result = checks(paste=name).pipelines()
    assert (result.code, result.details) == (
        FAILURE, f'there is no {name}{where.format(tmp_path)}; [DEFAULT] '
                 f'api_paste_config of cinder.conf names it.')


def test_an_api_paste_ini_that_can_t_be_read_is_reported(
        checks, monkeypatch, tmp_path):
    def unreadable(path):
        raise PermissionError(13, 'Permission denied', path)

    monkeypatch.setattr(files, 'read', unreadable)
    path = tmp_path / 'api-paste.ini'
    path.touch()
    result = checks(paste=path).pipelines()
    assert (result.code, result.details) == (
        FAILURE, f'Could not read {path}: Permission denied.')


ON = '[trove_guard]\ntrove_managed_instances = true\n'


@pytest.mark.parametrize('more, code, complaint', [
    (ON, SUCCESS, None),
    (f'{ON}moode = audit', FAILURE,
     '[trove_guard] has no option moode, did you mean mode?'),
    (f'{ON}mode = adit', FAILURE, '[trove_guard] mode is not valid: '),
    ('', WARNING, 'The guard is off')])
@pytest.mark.parametrize('paste', [pastes.INSTALLED['cinder'], '/missing'])
def test_options(checks, more, code, complaint, paste):
    result = checks(more, paste=paste).options()
    if paste == '/missing' and code is SUCCESS:
        code, complaint = WARNING, 'The api-paste.ini, which may set'
    assert result.code is code
    assert (complaint or '') in (result.details or '')


def test_an_unknown_option_in_api_paste_ini_is_a_failure(checks, tmp_path):
    path = tmp_path / 'api-paste.ini'
    path.write_text(pipelines.insert(
        pastes.INSTALLED['cinder'].read_text()).replace(
            '#trove_guard_cinder\n',
            '#trove_guard_cinder\nmoode = audit\n'))
    result = checks(ON, paste=path).options()
    assert result.code is FAILURE
    assert 'no such option, did you mean mode?' in result.details


# Trove

@pytest.mark.parametrize('text, code, complaint', [
    (ON, SUCCESS, None),
    ('', WARNING, 'Trove\'s module is off'),
    (f'{ON}servr_owner = user', FAILURE,
     'has no option servr_owner, did you mean server_owner?'),
    (f'{ON}server_owner = usr', FAILURE, 'server_owner is not valid')])
def test_the_options_of_trove(tmp_path, text, code, complaint):
    result, _ = trove(tmp_path, text)
    assert result.code is code
    assert (complaint or '') in (result.details or '')


@pytest.mark.parametrize('text, by', [
    (f'{ON}server_owner = user', '[trove_guard] server_owner = user'),
    (f'{ON}[DEFAULT]\nremote_nova_client = trove.common.clients.nova_client',
     '[DEFAULT] remote_nova_client = trove.common.clients.nova_client'),
    (f'{ON}server_owner = trove', None), (ON, None)])
def test_servers_of_the_user_s_are_advised_against(tmp_path, text, by):
    _, result = trove(tmp_path, text)
    assert result.code is SUCCESS
    assert (by and f'in the project of the user ({by}).') == (
        result.details and result.details[12:].partition('are ')[2].partition(
            ' Recommended')[0] or None)


def trove(tmp_path, text):
    """Return the results of a trove.conf: options and server owner."""
    path = tmp_path / 'trove.conf'
    path.write_text(text)
    results = dict(upgrade_check.trove_results(
        host.read('trove', [str(path)])))
    assert list(results) == ['Trove: options', 'Trove: server owner']
    return results.values()


def test_trove_s_host_needs_no_other_service(chosen, tmp_path, capsys):
    path = tmp_path / 'trove.conf'
    path.write_text(ON)
    assert chosen('--service', 'database', '--config-file', path) == (
        SUCCESS, [])
    assert 'Trove: server owner' in capsys.readouterr().out


# What is on the host.

@pytest.fixture
def home(monkeypatch, tmp_path):
    """Return f(**configurations): the complaints about this host.

    By service: the text of its configuration, and whether its api-paste.ini
    has the filter.
    """
    monkeypatch.setenv('HOME', str(tmp_path))

    def home(**configurations):
        for name, (text, has_filter) in configurations.items():
            directory = tmp_path / f'.{name}'
            directory.mkdir()
            (directory / f'{name}.conf').write_text(text)
            if name != 'trove':
                stock = pastes.INSTALLED[
                    'installed' if name == 'nova' else name].read_text()
                (directory / 'api-paste.ini').write_text(
                    pipelines.insert(stock) if has_filter else stock)
        return list(host.incomplete(list(host.sides())))

    return home


OFF = ''
MINE = f'{ON}metadata_key = mine\n'


@pytest.mark.parametrize('configurations, complaint', [
    ({}, None),
    ({'nova': (ON, True)}, None),
    ({'nova': (OFF, False), 'cinder': (OFF, False)}, None),
    ({'nova': (ON, True), 'cinder': (ON, True), 'neutron': (ON, True),
      'trove': (ON, None)}, None),
    ({'nova': (ON, True), 'trove': (OFF, None)}, None),
    ({'trove': (ON, None)}, None),
    ({'nova': (ON, True), 'cinder': (OFF, True)},
     'The guard is on in Nova, but not in Cinder (trove_managed_instances is '
     'false): there, managed resources are not protected.'),
    ({'nova': (ON, True), 'cinder': (ON, True), 'neutron': (ON, False)},
     'The guard is on in Nova and Cinder, but not in Neutron (the filter is '
     'not in every pipeline): there, managed resources are not protected.'),
    ({'nova': (OFF, True), 'trove': (ON, None)},
     'Trove locks its servers, but the guard is not on in Nova '
     '(trove_managed_instances is false): only these locks protect '
     'managed servers.'),
    ({'cinder': (ON, True), 'trove': (OFF, None)},
     'The guard is on in Cinder, but not in Trove (trove_managed_instances '
     'is false): Trove does not mark volumes, ports and security groups, so '
     'the guard does not recognize them.'),
])
def test_a_partial_deployment_is_reported(home, configurations, complaint):
    assert home(**configurations) == ([complaint] if complaint else [])


def test_a_marker_that_differs_is_reported(home):
    complaint, = home(nova=(ON, True), trove=(MINE, None))
    assert complaint.startswith(
        '[trove_guard] metadata_key must be the same everywhere: '
        'trove_instance_id in ')
    assert 'nova.conf, mine in ' in complaint
    assert complaint.endswith('trove.conf')


@pytest.mark.parametrize('text, why', [
    ('[trove_guard', 'Failed to parse '),
    ('[trove_guard]\nmode = x', '[trove_guard] mode is not valid: ')])
def test_what_can_t_be_read_there_is_reported(home, text, why):
    complaint, = home(nova=(ON, True), cinder=(text, True))
    assert 'but not in Cinder (' in complaint
    assert why in complaint


def test_an_option_in_the_paste_section_takes_precedence(home, tmp_path):
    home(nova=(ON, True), cinder=(OFF, True))
    path = tmp_path / '.cinder' / 'api-paste.ini'
    path.write_text(path.read_text().replace(
        '#trove_guard_cinder\n',
        '#trove_guard_cinder\ntrove_managed_instances = true\n'))
    assert list(host.incomplete(list(host.sides()))) == []


def test_a_host_with_trove_alone_is_checked_without_the_services(
        home, monkeypatch, capsys):
    home(trove=(ON, None))
    monkeypatch.setattr(wings, 'installed', lambda: ['compute', 'volume'])
    monkeypatch.setattr(sys, 'argv', ['x', 'upgrade', 'check', '--json'])
    assert upgrade_check.main() == SUCCESS
    assert [result['check'] for result in json.loads(
        capsys.readouterr().out)['checks']] == [
            'Trove: options', 'Trove: server owner', 'Deployment']


def test_a_whole_host_is_reported_at_its_end(
        home, monkeypatch, capsys):
    home(nova=(OFF, True), trove=(ON, None))
    monkeypatch.setattr(upgrade_check, '_of_process', lambda service: [
        (service, upgradecheck.Result(SUCCESS))])
    monkeypatch.setattr(sys, 'argv', ['x', 'upgrade', 'check', '--json'])
    assert upgrade_check.main() == WARNING
    results = json.loads(capsys.readouterr().out)['checks']
    assert [result['check'] for result in results] == [
        'compute', 'database', 'Deployment']
    assert results[-1]['details'].startswith('Trove locks its servers, but')


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
    (exceptions.Forbidden(), FAILURE, 'So nothing works'),
    (exceptions.ConnectFailure(), WARNING, 'Could not call')])
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
    (exceptions.Unauthorized(), 'Could not call Keystone'),
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
