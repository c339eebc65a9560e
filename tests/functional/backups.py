# SPDX-License-Identifier: Apache-2.0
"""Backups of database instances: snapshots of their volumes in Cinder."""

from troveclient import exceptions

from tests.functional import databases

# While Trove works on a backup (trove.backup.state.BackupState).
RUNNING = ('NEW', 'BUILDING', 'SAVING')


def create(trove, name, instance):
    """Make a backup of an instance.

    :param trove: a databases.Trove
    :param name: the backup's name
    :param instance: the instance's id
    :returns: the backup, which is complete
    """
    backup = trove.owner.backups.create(name, instance)
    backup = databases.await_condition(
        lambda: trove.owner.backups.get(backup.id),
        lambda backup: backup.status not in RUNNING,
        databases.SHORT_PAUSE_SECONDS)
    assert backup.status == 'COMPLETED'
    return backup


def delete(trove, backup):
    """Delete a backup, and wait until it is gone.

    :param trove: a databases.Trove
    :param backup: what create() returned
    """
    def is_gone():
        try:
            trove.owner.backups.get(backup.id)
        except exceptions.NotFound:
            return True
        return False

    trove.owner.backups.delete(backup.id)
    databases.await_condition(is_gone, bool, databases.SHORT_PAUSE_SECONDS)


def snapshot(backup):
    """Return the id of the snapshot that a backup is."""
    scheme, _, snapshot = backup.locationRef.partition('://')
    assert scheme == 'cinder'
    return snapshot
