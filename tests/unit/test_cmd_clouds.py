# SPDX-License-Identifier: Apache-2.0
"""Where commands take credentials from, and how they fail."""

import contextlib
import os
import re
import socket
import types

from cliff import command
import pytest
import requests

from nova_trove_guard.cmd import clouds
from nova_trove_guard.cmd import shell
from tests.unit import drift_cloud

CLOUDS = """
clouds:
  production:
    region_name: RegionOne
    auth:
      auth_url: http://production.example/v3
      username: admin
      password: production
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
"""


class Command(clouds.Command, command.Command):
    """Does nothing."""

    def take_action(self, parsed_args):
        """Do nothing."""


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    """Return the path of the clouds.yaml, and clear the environment."""
    for name in list(os.environ):
        if name.startswith('OS_'):
            monkeypatch.delenv(name)
    # No test is to reach a proxy.
    monkeypatch.setenv('NO_PROXY', '*')
    path = tmp_path / 'clouds.yaml'
    path.write_text(CLOUDS)
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(path))
    return path


@pytest.fixture
def auth(config_file):
    """Return f(arguments): the auth (dict) with which a command connects."""
    def auth(*arguments):
        one = Command(types.SimpleNamespace(
            arguments=arguments, LOG=None, command_options=[]), None)
        region = one.region(
            one.get_parser('command').parse_args(arguments))
        return region.get_auth_args()

    return auth


STAGING = ('--os-auth-url', 'http://staging.example/v3',
           '--os-username', 'operator', '--os-password', 'staging')


def test_the_command_line_wins_over_the_cloud_of_the_environment(
        auth, monkeypatch):
    """bootstrap --os-auth-url STAGING must not change production."""
    monkeypatch.setenv('OS_CLOUD', 'production')
    given = auth(*STAGING)
    assert (given['auth_url'], given['username'], given['password']) == (
        'http://staging.example/v3', 'operator', 'staging')
    assert given['project_name'] == 'admin'


def test_it_wins_over_a_cloud_that_it_names_itself(auth):
    given = auth('--os-cloud', 'production', *STAGING)
    assert given['auth_url'] == 'http://staging.example/v3'


def test_it_wins_over_variables(auth, monkeypatch):
    for name, value in (('AUTH_URL', 'http://production.example/v3'),
                        ('USERNAME', 'admin'), ('PASSWORD', 'production')):
        monkeypatch.setenv(f'OS_{name}', value)
    given = auth(*STAGING)
    assert (given['auth_url'], given['username'], given['password']) == (
        'http://staging.example/v3', 'operator', 'staging')


def test_the_cloud_of_the_environment_is_taken(auth, monkeypatch):
    monkeypatch.setenv('OS_CLOUD', 'production')
    assert auth()['password'] == 'production'


# How commands fail.

NEEDS = ('This command needs {} credentials: set OS_* variables, or choose a '
         'cloud of clouds.yaml with --os-cloud.')
WHOSE = {'drift': NEEDS.format('the Trove admin\'s or a cloud admin\'s'),
         'bootstrap': NEEDS.format('a cloud admin\'s')}


@pytest.fixture
def run(config_file, capsys, monkeypatch):
    """Return f(command, auth URL, *arguments): exit code and errors."""
    monkeypatch.setattr('tenacity.nap.time', types.SimpleNamespace(
        sleep=lambda seconds: pytest.fail('It waits.')))

    def run(name, url, *arguments):
        status = shell.main([
            name, '--os-auth-url', url, '--os-username', 'trove',
            '--os-password', 'secret', '--os-project-name', 'dbaas',
            '--os-user-domain-id', 'default', '--os-project-domain-id',
            'default', *arguments])
        output = capsys.readouterr()
        assert output.out == ''
        return status, output.err

    return run


@pytest.fixture
def fleet():
    """Return a Fleet, with its URL in `url`."""
    fleet = drift_cloud.Fleet()
    fleet.grow(1)
    with fleet.served() as fleet.url:
        yield fleet


@contextlib.contextmanager
def closed_port():
    """Return the URL of a port where nothing listens."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    yield f'http://127.0.0.1:{port}/v3'


@contextlib.contextmanager
def black_hole():
    """Return the URL of a port that drops what would connect to it."""
    with contextlib.ExitStack() as sockets:
        server = sockets.enter_context(
            socket.create_server(('127.0.0.1', 0), backlog=0))
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f'http://127.0.0.1:{server.getsockname()[1]}/v3'


@contextlib.contextmanager
def unknown_host():
    """Return the URL of a host that does not exist (RFC 6761)."""
    yield 'http://keystone.invalid/v3'


@pytest.mark.parametrize('name', ['bootstrap', 'drift'])
@pytest.mark.parametrize('where, reason', [
    (closed_port, 'Connection refused'), (black_hole, 'timed out'),
    (unknown_host, '')])
def test_an_unreachable_keystone_is_named_without_retries(
        run, monkeypatch, name, where, reason):
    monkeypatch.setattr(clouds, 'CONNECT_TIMEOUT', 0.05)
    with where() as url:
        status, errors = run(name, url)
    assert status == 3
    assert errors.startswith(f'{url} is unreachable: {reason}')
    assert errors.count('\n') == 1


def test_only_connecting_has_a_time_limit(fleet, monkeypatch):
    timeouts = []
    request = requests.Session.request

    def record(*arguments, timeout, **others):
        timeouts.append(timeout)
        return request(*arguments, timeout=timeout, **others)

    monkeypatch.setattr(requests.Session, 'request', record)
    clouds.Session().get(f'{fleet.url}/v3', authenticated=False,
                         raise_exc=False)
    assert timeouts == [(3, None)]


@pytest.mark.parametrize('name', ['bootstrap', 'drift'])
@pytest.mark.parametrize('fault, code', [
    (401, 4), (403, 4), (503, 3), (500, 3), (429, 3), (400, 2), (404, 2)])
def test_the_exit_code_tells_why_keystone_issues_no_token(
        run, fleet, name, fault, code):
    fleet.keystone_fault = fault
    status, errors = run(name, f'{fleet.url}/v3')
    needs = f' {WHOSE[name]}' if code == 4 else ''
    assert (status, errors) == (
        code, f'HTTP {fault} from POST {fleet.url}/v3/auth/tokens with the '
        f'credentials of user trove in project dbaas: Not now. Not you.'
        f'{needs}\n')


@pytest.mark.parametrize('fault, code', [(403, 4), (500, 3), (400, 2)])
def test_the_exit_code_tells_why_a_service_fails(run, fleet, fault, code):
    fleet.trouble = lambda number: (fault, {})
    status, errors = run('drift', f'{fleet.url}/v3')
    assert status == code
    assert errors.startswith(f'HTTP {fault} from GET {fleet.url}/')
    assert 'the credentials of user trove in project dbaas: Busy.' in errors
    assert errors.count('\n') == 1


@pytest.mark.parametrize('url, complaint', [
    ('keystone', 'the auth URL keystone is not valid'),
    ('http://[::1', 'the auth URL http://[::1 is not valid'),
    ('http://:x', 'http://:x is not the URL of a service: ')])
def test_an_auth_url_that_is_no_url_is_a_usage_error(run, url, complaint):
    status, errors = run('drift', url)
    assert (status, errors.count('\n')) == (2, 1)
    assert errors.startswith(complaint)


def test_a_tls_error_is_a_usage_error(run, fleet):
    url = fleet.url.replace('http', 'https')
    status, errors = run('drift', url)
    assert (status, errors.count('\n')) == (2, 1)
    assert errors.startswith(f'{url}/: TLS failed: ')


@pytest.mark.parametrize('content, complaint', [
    (b'- a\n', 'is empty or not a valid mapping'),
    (b'clouds: [x]\n', 'does not have the form of clouds.yaml'),
    (b'clouds: {x: 7}\n', 'does not have the form of clouds.yaml'),
    (b'clouds: {x: {auth: 7}}\n', 'does not have the form of clouds.yaml'),
    (b'clouds: {}\n', 'Cloud x was not found.'),
    # openstacksdk 4.4 does not skip these.
    (b'\x80', 'Cloud x was not found|does not have the form of clouds.yaml'),
    (b': [', 'Cloud x was not found|does not have the form of clouds.yaml')])
def test_a_broken_clouds_yaml_is_a_usage_error(
        config_file, capsys, content, complaint):
    config_file.write_bytes(content)
    assert shell.main(['drift', '--os-cloud', 'x']) == 2
    assert re.search(complaint, capsys.readouterr().err.splitlines()[-1])
    assert shell.main(['drift', '--help']) == 0
    output = capsys.readouterr()
    assert '--os-cloud' in output.out
    assert output.err == ''


@pytest.mark.parametrize('arguments, complaint', [
    ([], 'Missing value auth-url'),
    (['--os-cloud', 'x'], 'Cloud x was not found.'),
    (['--os-auth-type', 'x'], 'An invalid auth-type was specified: x.')])
def test_missing_credentials_are_a_usage_error(
        config_file, capsys, arguments, complaint):
    assert shell.main(['drift', *arguments]) == 2
    assert capsys.readouterr().err.startswith(complaint)


def test_missing_credentials_are_asked_for(config_file, capsys):
    assert shell.main(['bootstrap']) == 2
    assert capsys.readouterr().err.endswith(f'{WHOSE["bootstrap"]}\n')


def test_a_clouds_yaml_that_cannot_be_read_is_named(
        config_file, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(tmp_path))
    assert shell.main(['drift', '--os-cloud', 'production']) == 2
    assert capsys.readouterr().err == f'{tmp_path}: Is a directory\n'
