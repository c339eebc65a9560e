# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard drift`` and ``explain`` on a real fleet.

Everything drifts behind the guard's back, through the unguarded Nova. The
tests of a deployment stand in the order in which they happen.
"""

import json
import os
import pathlib
import subprocess
import sys
import uuid

import pytest

from tests.cloud import layout
from tests.cloud import people
from tests.cloud import state
from tests.functional import databases
from tests.functional import scene as scenes

COMMAND = pathlib.Path(sys.prefix, 'bin', 'nova-trove-guard')
OWNERS = {'trove': 'trove', 'trove-user': 'user'}
OTHERS = {'trove': state.USER, 'trove-user': state.GUARDED}


class Fleet:
    """A Trove deployment, and an operator who looks after it.

    :param trove: databases.Trove
    """

    def __init__(self, trove):
        self.trove = trove
        self.scene = trove.scene
        names = ('open', 'failed', 'lost', 'well')
        self.instances = {name: trove.create(name) for name in names}
        self.servers = {}
        self.volumes = {}
        self.ports = {}
        self.groups = {}
        for name, instance in self.instances.items():
            trove.healthy(instance)
            self.servers[name] = trove.server_id(instance)
            self.volumes[name] = trove.volume(instance).id
            trove.await_locked(self.servers[name])
            # Beside that in the network of Trove's own, if there is one.
            self.ports[name], = (port.id for port in trove.network.ports(
                name=f'trove-{instance}', network_id=trove.scene.network))
            self.groups[name], = (
                group.id for group in trove.network.security_groups(
                    name=f'trove_sg-{instance}'))
        self.cinder = self.scene.connection('trove').block_storage

    def run(self, *arguments, user='trove', **environment):
        """Run a command; return subprocess.CompletedProcess.

        :param environment: more environment variables
        """
        return subprocess.run(
            [COMMAND, *arguments, '--os-region-name', self.trove.region],
            env=os.environ | self.trove.cloud.environment(
                people.named(user)) | environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def drift(self, *arguments, user='trove', owner=None):
        """Compare Trove with Nova, Cinder and Neutron.

        :returns: dict of result by (code, name of what is wrong)
        """
        done = self.run(
            'drift', '-f', 'json', '--server-owner',
            owner or OWNERS[self.trove.deployment], '--trove-project',
            self.trove.cloud.projects['trove'], '--other-trove',
            OTHERS[self.trove.deployment], *arguments, user=user)
        assert done.returncode in (0, 1), done.stderr
        names = {each: name for known in (
                     self.servers, self.volumes, self.ports, self.groups)
                 for name, each in known.items()}
        results = {}
        for row in json.loads(done.stdout):
            wrong = (row['Security Group'] or row['Port'] or row['Volume'] or
                     row['Server'])
            if wrong in names:
                results[row['Code'], names[wrong]] = row['Result']
        return results

    def hide(self, name):
        """Hide a server from the reconciler, which would lock it again.

        It looks for servers with marker and tag.
        """
        self.scene.do('admin', 'DELETE',
                      f'/servers/{self.servers[name]}/tags/trove_instance')

    def mark(self, name, marker):
        """Give a server another marker, or none for None."""
        path = f'/servers/{self.servers[name]}/metadata'
        if marker is None:
            self.scene.do('trove', 'DELETE', f'{path}/{scenes.MARKER}')
        else:
            self.scene.do('trove', 'POST', path,
                          {'metadata': {scenes.MARKER: marker}})

    def mark_volume(self, name, marker):
        """Give a volume another marker, or none for None."""
        if marker is None:
            self.cinder.delete_volume_metadata(
                self.volumes[name], [scenes.MARKER])
        else:
            self.cinder.set_volume_metadata(
                self.volumes[name], **{scenes.MARKER: marker})

    def tag(self, collection, resource, *tags):
        """Give a port or security group these tags, and no others."""
        self.trove.network.put(
            f'/{collection}/{resource}/tags', json={'tags': tags})

    def tags(self, collection, resource):
        """Return the tags of a port or security group."""
        return sorted(self.trove.network.get(
            f'/{collection}/{resource}/tags').json()['tags'])

    def act(self, who, name, action):
        """Have the unguarded Nova carry out a server action."""
        self.scene.act(who, self.servers[name], action)

    def show(self, name):
        """Return a server (dict)."""
        return self.scene.show(self.servers[name])


@pytest.fixture(scope='module', params=databases.each_deployment(
    'fleet', ['trove']))
def fleet(request, scene, witness):
    """Return the Fleet of each deployment."""
    fleet = Fleet(databases.Trove(scene, witness, request.param))
    fleet.servers['forged'], = scene.make(
        'forged', metadata={scenes.MARKER: str(uuid.uuid4())})
    yield fleet
    scene.remove([fleet.servers['forged']])
    if 'copy' in fleet.volumes:
        fleet.cinder.delete_volume(fleet.volumes['copy'])
    for instance in fleet.instances.values():
        fleet.trove.discard(instance)


def test_a_forged_marker_is_all_that_is_wrong(fleet):
    assert fleet.drift() == {('marker-forged', 'forged'): 'found'}


def test_servers_in_the_wrong_project(fleet):
    owner = {'trove': 'user', 'user': 'trove'}[
        OWNERS[fleet.trove.deployment]]
    assert fleet.drift(owner=owner).items() >= {
        ('wrong-project', name): 'found'
        for name in fleet.instances}.items()


DRIFTED = {
    ('marker-forged', 'forged'): 'found',
    ('marker-missing', 'open'): 'found', ('unlocked', 'open'): 'found',
    ('server-error', 'failed'): 'found', ('server-missing', 'lost'): 'found',
    # Nova deletes it with the server.
    ('volume-missing', 'lost'): 'found',
    # It is left behind, with a marker that says otherwise.
    ('port-marker-forged', 'lost'): 'found'}


def test_each_drift_is_found(fleet):
    fleet.mark('open', None)
    fleet.act('admin', 'open', {'unlock': None})
    fleet.act('admin', 'failed', {'os-resetState': {'state': 'error'}})
    fleet.scene.remove([fleet.servers['lost']])
    fleet.scene.await_end(fleet.servers['lost'])
    assert fleet.drift() == DRIFTED


def test_a_dry_run_changes_nothing(fleet):
    would = {key: 'would be fixed' if key[1] == 'open' else result
             for key, result in DRIFTED.items()}
    assert fleet.drift('--fix', '--dry-run') == would
    assert fleet.drift() == DRIFTED


def test_only_the_trove_admin_can_fix(fleet):
    """The guard lets nobody else write the marker."""
    results = fleet.drift('--fix', '--yes', user='admin')
    assert 'only Trove may write it' in results['marker-missing', 'open']
    assert scenes.MARKER not in fleet.show('open')['metadata']


def test_discrepancies_are_fixed_where_that_is_safe(fleet):
    # The admin's try has locked the server: it had no marker.
    fleet.act('admin', 'open', {'unlock': None})
    fixed = {key: 'fixed' if key[1] == 'open' else result
              for key, result in DRIFTED.items()}
    assert fleet.drift('--fix', '--yes') == fixed
    server = fleet.show('open')
    instance = fleet.instances['open']
    assert server['metadata'][scenes.MARKER] == instance
    assert server['locked']
    # As Trove's own locks have it.
    well = fleet.instances['well']
    assert server['locked_reason'] == fleet.show('well')[
        'locked_reason'].replace(well, instance)
    assert instance in server['locked_reason']
    assert fleet.drift() == {key: result for key, result in DRIFTED.items()
                             if key[1] != 'open'}


def test_another_marker(fleet):
    fleet.mark('open', str(uuid.uuid4()))
    assert fleet.drift('--fix', '--yes')['marker-wrong', 'open'] == 'fixed'
    assert fleet.show('open')['metadata'][scenes.MARKER] == (
        fleet.instances['open'])


def test_volumes_are_marked(fleet):
    well = fleet.instances['well']
    fleet.mark_volume('open', None)
    fleet.mark_volume('failed', well)
    # As Cinder makes one from a backup.
    fleet.volumes['copy'] = fleet.cinder.create_volume(
        size=1, metadata={scenes.MARKER: well}).id
    drifted = {('volume-marker-missing', 'open'): 'found',
               ('volume-marker-wrong', 'failed'): 'found',
               ('volume-marker-forged', 'copy'): 'found'}

    def found(*arguments):
        return {key: result for key, result in fleet.drift(
            *arguments).items() if key[0].startswith('volume-marker')}

    assert found() == drifted
    assert found('--fix', '--dry-run') == drifted | dict.fromkeys(
        list(drifted)[:2], 'would be fixed')
    assert found() == drifted
    assert found('--fix', '--yes') == drifted | dict.fromkeys(
        list(drifted)[:2], 'fixed')
    for name in ('open', 'failed'):
        assert fleet.cinder.get_volume(fleet.volumes[name]).metadata[
            scenes.MARKER] == fleet.instances[name]
    assert found() == {('volume-marker-forged', 'copy'): 'found'}


@pytest.mark.parametrize('kind, collection, known', [
    ('port', 'ports', 'ports'),
    ('security-group', 'security-groups', 'groups')])
def test_ports_and_security_groups_are_marked(
        fleet, kind, collection, known):
    resources = getattr(fleet, known)
    tag = f'{scenes.MARKER}_{fleet.instances["open"]}'
    assert fleet.tags(collection, resources['open']) == [tag]
    fleet.tag(collection, resources['open'])
    fleet.tag(collection, resources['failed'], 'theirs',
              f'{scenes.MARKER}_{fleet.instances["well"]}')
    drifted = {(f'{kind}-marker-missing', 'open'): 'found',
               (f'{kind}-marker-wrong', 'failed'): 'found'}
    lost = {key: result for key, result in DRIFTED.items()
            if key[0] == f'{kind}-marker-forged'}

    def found(*arguments):
        return {key: result for key, result in fleet.drift(
            *arguments).items() if key[0].startswith(f'{kind}-marker')}

    assert found() == drifted | lost
    assert found('--fix', '--dry-run') == lost | dict.fromkeys(
        drifted, 'would be fixed')
    assert found() == drifted | lost
    assert found('--fix', '--yes') == lost | dict.fromkeys(drifted, 'fixed')
    assert found() == lost
    assert fleet.tags(collection, resources['open']) == [tag]
    assert fleet.tags(collection, resources['failed']) == [
        'theirs', f'{scenes.MARKER}_{fleet.instances["failed"]}']


# No tenant can reach the servers in Trove's own project.
@pytest.mark.production
@pytest.mark.xdist_group('fleet of trove-user')
@pytest.mark.parametrize('fleet', ['trove-user'], indirect=True)
def test_a_lock_of_the_tenant_s(fleet):
    fleet.hide('open')
    fleet.act('admin', 'open', {'unlock': None})
    fleet.act('owner', 'open', {'lock': None})
    assert fleet.show('open')['locked']
    assert fleet.drift()['tenant-lock', 'open'] == 'found'
    assert fleet.drift('--fix', '--yes')['tenant-lock', 'open'] == 'fixed'
    refusal = fleet.scene.ask(
        'owner', 'POST', f'/servers/{fleet.servers["open"]}/action',
        {'unlock': None}, region=state.UNGUARDED)
    assert refusal.status_code == 403
    assert ('tenant-lock', 'open') not in fleet.drift()


def test_credentials_that_may_not_list_everything_are_refused(fleet):
    done = fleet.run('drift', user='owner')
    assert done.returncode == 4
    assert 'admin privileges' in done.stderr


def explain(fleet, method, path, token, body=''):
    """Have a request explained; return what it tells (dict)."""
    conf = layout.Layout(fleet.trove.cloud.root).conf('nova') / 'nova.conf'
    done = fleet.run('explain', method, path, '-f', 'json', '--config-file',
                     str(conf), '--token-from', 'env:A_TOKEN', '--body', body,
                     user='admin', A_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert token not in done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize('who', ['owner', 'stranger', 'admin'])
def test_a_refusal_is_explained(fleet, who):
    path = f'/servers/{fleet.servers["well"]}/remote-consoles'
    answer = fleet.scene.ask(who, 'POST', path, {'remote_console': {}})
    fault, = answer.json().values()
    told = explain(fleet, 'POST', path,
                   fleet.trove.cloud.session(who).get_token(),
                   '{"remote_console": {}}')
    assert (told['operation'], told['decision']) == (
        'os-remote-consoles', 'refused')
    if answer.status_code == 403:
        assert (told['status'], told['message']) == (
            403, fault['message'])
    else:
        # Who may not see it gets Nova's answer for what is not there.
        assert (answer.status_code, told['status']) == (404, "Nova's own")
        assert fleet.servers['well'] in told['message']
    assert told['database_instance'] == fleet.instances['well']


def test_the_trove_admin_is_explained(fleet):
    told = explain(fleet, 'DELETE', f'/servers/{fleet.servers["well"]}',
                   fleet.trove.cloud.session('trove').get_token())
    assert told['decision'] == 'allowed'


def test_a_token_that_keystone_does_not_know_is_explained(fleet):
    told = explain(fleet, 'DELETE', f'/servers/{fleet.servers["well"]}',
                   'no token')
    assert (told['decision'], told['status']) == ('unauthenticated', 401)
