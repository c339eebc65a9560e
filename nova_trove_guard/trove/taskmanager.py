# SPDX-License-Identifier: Apache-2.0
"""Trove's task manager with windows, for taskmanager_manager of trove.conf."""

from collections import abc
import functools
import threading
import typing

from oslo_log import log as logging
from oslo_service import periodic_task
from trove.common import cfg
from trove.common import context as contexts
from trove.common import exception
from trove.common import notification
from trove.taskmanager import manager

from nova_trove_guard.trove import client
from nova_trove_guard.trove import deletion
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import opts
from nova_trove_guard.trove import reconciler
from nova_trove_guard.trove import sessions
from nova_trove_guard.trove import windows

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# The calls that change an instance's server, besides delete_instance. They
# stop the database first, so an operator's lock must make them fail earlier.
CHANGES = frozenset((
    'migrate', 'reboot', 'rebuild', 'resize_flavor', 'resize_volume'))


class Manager(manager.Manager):
    """Run each call of Trove's API as a TroveOperation, and the reconciler.

    While trove_managed_instances is false, this is Trove's own task manager.
    """

    def __init__(self) -> None:
        super().__init__()
        settings = opts.register(CONF)
        self._is_on = settings.trove_managed_instances
        if not self._is_on:
            return
        for name in _calls(type(self)):
            setattr(self, name, _as_operation(name, getattr(self, name)))
        threading.Thread(
            target=reconciler.keep_running,
            args=(client.reconcile_regions, settings.reconcile_interval),
            name='trove-guard-reconciler', daemon=True).start()

    def __getattr__(self, name: str) -> typing.Any:
        """Return a call that only a datastore has, such as add_shard_cluster.
        """
        method = super().__getattr__(name)
        return _as_operation(name, method) if self._is_on else method

    def delete_instance(self, context: contexts.TroveContext,
                        instance_id: str) -> None:
        """Delete a database instance, its server first.

        :raises trove.common.exception.TroveError: if the server is not
            deleted; the database instance is then in ERROR
        """
        if self._is_on:
            _delete_server(context, instance_id)
        super().delete_instance(context, instance_id)


def _calls(task_manager: type) -> list[str]:
    """Return the names of all calls that Trove's API can make.

    oslo.messaging dispatches to all public methods. All of them get the
    TroveContext as their first argument, except periodic tasks.
    """
    return [name for name in dir(task_manager)
            if not name.startswith('_') and
            not hasattr(periodic_task.PeriodicTasks, name) and
            callable(method := getattr(task_manager, name)) and
            not hasattr(method, '_periodic_task')]


def _as_operation(name: str, method: abc.Callable[..., typing.Any]
                  ) -> abc.Callable[..., typing.Any]:
    """Return a method of the task manager that runs in a TroveOperation.

    If another method calls it with the same context, it runs in the
    TroveOperation of that method.
    """
    @functools.wraps(method)
    def run(context: contexts.TroveContext, *args: typing.Any,
            **kwargs: typing.Any) -> typing.Any:
        if getattr(context, sessions.OPERATION, None) is not None:
            return method(context, *args, **kwargs)
        instance_id = kwargs.get('instance_id')
        if isinstance(instance_id, list):
            instance_id = instance_id[0]
        if name in CHANGES and instance_id is not None:
            _fail_if_held(context, instance_id, kwargs)
        with windows.TroveOperation(name, instance_id) as operation:
            setattr(context, sessions.OPERATION, operation)
            try:
                return method(context, *args, **kwargs)
            finally:
                # A thread that outlives the operation opens its own windows.
                setattr(context, sessions.OPERATION, None)

    return run


def _fail_if_held(context: contexts.TroveContext, instance_id: str,
                  arguments: dict[str, typing.Any]) -> None:
    """Fail an operation at once if an operator has locked its server.

    :param arguments: the arguments of the call
    :raises trove.common.exception.TroveError: if an operator has locked it
    """
    try:
        location = instances.location(instance_id)
        if location is not None:
            client.get_windows(location.region).check_not_held(location.server_id)
    except windows.ServerHeld as error:
        instances.release_resize(instance_id, arguments)
        instances.end_task(instance_id)
        _fail(context, instance_id, error)
    except Exception:
        # The operation then fails itself, as it does without the guard.
        LOG.exception('Could not check whether the server of database '
                      'instance %s is locked.', instance_id)


def _delete_server(context: contexts.TroveContext, instance_id: str) -> None:
    """Delete the server of a database instance.

    :raises trove.common.exception.TroveError: if it is not deleted
    """
    location = instances.location(instance_id)
    if location is None:
        return
    try:
        deletion.delete_server(context, instance_id,
                               client.get_windows(location.region))
    except Exception as error:
        instances.fail_delete(instance_id)
        deletion.restore_quota(context, instance_id,
                               opts.register(CONF).lock_timeout)
        _fail(context, instance_id, exception.TroveError(
            f'Server {location.server_id} could not be deleted: {error}'))


def _fail(context: contexts.TroveContext, instance_id: str,
          error: Exception) -> typing.NoReturn:
    """Save an error as the fault of a database instance, and raise it.

    :raises trove.common.exception.TroveError: always
    """
    instances.save_fault(instance_id, str(error))
    failure = exception.TroveError(str(error))
    if getattr(context, 'notification', None) is None:
        raise failure from error
    with notification.EndNotification(context, instance_id=instance_id):
        raise failure from error
