# SPDX-License-Identifier: Apache-2.0
"""Trove's task manager with windows, for taskmanager_manager of trove.conf."""

import functools

from oslo_service import periodic_task
from trove.common import cfg
from trove.common import exception
from trove.taskmanager import manager

from nova_trove_guard.trove import client
from nova_trove_guard.trove import events
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import opts
from nova_trove_guard.trove import reconciler
from nova_trove_guard.trove import sessions
from nova_trove_guard.trove import windows

CONF = cfg.CONF


class Manager(manager.Manager):
    """Runs each call of Trove's API as a TroveOperation, and the reconciler.

    While trove_managed_instances is off it is Trove's own task manager.
    """

    def __init__(self):
        super().__init__()
        self._is_on = opts.register(CONF).trove_managed_instances
        if not self._is_on:
            return
        for name, method in _calls(self):
            setattr(self, name, _as_operation(name, method))
        self._reconciler = reconciler.Reconciler(
            client.process_compute(None), client.process_windows(None),
            events.Events(instances.save_fault), instances.is_known)

    def __getattr__(self, name):
        """Return a call of a datastore's own, such as add_shard_cluster."""
        method = super().__getattr__(name)
        return _as_operation(name, method) if self._is_on else method

    # The service runs all periodic tasks each report_interval
    # (trove.common.rpc.service.RpcService.start).
    @periodic_task.periodic_task(spacing=1, run_immediately=True)
    def lock_unlocked_servers(self, context):
        """Run the reconciler."""
        if self._is_on:
            self._reconciler.run()


def _calls(task_manager):
    """Return (name, method) of each call that Trove's API can make.

    oslo.messaging dispatches to all public methods; what is not periodic of
    trove.taskmanager.manager.Manager takes the TroveContext first.
    """
    return [(name, getattr(task_manager, name))
            for name, function in vars(manager.Manager).items()
            if callable(function) and not name.startswith('_')
            and not hasattr(function, '_periodic_task')]


def _as_operation(name, method):
    """Return a method of the task manager that runs in a TroveOperation.

    A method that another calls with the same context is a part of it.
    """
    @functools.wraps(method)
    def run(context, *args, **kwargs):
        if getattr(context, sessions.OPERATION, None) is not None:
            return method(context, *args, **kwargs)
        instance_id = kwargs.get('instance_id')
        if isinstance(instance_id, list):
            instance_id = instance_id[0]
        try:
            with windows.TroveOperation(
                    client.process_windows(None), name,
                    instance_id) as operation:
                setattr(context, sessions.OPERATION, operation)
                try:
                    return method(context, *args, **kwargs)
                finally:
                    # A thread that outlives it has windows of its own.
                    setattr(context, sessions.OPERATION, None)
        except sessions.DeleteFailed as failure:
            instances.delete_failed(instance_id)
            raise exception.TroveError(str(failure)) from failure

    return run
