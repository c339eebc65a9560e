# SPDX-License-Identifier: Apache-2.0
"""Trove with its locks: what each operation asks of Nova, and how it ends.

The tests of a deployment act on one database instance after the other, in the
order in which they stand here. Each knows the one window that its operation
needs, or that it needs none.
"""

import json
import string

import pytest
from troveclient import exceptions

from tests.cloud import content
from tests.cloud import state
from tests.functional import databases
from tests.functional import tenants

pytestmark = pytest.mark.each_cloud
# What an operation asks of Nova where the volume is resized offline.
RESIZE_VOLUME = {'trove': [],
                 'trove-user': ['_unlock', 'delete', 'create', '_lock']}


@pytest.fixture(scope='module', params=databases.each_deployment(
    'operations', ['trove-user']))
def trove(request, scene, witness):
    """Return the Trove of each deployment."""
    return databases.Trove(scene, witness, request.param)


@pytest.fixture(scope='module')
def instance(trove):
    """Return the id of a healthy instance."""
    made = trove.create('database')
    trove.healthy(made)
    return made


@pytest.fixture(scope='module')
def server(trove, instance):
    """Return the id of the instance's server."""
    return trove.server_id(instance)


@pytest.fixture(scope='module')
def replica(trove, instance):
    """Return the id of a healthy replica of the instance."""
    made = trove.replicate('replica', instance)
    trove.healthy(made)
    return made


@pytest.fixture(scope='module', autouse=True)
def tenant(trove, server):
    """Attack the server all the time; nothing may ever come of it."""
    with tenants.attacking(trove.scene) as tenant:
        tenant.attack(server)
        yield


def test_create(trove, instance):
    server = trove.server(instance)
    assert server.status == 'ACTIVE'
    assert server.metadata['trove_instance_id'] == instance
    assert server.project_id == trove.cloud.projects[
        databases.PROJECTS[trove.deployment]]
    volume = trove.volume(instance)
    assert volume.status == 'in-use'
    assert [attachment['server_id'] for attachment in volume.attachments] == [
        server.id]


def test_it_is_locked_for_a_reason(trove, instance, server):
    shown = trove.await_locked(server)
    assert shown['locked_reason'] == f'Trove: database instance {instance}'


def test_it_is_tagged_for_the_reconciler(trove, server):
    """Where it is in the user's project, whether or not Trove itself tags."""
    assert (trove.deployment != 'trove-user' or
            'trove_instance' in trove.scene.show(server)['tags'])


def test_its_siblings_are_marked(trove, instance, server):
    assert trove.volume(instance).metadata['trove_instance_id'] == instance
    ports = list(trove.cloud.connection('admin').network.ports(
        device_id=server))
    assert ports
    assert [port.tags for port in ports] == [
        [f'trove_instance_id_{instance}']] * len(ports)


VOLUME_CALLS = (
    ('DELETE', '/os-volumes/$volume', None),
    ('POST', '/os-snapshots', {'snapshot': {
        'volume_id': '$volume', 'force': True}}),
    ('POST', '/os-assisted-volume-snapshots', {'snapshot': {
        'volume_id': '$volume', 'create_info': {
            'snapshot_id': '$volume', 'type': 'qcow2', 'new_file': 'x'}}}),
    ('DELETE', '/os-assisted-volume-snapshots/7?delete_info='
               '{"volume_id": "$volume"}', None),
    ('POST', '/servers/$server/os-volume_attachments', {'volumeAttachment': {
        'volumeId': '$volume'}}),
)


@pytest.mark.parametrize('method, path, body', VOLUME_CALLS)
def test_nova_lets_nobody_else_at_its_volume(
        trove, witness, instance, ordinary, method, path, body):
    """By a path that does not name its server, or by another server."""
    facts = {'volume': trove.volume(instance).id, 'server': ordinary}
    path = string.Template(path).substitute(facts)
    body = body and json.loads(
        string.Template(json.dumps(body)).substitute(facts))
    for who in ('owner', 'manager'):
        answer = trove.scene.ask(who, method, path, body)
        # Of a volume of another project Nova is asked as of one that is not
        # there; it makes a 500 of Cinder's 404 where a snapshot is wanted.
        assert answer.status_code in (403, 404, 500), answer.text
        assert facts['volume'] not in repr(
            witness.dispatches(answer.headers['x-openstack-request-id']))
    assert trove.volume(instance).status == 'in-use'
    assert len(trove.volume(instance).attachments) == 1


def test_the_owner_can_t_unlock_it_without_the_guard_either(trove, server):
    answer = trove.scene.ask('owner', 'POST', f'/servers/{server}/action',
                             {'unlock': None}, region=state.UNGUARDED)
    assert answer.status_code in (403, 404)
    assert trove.is_locked(server)


def test_a_server_is_locked_long_before_its_database_is_ready(
        trove, witness):
    with trove.cloud.faults(guest={'prepare': 'wait'}) as strikes:
        instance = trove.create('slow')
        strikes.wait()
        server = trove.server_id(instance)
        trove.await_locked(server)
        assert trove.instances.get(instance).status == 'BUILD'
    with trove.changes(server) as changes:
        trove.healthy(instance)
    assert changes == []
    trove.discard(instance)


def test_resize_flavor(trove, instance, server):
    with trove.changes(server) as changes:
        trove.instances.resize_instance(instance, trove.flavor('m1.small'))
        shown = trove.healthy(instance)
        trove.await_locked(server)
    assert shown.flavor['id'] == trove.flavor('m1.small')
    assert changes == ['_unlock', '_resize', '_confirm_resize', '_lock']
    shown = trove.server(instance)
    assert (shown.status, shown.flavor['original_name']) == (
        'ACTIVE', 'm1.small')


def test_resize_volume(trove, instance, server):
    with trove.changes(server) as changes:
        trove.instances.resize_volume(instance, 2)
        assert trove.healthy(instance).volume['size'] == 2
        trove.await_locked(server)
    assert changes == RESIZE_VOLUME[trove.deployment]
    volume = trove.volume(instance)
    assert (volume.status, volume.size) == ('in-use', 2)


def test_restart(trove, instance, server):
    with trove.changes(server) as changes:
        trove.instances.restart(instance)
        trove.healthy(instance)
    assert changes == []


def test_reboot(trove, instance, server):
    with trove.changes(server) as changes:
        trove.operator.reboot(instance)
        trove.healthy(instance)
        trove.await_locked(server)
    assert changes == ['_unlock', '_reboot', '_lock']
    assert trove.server(instance).status == 'ACTIVE'


def test_rebuild(trove, instance, server):
    image = trove.image('cirros')
    with trove.changes(server) as changes:
        trove.operator.rebuild(instance, image)
        trove.healthy(instance)
        trove.await_locked(server)
    assert changes == ['_unlock', '_rebuild', '_lock']
    assert trove.server(instance).image.id == image


def test_upgrade(trove, instance, server):
    version = content.VERSIONS[1]
    with trove.changes(server) as changes:
        trove.instances.upgrade(instance, trove.version(version))
        assert trove.healthy(instance).datastore['version'] == version
    assert changes == []


def test_create_replica(trove, instance, replica):
    assert trove.healthy(replica).replica_of['id'] == instance
    assert [one['id'] for one in trove.healthy(instance).replicas] == [
        replica]
    trove.await_locked(trove.server_id(replica))


def test_promote_to_replica_source(trove, instance, server, replica):
    with trove.changes(server) as changes:
        trove.instances.promote_to_replica_source(replica)
        assert trove.healthy(instance).replica_of['id'] == replica
    assert not hasattr(trove.healthy(replica), 'replica_of')
    assert changes == []


def test_eject_replica_source(cloud, trove, instance, replica):
    def eject():
        try:
            trove.instances.eject_replica_source(replica)
        except exceptions.BadRequest as refusal:
            assert 'has a current heartbeat' in str(refusal)
            return False
        return True

    with cloud.faults(guest={'heartbeat': 'error'}):
        databases.await_condition(eject, bool)
    assert not hasattr(trove.healthy(instance), 'replica_of')
    assert not hasattr(trove.healthy(replica), 'replicas')


def test_detach_replica(trove, instance):
    replica = trove.replicate('short-lived', instance)
    trove.healthy(replica)
    trove.instances.update(replica, detach_replica_source=True)
    assert not hasattr(trove.healthy(replica), 'replica_of')
    trove.discard(replica)


def test_delete(trove, instance, server, replica):
    servers = [trove.server(one) for one in (instance, replica)]
    volumes = [trove.volume(one) for one in (instance, replica)]
    with trove.changes(server) as changes:
        for one in (instance, replica):
            trove.instances.delete(one)
        for one in (instance, replica):
            trove.await_end(one)
    assert changes == ['_unlock', 'delete']
    admin = trove.cloud.connection('admin')
    assert not [server for server in servers
                if admin.compute.find_server(server.id, all_projects=True)]
    assert not [volume for volume in volumes
                if admin.block_storage.find_volume(
                    volume.id, all_projects=True)]


def test_the_log_and_the_notifications_tell_of_it(trove, server):
    log = trove.log()
    for line in (f'Opened the window of server {server} for resize_flavor.',
                 f'Closed the window of server {server} for resize_flavor '
                 'after ',
                 '"trove_guard.window.opened"',
                 '"trove_guard.window.closed"'):
        assert line in log
    assert 'can\'t be notified' not in log


@pytest.mark.parametrize('region', [state.GUARDED, state.UNGUARDED])
def test_nova_attaches_a_volume(cloud, ordinary, region):
    owner = cloud.connection('owner', region)

    def await_status(volume, status):
        return owner.block_storage.wait_for_status(
            volume, status, interval=databases.PAUSE_SECONDS / 4)

    volume = await_status(owner.block_storage.create_volume(size=1),
                          'available')
    owner.compute.create_volume_attachment(ordinary, volume_id=volume.id)
    volume = await_status(volume, 'in-use')
    assert [attachment['server_id'] for attachment in volume.attachments] == [
        ordinary]
    owner.compute.delete_volume_attachment(ordinary, volume)
    owner.block_storage.delete_volume(await_status(volume, 'available'))
