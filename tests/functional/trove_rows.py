# SPDX-License-Identifier: Apache-2.0
"""What Trove's database records of instances, for tests that wait for it.

A row costs little. Trove's API asks Nova, Neutron and the guest for each
answer.
"""

import collections

import sqlalchemy
from trove.cluster import tasks as cluster_tasks
from trove.instance import service_status
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
Cluster = collections.namedtuple('Cluster', 'task deleted')
READ_CLUSTER = sqlalchemy.text(
    'SELECT task_id, deleted FROM clusters WHERE id = :cluster')
READ_MEMBERS = sqlalchemy.text("""
SELECT id FROM instances WHERE cluster_id = :cluster AND deleted = 0
ORDER BY created
""")
NO_TASK = tasks.InstanceTasks.NONE
GROWING_ERROR = tasks.InstanceTasks.GROWING_ERROR
NO_CLUSTER_TASK = cluster_tasks.ClusterTasks.NONE
END_TASK = sqlalchemy.text("""
UPDATE instances SET task_id = :code, task_description = :description
WHERE id = :instance
""").bindparams(code=NO_TASK.code, description=NO_TASK.db_text)
END_FAULTS = sqlalchemy.text(
    'DELETE FROM instance_faults WHERE instance_id = :instance')
END_CLUSTER_TASK = sqlalchemy.text(
    'UPDATE clusters SET task_id = :code WHERE id = :cluster').bindparams(
        code=NO_CLUSTER_TASK.code)
MOVE = sqlalchemy.text(
    'UPDATE instances SET region_id = :region WHERE id = :instance')
DELETE = sqlalchemy.text("""
UPDATE instances SET deleted = 1, deleted_at = CURRENT_TIMESTAMP
WHERE id = :instance
""")
BUSY = frozenset(task.code for task in (
    tasks.InstanceTasks.BUILDING, tasks.InstanceTasks.RESIZING,
    tasks.InstanceTasks.REBOOTING, tasks.InstanceTasks.UPGRADING,
    tasks.InstanceTasks.PROMOTING, tasks.InstanceTasks.EJECTING,
    tasks.InstanceTasks.DETACHING, tasks.InstanceTasks.UPDATING))


class TroveRows:
    """Reads and corrects the rows of a deployment's instances.

    :param url: the URL of its database, for SQLAlchemy
    """

    def __init__(self, url):
        self._engine = sqlalchemy.create_engine(url)

    def get(self, instance):
        """Return the Row of an instance; there is one even of deleted ones."""
        with self._engine.connect() as trove:
            return Row._make(trove.execute(
                READ, {'instance': instance}).one())

    def get_cluster(self, cluster):
        """Return the Cluster; there is one even of deleted ones."""
        with self._engine.connect() as trove:
            return Cluster._make(trove.execute(
                READ_CLUSTER, {'cluster': cluster}).one())

    def members(self, cluster):
        """Return the ids (list) of a cluster's instances, the oldest first."""
        with self._engine.connect() as trove:
            return list(trove.execute(
                READ_MEMBERS, {'cluster': cluster}).scalars())

    def end_cluster_task(self, cluster):
        """Record that no task of a cluster is under way."""
        with self._engine.begin() as trove:
            trove.execute(END_CLUSTER_TASK, {'cluster': cluster})

    def end_tasks(self, instance):
        """Record that no task of an instance is under way or has failed."""
        with self._engine.begin() as trove:
            trove.execute(END_TASK, {'instance': instance})
            trove.execute(END_FAULTS, {'instance': instance})

    def move(self, instance, region):
        """Record that an instance's server is in a region."""
        with self._engine.begin() as trove:
            trove.execute(MOVE, {'instance': instance, 'region': region})

    def delete(self, instance):
        """Record that an instance is gone; its guest ends."""
        with self._engine.begin() as trove:
            trove.execute(DELETE, {'instance': instance})


def is_healthy(row):
    """Return whether no task is under way, and the database is well.

    :param row: a Row
    """
    return (row.task, row.service) == (
        NO_TASK.code, service_status.ServiceStatuses.HEALTHY.code)


def has_failed(row):
    """Return whether the last task has failed.

    :param row: a Row
    """
    return tasks.InstanceTask.from_code(row.task).is_error


def is_busy(row):
    """Return whether a task is under way that has not failed so far.

    :param row: a Row
    """
    return row.task in BUSY and not (row.deleted or row.faults)
