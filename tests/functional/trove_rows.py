# SPDX-License-Identifier: Apache-2.0
"""What Trove's database records of instances, for tests that wait for it.

A row costs little. Trove's API asks Nova, Neutron and the guest for each
answer.
"""

import collections

from trove.instance import tasks

from tests.cloud import layout

Row = collections.namedtuple(
    'Row', 'server volume task deleted flavor size source service faults')
READ = """
SELECT compute_instance_id, volume_id, task_id, deleted, flavor_id,
       volume_size, slave_of_id,
       (SELECT status_id FROM service_statuses WHERE instance_id = one.id),
       (SELECT count(*) FROM instance_faults WHERE instance_id = one.id)
FROM instances AS one WHERE id = ?
"""
NO_TASK = tasks.InstanceTasks.NONE
BUSY = frozenset(task.code for task in (
    tasks.InstanceTasks.BUILDING, tasks.InstanceTasks.RESIZING,
    tasks.InstanceTasks.REBOOTING, tasks.InstanceTasks.UPGRADING,
    tasks.InstanceTasks.PROMOTING, tasks.InstanceTasks.EJECTING,
    tasks.InstanceTasks.DETACHING))


class TroveRows:
    """Reads and corrects the rows of a deployment's instances.

    :param cloud: a tests.cloud.state.Cloud
    :param deployment: the deployment's name
    """

    def __init__(self, cloud, deployment):
        self._files = layout.Layout(cloud.root)
        self._deployment = deployment

    def of(self, instance):
        """Return the Row of an instance; there is one even of deleted ones."""
        with self._files.open_database(self._deployment) as trove:
            return Row._make(trove.execute(READ, [instance]).fetchone())

    def end_tasks(self, instance):
        """Record that no task of an instance is under way or has failed."""
        with self._files.open_database(
                self._deployment, 'rw') as trove, trove:
            trove.execute('UPDATE instances SET task_id = ?, '
                          'task_description = ? WHERE id = ?',
                          [NO_TASK.code, NO_TASK.db_text, instance])
            trove.execute('DELETE FROM instance_faults WHERE instance_id = ?',
                          [instance])

    def move(self, instance, region):
        """Record that an instance's server is in a region."""
        with self._files.open_database(
                self._deployment, 'rw') as trove, trove:
            trove.execute('UPDATE instances SET region_id = ? WHERE id = ?',
                          [region, instance])

    def delete(self, instance):
        """Record that an instance is gone; its guest ends."""
        with self._files.open_database(
                self._deployment, 'rw') as trove, trove:
            trove.execute('UPDATE instances SET deleted = 1, deleted_at = '
                          'CURRENT_TIMESTAMP WHERE id = ?', [instance])


def is_busy(row):
    """Return whether a task is under way that has not failed so far.

    :param row: a Row
    """
    return row.task in BUSY and not (row.deleted or row.faults)
