# SPDX-License-Identifier: Apache-2.0
"""Delete the server of a database instance, or fail visibly.

If Nova does not delete the server of a database instance, Trove's own task
manager deletes the database instance all the same, and leaves server, volume
and ports behind (trove.instance.models.BaseInstance._delete_resources). So
this module deletes the server before Trove begins.
"""

from novaclient import exceptions as nova_exceptions
from oslo_log import log as logging
import tenacity
from trove.common import cfg
from trove.common import clients
from trove.common import context as contexts
from trove.common import exception
from trove.common import utils
from trove.instance import models as instance_models
from trove.taskmanager import models

from nova_trove_guard.trove import instances
from nova_trove_guard.trove import windows

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# As trove.instance.models.BaseInstance._delete_resources.
POLL_SECONDS = 2


def delete_server(context: contexts.TroveContext, instance_id: str,
                  nova: windows.Windows) -> None:
    """Delete the server of a database instance, and wait until it is deleted.

    :raises windows.ServerHeld: if an operator has locked it
    :raises Exception: if Nova refuses, fails, also later, or takes longer than
        server_delete_time_out
    """
    try:
        instance = models.BuiltInstanceTasks.load(context, instance_id)
    except exception.UnprocessableEntity:
        LOG.info('Database instance %s has no server.', instance_id)
        return
    # Check for an operator's lock before the database stops.
    nova.check_not_held(instance.server_id)
    LOG.info('Deleting server %s of database instance %s.',
             instance.server_id, instance_id)
    _stop_database(instance)
    try:
        instance.server.delete()
    except nova_exceptions.NotFound:
        return
    utils.poll_until(
        lambda: _is_gone(instance), sleep_time=POLL_SECONDS,
        time_out=CONF.server_delete_time_out)


def _stop_database(instance: models.BuiltInstanceTasks) -> None:
    """Try to stop the database in those states in which Trove stops it."""
    if not instance.server_status_matches(['ACTIVE', 'SHUTDOWN'],
                                          server=instance):
        return
    try:
        instance.guest.stop_db()
    except Exception as error:
        LOG.warning('Could not stop the database of instance %s before its '
                    'deletion: %s', instance.id, error)


def _is_gone(instance: models.BuiltInstanceTasks) -> bool:
    """Return whether Nova has deleted a server.

    :raises trove.common.exception.TroveError: if Nova has given up
    """
    try:
        server = instance.nova_client.servers.get(instance.server_id)
    except nova_exceptions.NotFound:
        return True
    except Exception as error:
        LOG.warning('Could not check whether server %s is deleted; trying '
                    'again: %s', instance.server_id, error)
        return False
    # Nova resets the task state when a deletion fails
    # (nova.compute.manager.ComputeManager.terminate_instance).
    if (server.status == 'ERROR' and
            getattr(server, 'OS-EXT-STS:task_state') is None):
        raise exception.TroveError('Nova has failed to delete it')
    # Nova shows a server as DELETED for a moment before it is gone
    # (nova.compute.manager.ComputeManager._delete_instance). Trove would
    # ask Nova to delete it a second time.
    status: str = server.status
    return status == 'SOFT_DELETED'


def restore_quota(context: contexts.TroveContext, instance_id: str,
                  seconds: float) -> None:
    """Count the resources of an instance as in use after a failed deletion.

    Trove's API releases them when it accepts the call
    (trove.instance.models.BaseInstance.delete). Never raises.

    :param seconds: how long to retry Nova, which is asked for the flavor
    """
    patience = tenacity.Retrying(
        stop=tenacity.stop_before_delay(seconds),
        wait=tenacity.wait_exponential(multiplier=0.5, max=10), reraise=True)
    try:
        instance = instance_models.DBInstance.find_by(
            id=instance_id, deleted=False)
        instances.count_quota(instance.tenant_id, instances=1,
                             volumes=instance.volume_size or 0)
        flavor = patience(
            clients.create_nova_client(
                context, region_name=instance.region_id).flavors.get,
            instance.flavor_id)
        instances.count_quota(instance.tenant_id, ram=flavor.ram)
    except Exception:
        LOG.exception('Could not restore the quota usage of database instance '
                      '%s, whose deletion failed. The usage of its project is '
                      'now too low: correct it in table quota_usages of '
                      'Trove\'s database.', instance_id)
