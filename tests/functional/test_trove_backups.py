# SPDX-License-Identifier: Apache-2.0
"""Backup and restore: what they ask of Nova, and where data comes from.

The tests of a deployment stand in the order in which they happen.
"""

import pytest

from tests.functional import backups
from tests.functional import databases


@pytest.fixture(scope='module', params=databases.each_deployment('upkeep'))
def trove(request, troves):
    """Return the Trove of each deployment."""
    return troves[request.param]


@pytest.fixture(scope='module')
def server(trove, instance):
    """Return the id of the instance's server."""
    return trove.server_id(instance)


@pytest.fixture(scope='module')
def backup(trove, instance, server):
    """Return a complete backup of the instance."""
    with trove.changes(server) as changes:
        backup = backups.create(trove, 'backup', instance)
        trove.healthy(instance)
    assert changes == []
    return backup


@pytest.fixture(scope='module')
def block_storage(cloud):
    """Return Cinder as an admin sees it."""
    return cloud.connection('admin').block_storage


def test_backup(trove, instance, server, backup, block_storage):
    snapshot = block_storage.get_snapshot(backups.snapshot(backup))
    assert (snapshot.status, snapshot.volume_id) == (
        'available', trove.volume(instance).id)
    assert trove.is_locked(server)


def test_restore(trove, instance, server, backup, tenant):
    with trove.all_changes() as changes:
        restored = trove.restore('restored', backup.id)
        newborn = trove.await_server_id(restored)
        tenant.attack(newborn)
        trove.healthy(restored)
        trove.await_locked(newborn)
    assert changes[newborn] == ['_lock']
    assert changes[server] == []
    volume = trove.volume(restored)
    assert volume.snapshot_id == backups.snapshot(backup)
    assert [attachment['server_id'] for attachment in volume.attachments] == [
        newborn]
    # Not of the instance whose volume the snapshot is of.
    assert volume.metadata['trove_instance_id'] == restored
    assert trove.server(restored).metadata['trove_instance_id'] == restored
    trove.discard(restored)


def test_delete_backup(trove, server, backup, block_storage):
    with trove.changes(server) as changes:
        backups.delete(trove, backup)
        # Cinder goes on when it has answered.
        databases.await_condition(
            lambda: block_storage.find_snapshot(
                backups.snapshot(backup), all_projects=True),
            lambda snapshot: snapshot is None,
            databases.SHORT_PAUSE_SECONDS)
    assert changes == []
    assert trove.is_locked(server)
