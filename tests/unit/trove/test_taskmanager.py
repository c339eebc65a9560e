# SPDX-License-Identifier: Apache-2.0
"""The task manager: operations, operators' locks, and failed deletions."""

import threading
import types

import pytest
from trove.common import exception
from trove.taskmanager import manager

from nova_trove_guard.trove import client
from nova_trove_guard.trove import deletion
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import reconciler
from nova_trove_guard.trove import taskmanager
from nova_trove_guard.trove import windows
from tests.unit.trove import made_up_nova
from tests.unit.trove.made_up_nova import INSTANCE
from tests.unit.trove.made_up_nova import SERVER

# All calls of Trove 26.
CALLS = ('resize_volume', 'resize_flavor', 'reboot', 'restart', 'migrate',
         'detach_replica', 'promote_to_replica_source',
         'eject_replica_source', 'rebuild', 'delete_instance',
         'delete_backup', 'create_backup', 'create_instance', 'upgrade',
         'update_access', 'create_cluster', 'grow_cluster',
         'shrink_cluster', 'restart_cluster', 'upgrade_cluster',
         'delete_cluster', 'reapply_module')
WINDOW = [('unlock', SERVER), ('lock', SERVER)]


class Notification:
    """Stands for a notification of Trove's API.

    :ivar ends: how it has ended
    """

    server_type = 'taskmanager'

    def __init__(self):
        self.payload = {}
        self.ends = []

    def notify_end(self):
        self.ends.append('end')

    def notify_exc_info(self, message, _exception):
        self.ends.append(message)


@pytest.fixture
def context():
    return types.SimpleNamespace(notification=Notification())


@pytest.fixture
def settings(monkeypatch):
    """Return the options."""
    settings = types.SimpleNamespace(
        trove_managed_instances=True, reconcile_interval=60,
        lock_timeout=7)
    monkeypatch.setattr(taskmanager.opts, 'register', lambda conf: settings)
    return settings


@pytest.fixture
def nova():
    return made_up_nova.Nova()


@pytest.fixture
def here(monkeypatch, settings, nova):
    """Return the windows of this process."""
    here = windows.Windows(nova, made_up_nova.Events(), 0.1, 60)
    monkeypatch.setattr(client, 'get_windows', lambda region: here)
    monkeypatch.setattr(reconciler, 'keep_running', lambda *arguments: None)
    return here


@pytest.fixture
def recorded(monkeypatch):
    """Return what is recorded in Trove's database."""
    recorded = []
    monkeypatch.setattr(
        instances, 'location',
        lambda instance: instances.Location(SERVER, 'here'))
    for name in ('save_fault', 'end_task', 'fail_delete',
                 'release_resize'):
        monkeypatch.setattr(
            instances, name,
            lambda *arguments, name=name: recorded.append((name, *arguments)))
    monkeypatch.setattr(
        deletion, 'restore_quota', lambda context, *arguments:
        recorded.append(('restore_quota', *arguments)))
    return recorded


@pytest.fixture
def change(here):
    """Return a function that changes the server, as Trove's code does."""
    def change(context):
        context.trove_guard_operation.open(here, SERVER)

    return change


def served(monkeypatch, name, work):
    """Have Trove's own task manager do some work for a call."""
    monkeypatch.setattr(manager.Manager, name, work)
    return getattr(taskmanager.Manager(), name)


@pytest.mark.parametrize('call', CALLS)
def test_each_call_is_an_operation(
        monkeypatch, nova, context, change, recorded, call):
    def work(self, context, instance_id):
        operation = context.trove_guard_operation
        assert operation.name == call
        assert operation.database_instance == INSTANCE
        change(context)
        return operation

    monkeypatch.setattr(deletion, 'delete_server', lambda *arguments: None)
    served(monkeypatch, call, work)(context, instance_id=INSTANCE)
    assert nova.calls == WINDOW
    assert context.trove_guard_operation is None
    assert recorded == []


def test_there_are_no_more_calls():
    assert set(taskmanager._calls(manager.Manager)) == set(CALLS)


def test_a_failing_call_ends_locked(
        monkeypatch, nova, context, change, recorded):
    def work(self, context, instance_id):
        change(context)
        raise ValueError('the guest does not respond')

    with pytest.raises(ValueError):
        served(monkeypatch, 'reboot', work)(context, instance_id=INSTANCE)
    assert nova.calls == WINDOW
    assert context.trove_guard_operation is None


def test_a_call_within_a_call_is_a_part_of_it(
        monkeypatch, nova, context, change, recorded):
    def outer(self, context, instance_id):
        self.restart(context, instance_id=instance_id)
        change(context)

    monkeypatch.setattr(manager.Manager, 'restart',
                        lambda self, context, instance_id: change(context))
    served(monkeypatch, 'upgrade', outer)(context, instance_id=INSTANCE)
    assert nova.calls == [WINDOW[0], *WINDOW]


def test_a_datastore_s_own_call_is_an_operation(
        monkeypatch, nova, context, change):
    def work(context, cluster_id):
        change(context)

    monkeypatch.setattr(manager.Manager, '__getattr__',
                        lambda self, name: work)
    taskmanager.Manager().mongodb_add_shard_cluster(
        context, cluster_id='cluster')
    assert nova.calls == WINDOW


def test_a_call_that_a_subclass_adds_is_an_operation(
        here, nova, context, change):
    class Vendor(taskmanager.Manager):
        def relocate(self, context, instance_id):
            change(context)

    Vendor().relocate(context, instance_id=INSTANCE)
    assert nova.calls == WINDOW


def test_several_replicas_are_one_operation(
        monkeypatch, here, context, recorded):
    def work(self, context, instance_id):
        return context.trove_guard_operation.database_instance

    assert served(monkeypatch, 'create_instance', work)(
        context, instance_id=[INSTANCE, 'another']) == INSTANCE


# Operators' locks.

@pytest.mark.parametrize('call', sorted(taskmanager.CHANGES))
def test_the_lock_of_an_operator_fails_a_change_before_it_begins(
        monkeypatch, nova, context, recorded, call, here):
    def work(self, context, instance_id):
        pytest.fail('Trove has begun, and stopped the database')

    nova.change(SERVER, lock_reason='new disks')
    fault = f'Server {SERVER} is locked by an operator: new disks'
    with pytest.raises(exception.TroveError, match='new disks'):
        served(monkeypatch, call, work)(context, instance_id=INSTANCE)
    assert recorded == [('release_resize', INSTANCE,
                         {'instance_id': INSTANCE}),
                        ('end_task', INSTANCE),
                        ('save_fault', INSTANCE, fault)]
    assert context.notification.ends == [fault]
    assert nova.calls == []


def test_what_needs_no_server_goes_on_beside_it(
        monkeypatch, nova, context, recorded, here):
    nova.change(SERVER, lock_reason='new disks')
    assert served(monkeypatch, 'restart', lambda *_, **__: 'done')(
        context, instance_id=INSTANCE) == 'done'


def test_a_nova_that_cannot_be_asked_is_trove_s_to_find_out(
        monkeypatch, nova, context, recorded, here, caplog):
    def show(server_id):
        raise OSError('Nova is down')

    nova.show = show
    assert served(monkeypatch, 'reboot', lambda *_, **__: 'done')(
        context, instance_id=INSTANCE) == 'done'
    assert 'Could not check whether the server' in caplog.text
    assert recorded == []


def test_a_call_without_notification_fails_as_well(
        monkeypatch, nova, recorded, here):
    nova.change(SERVER, lock_reason='new disks')
    with pytest.raises(exception.TroveError, match='new disks'):
        served(monkeypatch, 'rebuild', lambda *_, **__: 'done')(
            types.SimpleNamespace(), instance_id=INSTANCE)


# Deletions.

def test_a_server_is_deleted_before_trove_deletes_the_rest(
        monkeypatch, here, context, recorded):
    done = []
    monkeypatch.setattr(deletion, 'delete_server',
                        lambda context, instance, _: done.append(instance))
    served(monkeypatch, 'delete_instance',
           lambda *_, instance_id=None: None)
    monkeypatch.setattr(manager.Manager, 'delete_instance',
                        lambda self, context, instance: done.append('rest'))
    taskmanager.Manager().delete_instance(context, instance_id=INSTANCE)
    assert done == [INSTANCE, 'rest']


@pytest.mark.parametrize('error', [
    exception.TroveError('Nova has failed'), OSError('Nova has failed'),
    windows.ServerHeld('Nova has failed')])
def test_a_failed_deletion_is_visible_and_gives_no_quota_back(
        monkeypatch, here, context, recorded, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(deletion, 'delete_server', fail)
    monkeypatch.setattr(manager.Manager, 'delete_instance',
                        lambda *_: pytest.fail('Trove forgets the server'))
    with pytest.raises(exception.TroveError, match='Nova has failed'):
        taskmanager.Manager().delete_instance(context, instance_id=INSTANCE)
    fault = f'Server {SERVER} could not be deleted: Nova has failed'
    assert recorded == [('fail_delete', INSTANCE),
                        ('restore_quota', INSTANCE, 7),
                        ('save_fault', INSTANCE, fault)]
    assert context.notification.ends == [fault]


def test_an_instance_without_a_server_is_trove_s_to_delete(
        monkeypatch, here, context):
    done = []
    monkeypatch.setattr(instances, 'location', lambda instance: None)
    monkeypatch.setattr(manager.Manager, 'delete_instance',
                        lambda self, context, instance: done.append('rest'))
    taskmanager.Manager().delete_instance(context, instance_id=INSTANCE)
    assert done == ['rest']


# The reconciler.

def test_the_reconciler_runs_in_a_thread_of_its_own(monkeypatch, settings):
    started = threading.Event()
    arguments = []

    def keep_running(*given):
        arguments.extend(given)
        started.set()

    monkeypatch.setattr(reconciler, 'keep_running', keep_running)
    taskmanager.Manager()
    assert started.wait(10)
    assert arguments == [client.reconcile_regions, 60]


def test_off_it_is_trove_s_own(monkeypatch, settings, context):
    settings.trove_managed_instances = False
    monkeypatch.setattr(reconciler, 'keep_running',
                        lambda *_: pytest.fail('the reconciler runs'))
    monkeypatch.setattr(deletion, 'delete_server',
                        lambda *_: pytest.fail('a server is deleted'))
    monkeypatch.setattr(manager.Manager, 'delete_instance',
                        lambda self, context, instance: 'done')
    task_manager = taskmanager.Manager()
    for call in set(CALLS) - {'delete_instance'}:
        assert getattr(task_manager, call).__func__ is getattr(
            manager.Manager, call)
    task_manager.delete_instance(context, instance_id=INSTANCE)
