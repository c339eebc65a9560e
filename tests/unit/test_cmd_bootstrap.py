# SPDX-License-Identifier: Apache-2.0
"""What bootstrap writes: that services read it back, and nobody else."""

import argparse
import functools
import getpass
import json
import os
import stat
import types

import hypothesis
from hypothesis import strategies
from keystonemiddleware import opts as middleware
from oslo_config import cfg
import pytest

from nova_trove_guard.cmd import accounts
from nova_trove_guard.cmd.bootstrap import command
from nova_trove_guard.cmd.bootstrap import snippets
from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import shell
from nova_trove_guard.core import options
from nova_trove_guard.trove import opts as trove_opts
from tests.unit import pastes

PRINTABLE = strategies.text(
    strategies.characters(codec='utf-8', exclude_categories=['C', 'Z']) |
    strategies.sampled_from(' "\'$#%;\\{}[]='), min_size=1)


def read_back(path, group, options):
    """Return the values of a group as a service reads them."""
    conf = cfg.ConfigOpts()
    conf.register_opts(options, group)
    conf([], default_config_files=[str(path)], default_config_dirs=[])
    return conf[group]


@hypothesis.settings(deadline=None)
@hypothesis.given(value=PRINTABLE)
def test_trove_reads_back_every_value(tmp_path_factory, value):
    path = tmp_path_factory.mktemp('etc') / 'trove.conf'
    try:
        text = snippets.trove('trove', {'password': value, 'username': value})
    except outcome.Refused:
        assert '\\$' in value
        return
    path.write_text(text, encoding='utf-8')
    assert snippets.password(path) == value
    assert read_back(path, 'service_credentials', [
        cfg.StrOpt('username')]).username == value


@pytest.mark.parametrize('value', ['two\nlines', 'a\rb', 'nul\0', 'a\\$b'])
def test_what_no_file_can_hold_is_refused(value):
    with pytest.raises(outcome.Refused, match='this password'):
        snippets.trove('trove', {'password': value})


def test_what_is_not_known_is_left_to_the_operator(tmp_path):
    path = tmp_path / 'trove.conf'
    path.write_text(snippets.trove('trove', {'password': None}))
    assert '\n# password is not shown here\n' in path.read_text()
    assert snippets.password(path) is None
    assert snippets.password(tmp_path / 'missing') is None


@pytest.mark.parametrize('owner', ['trove', 'user'])
def test_trove_s_options_are_real_ones(tmp_path, owner):
    path = tmp_path / 'trove.conf'
    path.write_text(snippets.trove(owner, {}))
    settings = read_back(path, trove_opts.GROUP, trove_opts.TROVE_OPTS)
    assert settings.trove_managed_instances is True
    assert settings.server_owner == owner


@pytest.mark.parametrize('name, text', [
    ('nova', snippets.NOVA), ('cinder', snippets.CINDER),
    ('neutron', snippets.NEUTRON)])
def test_the_options_of_the_services_are_real_ones(tmp_path, name, text):
    path = tmp_path / f'{name}.conf'
    path.write_text(text)
    assert f'{name}-api' in text
    assert read_back(path, options.GROUP,
                     options.GUARD_OPTS).trove_managed_instances is True
    tokens = read_back(path, 'keystone_authtoken', [
        opt for opts in dict(middleware.list_auth_token_opts()).values()
        for opt in opts if opt.dest.startswith('service_token_roles')])
    assert tokens.service_token_roles == ['service']
    assert tokens.service_token_roles_required is True


def test_nova_sends_its_service_token(tmp_path):
    path = tmp_path / 'nova.conf'
    path.write_text(snippets.NOVA)
    assert read_back(path, 'service_user', [
        cfg.BoolOpt('send_service_user_token')]).send_service_user_token


@pytest.mark.parametrize('api', pipelines.APIS)
def test_the_filter_is_the_one_that_paste_inserts(api):
    name = {pipelines.NOVA: 'installed', pipelines.CINDER: 'cinder',
            pipelines.NEUTRON: 'neutron'}[api]
    section = snippets.paste(api).partition('\n\n')[2]
    assert section in pipelines.insert(
        pastes.INSTALLED[name].read_text())
    assert api.process in snippets.paste(api)


def test_a_secret_is_never_for_others_to_read(tmp_path):
    path = tmp_path / 'trove.conf'
    mask = os.umask(0)
    try:
        with files.secret_file(path, 'secret'):
            unfinished, = tmp_path.iterdir()
            assert unfinished != path
            assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
    finally:
        os.umask(mask)
    assert path.read_text() == 'secret'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_that_keystone_does_not_take_is_not_kept(tmp_path):
    path = tmp_path / 'trove.conf'
    path.write_text('the old one')
    with pytest.raises(ConnectionError):
        with files.secret_file(path, 'the new one'):
            raise ConnectionError
    assert path.read_text() == 'the old one'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('mode', [0o640, 0o604, 0o622])
def test_a_password_file_is_for_its_owner_alone(tmp_path, mode):
    path = tmp_path / 'password'
    path.write_text('secret\n')
    path.chmod(mode)
    with pytest.raises(outcome.Refused, match='chmod 600'):
        files.read_secret(path)
    path.chmod(0o600)
    assert files.read_secret(path) == 'secret'


def test_a_password_may_come_through_a_pipe():
    reader, writer = os.pipe()
    os.write(writer, b'secret\r\nmore\n')
    os.close(writer)
    assert files.read_secret(f'/dev/fd/{reader}') == 'secret'
    os.close(reader)


def test_an_empty_password_is_refused(tmp_path):
    path = tmp_path / 'password'
    path.touch(mode=0o600)
    with pytest.raises(outcome.Refused, match='no password'):
        files.read_secret(path)


@pytest.mark.parametrize('answers, password', [
    (['secret', 'secret'], 'secret'), (['secret', 'other'], None),
    ([''], None)])
def test_a_prompt_asks_twice(monkeypatch, answers, password):
    asked = iter(answers)
    monkeypatch.setattr(getpass, 'getpass', lambda prompt: next(asked))
    arguments = argparse.Namespace(password_file=None, password_prompt=True)
    if password:
        assert command._given_password(arguments) == password
    else:
        with pytest.raises(outcome.Refused):
            command._given_password(arguments)


def test_a_prompt_that_nobody_answers_is_refused(monkeypatch):
    def end(prompt):
        raise EOFError

    monkeypatch.setattr(getpass, 'getpass', end)
    with pytest.raises(outcome.Refused, match='without a terminal'):
        command._given_password(argparse.Namespace(
            password_file=None, password_prompt=True))


# The services that drive servers.

class Keystone:
    """Stands in for openstacksdk's identity proxy: users and their roles."""

    def __init__(self, **users):
        self._users = users

    def roles(self, name):
        """Yield the role of a name, whose id is its name."""
        if name != 'nowhere':
            yield types.SimpleNamespace(id=name)

    def users(self, name, domain_id):
        """Yield the user of a name, whose id is its name."""
        assert domain_id == 'default'
        if name in self._users:
            yield types.SimpleNamespace(id=name)

    def find_domain(self, name):
        """Return the one domain."""
        assert name == 'default'
        return types.SimpleNamespace(
            id='default', name='Default', is_enabled=True)

    def projects(self, name, domain_id):
        """Yield no project."""
        yield from ()

    def role_assignments(self, user_id, effective):
        """Yield the assignments of a user, groups' included."""
        assert effective
        for role in self._users[user_id]:
            yield types.SimpleNamespace(role={'id': role})


PLAN = {'role trove_admin': 'would be created',
        'project trove': 'would be created', 'user trove': 'would be created',
        'assignment trove_admin': 'would be granted',
        'assignment admin': 'would be granted',
        'password trove': 'would be generated'}


@pytest.mark.parametrize('writes', [False, True])
def test_a_dry_run_shows_the_whole_plan_for_a_new_user(
        monkeypatch, capsys, tmp_path, writes):
    """Keystone is asked, but has no method here that would change it."""
    keystone = Keystone(**dict.fromkeys(accounts.SERVICE_USERS, ['service']))
    keystone.roles = lambda name: [types.SimpleNamespace(id=name)] * (
        name != 'trove_admin')
    monkeypatch.setattr(
        command.Bootstrap, 'connect', lambda *_: types.SimpleNamespace(
            identity=keystone, config=types.SimpleNamespace(
                get_auth_args=lambda: {'auth_url': 'http://keystone/v3'},
                get_region_name=lambda: 'RegionOne')))
    directory = tmp_path / 'written'
    write = ['--write', str(directory)] if writes else []
    assert shell.main(['bootstrap', '--dry-run', '-f', 'json', *write]) == 0
    rows = json.loads(capsys.readouterr().out)
    plan = {f'{row["What"]} {row["Name"]}': row['Result'] for row in rows
            if row['What'] not in ('configuration', 'file')}
    assert plan == PLAN
    shown = {row['Name']: row['Result'] for row in rows
             if row['What'] in ('configuration', 'file')}
    if writes:
        assert set(shown.values()) == {'would be written'}
        assert str(directory / 'trove.conf') in shown
    else:
        assert 'project_id = <id of the new project>' in shown['trove.conf']
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('users, roles, lacking, missing', [
    ({'nova': ['service'], 'cinder': ['admin', 'service']}, ['service'],
     [], []),
    ({'nova': ['admin'], 'cinder': []}, ['service'], ['nova', 'cinder'], []),
    ({'nova': ['admin'], 'cinder': []}, ['service', 'admin'], ['cinder'], []),
    ({'nova': ['service']}, ['service'], [], ['cinder']),
    ({'nova': ['service'], 'cinder': ['service']}, ['nowhere'],
     ['nova', 'cinder'], [])])
def test_who_lacks_the_role_of_services(users, roles, lacking, missing):
    assert accounts.lacking_role(
        Keystone(**users), ['nova', 'cinder'], 'default', roles) == (
            lacking, missing)


@pytest.mark.parametrize('users, complaint', [
    ({'nova': ['service'], 'cinder': ['service']}, None),
    ({'nova': ['service'], 'cinder': []},
     'openstack role add --user cinder --user-domain Default --project '
     'services --project-domain Default service'),
    ({'nova': ['service']}, 'there is no user cinder in the domain Default')])
def test_bootstrap_stops_while_a_service_lacks_the_role(users, complaint):
    arguments = argparse.Namespace(service_user=['nova', 'cinder'],
                                   service_project='services')
    domain = types.SimpleNamespace(id='default', name='Default')
    require = functools.partial(command._require_services,
                                Keystone(**users), domain, arguments)
    if complaint is None:
        require()
    else:
        with pytest.raises(outcome.Refused) as refused:
            require()
        assert complaint in str(refused.value)
