# SPDX-License-Identifier: Apache-2.0
"""What Trove's database records of instances, for tests that wait for it.

A row costs little. Trove's API asks Nova, Neutron and the guest for each
answer.
"""

import collections

import sqlalchemy
from trove.instance import tasks

Row = collections.namedtuple(
    'Row', 'server volume task deleted flavor size source service faults')
READ = sqlalchemy.text("""
SELECT compute_instance_id, volume_id, task_id, deleted, flavor_id,
       volume_size, slave_of_id,
       (SELECT status_id FROM service_statuses WHERE instance_id = one.id),
       (SELECT count(*) FROM instance_faults WHERE instance_id = one.id)
FROM instances AS one WHERE id = :instance
""")
NO_TASK = tasks.InstanceTasks.NONE
END_TASK = sqlalchemy.text("""
UPDATE instances SET task_id = :code, task_description = :description
WHERE id = :instance
""").bindparams(code=NO_TASK.code, description=NO_TASK.db_text)
END_FAULTS = sqlalchemy.text(
    'DELETE FROM instance_faults WHERE instance_id = :instance')
DELETE = sqlalchemy.text("""
UPDATE instances SET deleted = 1, deleted_at = CURRENT_TIMESTAMP
WHERE id = :instance
""")
BUSY = frozenset(task.code for task in (
    tasks.InstanceTasks.BUILDING, tasks.InstanceTasks.RESIZING,
    tasks.InstanceTasks.REBOOTING, tasks.InstanceTasks.UPGRADING,
    tasks.InstanceTasks.PROMOTING, tasks.InstanceTasks.EJECTING,
    tasks.InstanceTasks.DETACHING))


class TroveRows:
    """Reads and corrects the rows of a deployment's instances.

    :param url: the URL of its database, for SQLAlchemy
    """

    def __init__(self, url):
        self._engine = sqlalchemy.create_engine(url)

    def of(self, instance):
        """Return the Row of an instance; there is one even of deleted ones."""
        with self._engine.connect() as trove:
            return Row._make(trove.execute(
                READ, {'instance': instance}).one())

    def end_tasks(self, instance):
        """Record that no task of an instance is under way or has failed."""
        with self._engine.begin() as trove:
            trove.execute(END_TASK, {'instance': instance})
            trove.execute(END_FAULTS, {'instance': instance})

    def move(self, instance, region):
        """Record that an instance's server is in a region."""
        with self._files.open_database(
                self._deployment, 'rw') as trove, trove:
            trove.execute('UPDATE instances SET region_id = ? WHERE id = ?',
                          [region, instance])

    def delete(self, instance):
        """Record that an instance is gone; its guest ends."""
        with self._engine.begin() as trove:
            trove.execute(DELETE, {'instance': instance})


def is_busy(row):
    """Return whether a task is under way that has not failed so far.

    :param row: a Row
    """
    return row.task in BUSY and not (row.deleted or row.faults)
