# SPDX-License-Identifier: Apache-2.0
"""The database instances of servers, from Trove's own database."""

from oslo_log import log as logging
from trove.common import exception
from trove.instance import models
from trove.instance import tasks

from nova_trove_guard.trove import locks

LOG = logging.getLogger(__name__)


def of_server(server_id):
    """Return the id of the database instance on a server, or None."""
    try:
        return models.DBInstance.find_by(
            compute_instance_id=server_id, deleted=False).id
    except exception.ModelNotFoundError:
        return None


def is_known(instance_id):
    """Return whether this Trove has, or had, a database instance."""
    try:
        models.DBInstance.find_by(id=instance_id)
    except exception.ModelNotFoundError:
        return False
    return True


def lock_reason(server_id):
    """Return the reason (str) for the lock of a server. Never raises."""
    try:
        instance_id = of_server(server_id)
    except Exception:
        # A lock without it is better than none.
        LOG.exception('The database instance on server %s can\'t be told.',
                      server_id)
        instance_id = None
    return locks.reason(instance_id)


def save_fault(server_id, message):
    """Show a message as the fault of the database instance on a server."""
    models.save_instance_fault(of_server(server_id), message, [])


def delete_failed(instance_id):
    """Show a database instance in error, whose server is still there.

    It can be deleted again.
    """
    instance = models.DBInstance.find_by(id=instance_id, deleted=False)
    instance.set_task_status(tasks.InstanceTasks.BUILDING_ERROR_SERVER)
    instance.save()
