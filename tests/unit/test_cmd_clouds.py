# SPDX-License-Identifier: Apache-2.0
"""Where commands take credentials from, and what wins: as ``openstack``."""

import os
import types

from cliff import command
import pytest

from nova_trove_guard.cmd import clouds

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
def auth(tmp_path, monkeypatch):
    """Return f(arguments): the auth (dict) with which a command connects."""
    for name in list(os.environ):
        if name.startswith('OS_'):
            monkeypatch.delenv(name)
    path = tmp_path / 'clouds.yaml'
    path.write_text(CLOUDS)
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(path))

    def auth(*arguments):
        one = Command(types.SimpleNamespace(
            arguments=arguments, LOG=None, command_options=[]), None)
        connection = one.connect(
            one.get_parser('command').parse_args(arguments))
        return connection.config.get_auth_args()

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
