# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard bootstrap`` on a real Keystone, and what comes of it."""

import csv
import io
import json
import os
import pathlib
import stat
import subprocess
import sys
import uuid

from keystoneauth1 import exceptions
from keystoneauth1 import identity
from keystoneauth1 import session as sessions
from oslo_config import cfg
import pytest

from tests.cloud import layout
from tests.cloud import people
from tests.cloud import state
from tests.functional import scene as scenes

COMMAND = pathlib.Path(sys.prefix, 'bin', 'nova-trove-guard')
FILES = ('nova.conf', 'api-paste.ini', 'cinder.conf',
         'cinder-api-paste.ini', 'neutron.conf', 'neutron-api-paste.ini',
         'trove.conf')
# Rows of the first and of the second run.
FIRST = {'role trove_admin': 'exists', 'project': 'created',
         'user': 'created', 'assignment trove_admin': 'granted',
         'assignment admin': 'granted', 'password': 'generated'}
SECOND = dict.fromkeys(FIRST, 'exists') | {'password': 'unchanged'}
OPTIONS = ('auth_url', 'username', 'password', 'project_id', 'project_name',
           'user_domain_name', 'project_domain_name', 'region_name')


class Operator:
    """An operator's shell, and the Trove admin that is to be.

    :param scene: the Scene
    :param directory: where the configuration is written
    """

    def __init__(self, scene, directory):
        self.scene = scene
        self.keystone = scene.connection('admin').identity
        self.name = f'dbaas-{uuid.uuid4()}'
        self.directory = directory / 'written'

    def run(self, *arguments, user='admin', write=True):
        """Run bootstrap.

        :returns: subprocess.CompletedProcess; never with a password in it
        """
        environment = self.scene.cloud.environment(people.named(user))
        command = [COMMAND, '--debug', 'bootstrap', '--project', self.name,
                   '--user', self.name, *arguments]
        if write:
            command += ['--write', self.directory]
        before = self.password
        self.done = subprocess.run(
            command, text=True, capture_output=True,
            env=os.environ | environment)
        for password in (before, self.password):
            if password:
                assert password not in self.done.stdout + self.done.stderr
        return self.done

    def results(self, *arguments, **how):
        """Run bootstrap, and return its results as in FIRST."""
        done = self.run(*arguments, '-f', 'json', **how)
        assert done.returncode == 0, done.stderr
        return {
            row['What'] if row['Name'] in (self.name, self.path(row['Name']))
            else f'{row["What"]} {row["Name"]}': row['Result']
            for row in json.loads(done.stdout)}

    def path(self, name):
        """Return the path (str) of a file that is written."""
        return str(self.directory / pathlib.Path(name).name)

    def written(self):
        """Return what tells whether files were written again."""
        statuses = [os.stat(self.path(name)) for name in FILES]
        return [(status.st_ino, status.st_mtime_ns) for status in statuses]

    @property
    def credentials(self):
        """The [service_credentials] as oslo.config reads them."""
        conf = cfg.ConfigOpts()
        conf.register_opts([cfg.StrOpt(name) for name in OPTIONS],
                           'service_credentials')
        conf([], default_config_files=[self.path('trove.conf')])
        return dict(conf.service_credentials)

    @property
    def password(self):
        """The password in trove.conf, None where there is none."""
        if not os.path.exists(self.path('trove.conf')):
            return None
        return self.credentials['password']

    def session(self, **others):
        """Return a session of the Trove admin's, from trove.conf."""
        credentials = self.credentials | others
        del credentials['project_id'], credentials['region_name']
        return sessions.Session(identity.V3Password(**credentials))

    def roles(self):
        """Return the names of the roles that Keystone says it has."""
        user = next(self.keystone.users(name=self.name))
        project = next(self.keystone.projects(name=self.name))
        names = {role.id: role.name for role in self.keystone.roles()}
        return {names[assignment.role['id']]
                for assignment in self.keystone.role_assignments(
                    user_id=user.id)
                if assignment.scope['project']['id'] == project.id}


@pytest.fixture
def operator(scene, tmp_path):
    """Return an Operator with a Trove admin of its own."""
    return Operator(scene, tmp_path)


@pytest.fixture
def bystander(operator):
    """Have the project and the user exist, as a member; return its id."""
    project = operator.keystone.create_project(
        name=operator.name, domain_id='default')
    user = operator.keystone.create_user(
        name=operator.name, domain_id='default', password='its own')
    operator.keystone.assign_project_role_to_user(
        project, user, next(operator.keystone.roles(name='member')))
    return user.id


def secret(path, text, mode=0o600):
    """Write a file with a password."""
    path.write_text(f'{text}\n')
    path.chmod(mode)
    return path


def test_the_first_run_makes_everything(operator):
    written = dict.fromkeys(('file',), 'written')
    assert operator.results() == FIRST | written
    assert operator.roles() == {'trove_admin', 'admin'}
    project = next(operator.keystone.projects(name=operator.name))
    assert operator.credentials == {
        'auth_url': operator.scene.cloud.auth_url,
        'username': operator.name, 'password': operator.password,
        'project_id': project.id, 'project_name': operator.name,
        'user_domain_name': 'Default', 'project_domain_name': 'Default',
        'region_name': state.GUARDED}
    assert len(operator.password) >= 32
    assert operator.session().get_project_id() == project.id


def test_what_is_written_is_for_its_owner_alone(operator):
    operator.run()
    assert sorted(os.listdir(operator.directory)) == sorted(FILES)
    assert stat.S_IMODE(operator.directory.stat().st_mode) == 0o700
    for name in FILES:
        mode = os.stat(operator.path(name)).st_mode
        assert stat.S_IMODE(mode) == 0o600


def test_the_second_run_changes_nothing_and_says_so(operator):
    operator.run()
    before = operator.written()
    assert operator.results() == SECOND | {'file': 'unchanged'}
    assert operator.written() == before
    assert operator.session().get_token()


def test_a_dry_run_does_nothing(operator):
    results = operator.results('--dry-run')
    assert results == {
        name: result if result == 'exists' else f'would be {result}'
        for name, result in FIRST.items()} | {'file': 'would be written'}
    assert not list(operator.keystone.users(name=operator.name))
    assert not list(operator.keystone.projects(name=operator.name))
    assert not operator.directory.exists()


def test_a_password_is_rotated(operator):
    operator.run()
    old, session = operator.password, operator.session()
    assert operator.results('--dry-run', '--rotate-password')[
        'password'] == 'would be rotated'
    assert operator.password == old
    assert operator.results('--rotate-password') == SECOND | {
        'password': 'rotated', 'file': 'written'}
    assert operator.password != old
    assert operator.session().get_token()
    with pytest.raises(exceptions.Unauthorized):
        operator.session(password=old).get_token()
    session.invalidate()
    with pytest.raises(exceptions.Unauthorized):
        session.get_token()


def test_a_password_is_given(operator, tmp_path):
    given = 'p$word "with" odd #things = in it'
    password = secret(tmp_path / 'password', given)
    assert operator.results('--password-file', password)['password'] == 'set'
    assert operator.password == given
    assert operator.session().get_token()
    assert operator.results('--password-file', password) == SECOND | {
        'file': 'unchanged'}


def test_a_given_password_is_shown_nowhere(operator, tmp_path):
    given = uuid.uuid4().hex
    done = operator.run('--password-file',
                        secret(tmp_path / 'password', given), write=False)
    assert done.returncode == 0, done.stderr
    assert '# password is not shown here' in done.stdout
    assert given not in done.stdout + done.stderr
    assert not operator.directory.exists()


def test_another_password_than_the_user_s_is_refused(operator, tmp_path):
    operator.run()
    before = operator.password
    done = operator.run('--password-file',
                        secret(tmp_path / 'password', 'another'))
    assert done.returncode == 2
    assert 'exists and has another password' in done.stderr
    assert operator.password == before


def test_a_password_that_others_can_read_is_refused(operator, tmp_path):
    done = operator.run('--password-file',
                        secret(tmp_path / 'password', 'known', 0o644))
    assert done.returncode == 2
    assert 'users other than its owner can read' in done.stderr
    assert not list(operator.keystone.users(name=operator.name))


def test_a_generated_password_must_go_somewhere(operator):
    done = operator.run(write=False)
    assert done.returncode == 2
    assert 'is written to a file: give --write' in done.stderr
    assert not list(operator.keystone.projects(name=operator.name))


def test_files_that_others_could_read_are_mended(operator):
    operator.run()
    path = pathlib.Path(operator.path('trove.conf'))
    path.chmod(0o644)
    assert operator.results()['file'] == 'written'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize('arguments', [
    (), ('--rotate-password',), ('--dry-run',)])
def test_a_user_who_was_there_gets_no_rights(operator, bystander, arguments):
    done = operator.run(*arguments)
    assert done.returncode == 2
    assert 'trove_admin, admin' in done.stderr
    assert '--grant-existing' in done.stderr
    assert operator.roles() == {'member'}
    assert not operator.directory.exists()


def test_a_user_who_was_there_gets_rights_if_that_is_asked_for(
        operator, bystander):
    assert operator.results('--grant-existing') == {
        **SECOND, 'assignment trove_admin': 'granted',
        'assignment admin': 'granted', 'file': 'written'}
    assert operator.roles() == {'member', 'trove_admin', 'admin'}
    # Nobody has told its password.
    assert operator.password is None
    assert 'it is not known here' in operator.done.stdout


def test_a_role_that_comes_with_a_group_is_there(operator, bystander):
    keystone = operator.keystone
    group = keystone.create_group(name=operator.name, domain_id='default')
    keystone.add_user_to_group(bystander, group)
    project = next(keystone.projects(name=operator.name))
    for name in ('admin', 'trove_admin'):
        keystone.assign_project_role_to_group(
            project, group, next(keystone.roles(name=name)))
    assert operator.results()['assignment admin'] == 'exists'


def test_a_user_who_is_disabled_is_refused(operator, bystander):
    operator.keystone.update_user(bystander, is_enabled=False)
    done = operator.run('--grant-existing')
    assert done.returncode == 2
    assert f'{operator.name} is disabled' in done.stderr


def test_a_missing_domain_is_refused(operator):
    done = operator.run('--domain', 'nowhere')
    assert done.returncode == 2
    assert 'there is no domain nowhere' in done.stderr


def test_who_is_no_admin_of_keystone_s_can_t(operator):
    done = operator.run(user='owner')
    assert done.returncode == 4
    assert 'HTTP 403' in done.stderr or 'Forbidden' in done.stderr
    assert not operator.directory.exists()


def test_servers_in_users_projects_need_the_service_role(operator):
    assert operator.results('--server-owner', 'user')[
        'assignment service'] == 'granted'
    assert operator.roles() == {'trove_admin', 'admin', 'service'}
    assert 'server_owner = user\n' in pathlib.Path(
        operator.path('trove.conf')).read_text()


def test_other_formats_are_one_document(operator, tmp_path):
    done = operator.run(
        '-f', 'csv', '--password-file',
        secret(tmp_path / 'password', uuid.uuid4().hex), write=False)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row['Name'] for row in rows
            if row['What'] == 'configuration'] == list(FILES)


def test_it_takes_clouds_yaml_and_options(operator, tmp_path):
    """clouds.yaml names the cloud, and options do all of it."""
    cloud = operator.scene.cloud
    plain = {name: value for name, value in os.environ.items()
             if not name.startswith('OS_')}
    for options, environment in (
            (['--os-cloud', 'admin', '--os-region-name', state.GUARDED],
             {'OS_CLIENT_CONFIG_FILE': str(
                 layout.Layout(cloud.root).clouds_yaml)}),
            (['--os-auth-url', cloud.auth_url, '--os-username', 'admin',
              '--os-password', people.password('admin'),
              '--os-project-name', 'admin', '--os-user-domain-id', 'default',
              '--os-project-domain-id', 'default'], {})):
        done = subprocess.run(
            [COMMAND, 'bootstrap', *options, '--user', operator.name,
             '--project', operator.name, '--dry-run', '-f', 'value',
             '--write', tmp_path / 'x'],
            text=True, capture_output=True, env=plain | environment)
        assert done.returncode == 0, done.stderr
        assert f'user {operator.name} would be created' in done.stdout


@pytest.mark.parametrize('owner', ['trove', 'user'])
def test_the_trove_admin_passes_the_guard_and_the_lock(
        operator, managed, owner):
    operator.run('--server-owner', owner)
    nova = {'endpoint_filter': {'service_type': 'compute',
                                'region_name': state.GUARDED},
            'headers': {'OpenStack-API-Version':
                        f'compute {scenes.VERSION}'}}
    session = operator.session()
    # Another's lock, on a server in another project.
    for action in ('unlock', 'lock'):
        session.post(f'/servers/{managed}/action', json={action: None},
                     **nova)
    found = session.get(
        f'/servers/detail?all_tenants=1&uuid={managed}', **nova).json()
    assert [server['id'] for server in found['servers']] == [managed]
    assert found['servers'][0]['locked']


def test_the_trove_admin_stands_behind_a_user(operator, managed):
    operator.run('--server-owner', 'user')
    scene = operator.scene
    token = operator.session().get_token()
    path = f'/servers/{managed}'
    body = {'server': {'name': 'database'}}
    refused = scene.ask('owner', 'PUT', path, body)
    assert refused.status_code == 403
    passed = scene.connection('owner').compute.request(
        path, 'PUT', json=body, raise_exc=False,
        headers={'X-Service-Token': token})
    assert passed.status_code == 200, passed.text


# The services that drive servers.

@pytest.fixture
def service_user(scene):
    """Return the name of a user who is in the services' project."""
    keystone = scene.connection('admin').identity
    name = f'service-{uuid.uuid4()}'
    user = keystone.create_user(name=name, domain_id='default',
                                password='secret')
    keystone.assign_project_role_to_user(
        scene.cloud.projects['service'], user, keystone.find_role('member'))
    yield name
    keystone.delete_user(user)


def test_a_service_user_without_the_role_stops_it(
        operator, scene, service_user):
    arguments = ('--service-user', 'nova', '--service-user', service_user)
    done = operator.run(*arguments)
    assert done.returncode == 2
    command = (f'openstack role add --user {service_user} --user-domain '
               'Default --project service --project-domain Default service')
    assert command in done.stderr
    assert next(operator.keystone.projects(name=operator.name), None) is None
    # What it says helps.
    granted = subprocess.run(
        [COMMAND.with_name('openstack'), *command.split()[1:]], text=True,
        capture_output=True, env=os.environ | scene.cloud.environment(
            people.named('admin')))
    assert granted.returncode == 0, granted.stderr
    assert operator.run(*arguments).returncode == 0


def test_a_service_user_who_is_not_there_is_asked_for(operator):
    done = operator.run('--service-user', 'nova', '--service-user', 'quantum')
    assert done.returncode == 2
    assert 'there is no user quantum in the domain Default' in done.stderr
    assert '--service-user' in done.stderr
