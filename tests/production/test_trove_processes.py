# SPDX-License-Identifier: Apache-2.0
"""Trove's processes fail one by one, and its servers are locked all the same.

Two task managers share the work. One of them dies, or stops for a while, at
any step of an operation: the other one locks the server, without a restart.
"""

import contextlib
import dataclasses
import datetime
import operator
import time

import pytest

from tests.functional import cases
from tests.functional import databases
from tests.functional import test_trove_failures as failures
from tests.production import conftest
from tests.production import trove_processes

# In how many seconds a server is locked when its time is over: that of some
# looks of the reconciler, on a busy machine.
LOCKED_SECONDS = 30
PAUSE_SECONDS = databases.SHORT_PAUSE_SECONDS
GROUP = 'processes'


@pytest.fixture(scope='module')
def trove(request, scene, witness):
    """Return the Trove of a deployment, which runs as in production."""
    return trove_processes.Trove(
        scene, witness, trove_processes.Processes(scene.cloud, request.param))


each_deployment = pytest.mark.parametrize(
    'trove', databases.each_deployment(GROUP), indirect=True)


# What an operation asks of Nova.
CALLS = {
    failures.resize_flavor: ['_unlock', '_resize', '_confirm_resize',
                             '_lock'],
    failures.resize_volume: ['_unlock', 'delete', 'create', '_lock'],
    failures.reboot: ['_unlock', '_reboot', '_lock'],
    failures.rebuild: ['_unlock', '_rebuild', '_lock'],
}


@each_deployment
@pytest.mark.parametrize('number', [0, 1])
def test_each_api_has_each_operation_done(trove, number):
    trove.ask(trove.processes.urls[number])
    instance = trove.create('database')
    trove.healthy(instance)
    server = trove.server_id(instance)
    trove.await_locked(server)
    for operation, calls in CALLS.items():
        with trove.changes(server) as changes:
            operation(trove, instance)
            trove.healthy(instance)
            trove.await_locked(server)
        if (operation, trove.deployment) == (failures.resize_volume, 'trove'):
            # There Cinder resizes it, which needs no window.
            calls = []
        assert changes == calls, operation.__name__
    failures.delete(trove, instance)
    trove.await_end(instance)
    assert trove.scene.show(server) is None


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of an operation, before which it waits.

    :ivar operation: a function of a databases.Trove and an instance, which
        is None where the operation makes one
    :ivar name: what the step does
    :ivar faults: what has it wait there, as state.Cloud.faults() takes it
    :ivar is_open: whether the server is unlocked then, if there is one; None
        where it becomes active at that time, and is locked
    :ivar is_for_each: whether each test of it is for each deployment
    """

    operation: object
    name: str
    faults: dict
    is_open: bool | None = True
    is_for_each: bool = False

    def __str__(self):
        return f'{self.operation.__name__}, {self.name}'

    def is_for(self, deployment, usual):
        """Return whether a test of it is for a deployment.

        :param usual: the deployment that the test is for, by and large
        """
        if self.operation is failures.resize_volume:
            # Elsewhere Cinder resizes it, which needs no window.
            usual = 'trove-user'
        return self.is_for_each or deployment == usual

    @property
    def is_novas(self):
        """Whether Nova does it, even for a task manager that is gone."""
        return 'nova' in self.faults


def create(trove, _instance):
    return trove.create('database')


def nova(action=None, **entry):
    """Return the fault of a call of Nova's that waits."""
    return cases.nova(action, effect='wait', **entry)


def guest(call):
    """Return the fault of a call of the guest that waits."""
    return cases.guest('wait', **{call: 1})


EXTENSION = {'cinder': [{'method': 'POST', 'action': 'os-extend',
                         'effect': 'wait'}]}
ATTACHMENTS = failures.ATTACHMENTS
START = Step(failures.resize_flavor, 'start the database',
             guest('start_db_with_conf_changes'), is_for_each=True)
CONFIRM = Step(failures.resize_flavor, 'confirm the resize',
               nova('confirmResize'))
STEPS = (
    Step(create, 'create the server', nova(path='/servers$'),
         is_for_each=True),
    Step(create, 'prepare the guest', guest('prepare'), is_open=None),
    Step(create, 'lock', nova('lock')),
    Step(failures.resize_flavor, 'stop the database', guest('stop_db'),
         is_open=False),
    Step(failures.resize_flavor, 'unlock', nova('unlock'), is_open=False,
         is_for_each=True),
    Step(failures.resize_flavor, 'resize', nova('resize')),
    START,
    CONFIRM,
    Step(failures.resize_flavor, 'lock', nova('lock')),
    Step(failures.resize_volume, 'unmount the volume',
         guest('unmount_volume'), is_open=False),
    Step(failures.resize_volume, 'detach the volume',
         nova(method='DELETE', path=ATTACHMENTS)),
    Step(failures.resize_volume, 'extend the volume', EXTENSION),
    Step(failures.resize_volume, 'attach the volume', nova(path=ATTACHMENTS)),
    Step(failures.reboot, 'stop the database', guest('stop_db'),
         is_open=False),
    Step(failures.reboot, 'reboot', nova('reboot')),
    Step(failures.reboot, 'restart the database', guest('restart'),
         is_for_each=True),
    Step(failures.rebuild, 'rebuild', nova('rebuild'), is_for_each=True),
    Step(failures.rebuild, 'rebuild the guest', guest('rebuild')),
    Step(failures.rebuild, 'lock', nova('lock'), is_for_each=True),
    Step(failures.delete, 'stop the database', guest('stop_db'),
         is_open=False),
    Step(failures.delete, 'unlock', nova('unlock'), is_open=False),
    Step(failures.delete, 'delete the server',
         nova(method='DELETE', path='/servers/'), is_for_each=True),
)


def each_step(usual):
    """Return a mark for a test of each step.

    :param usual: the deployment that the test is for, by and large
    """
    return pytest.mark.parametrize('trove, step', [
        pytest.param(*deployment.values, step, marks=deployment.marks,
                     id=f'{deployment.values[0]}, {step}')
        for deployment in databases.each_deployment(GROUP) for step in STEPS
        if step.is_for(deployment.values[0], usual)], indirect=['trove'],
        # Otherwise pytest ends the deployment after each test.
        scope='module')


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation that waits at a step.

    :ivar step: the Step
    :ivar instance: the id of its instance
    :ivar server: the id of its server, None if Trove does not know it
    :ivar worker: the host of the task manager that works on it
    :ivar mark: the trove's mark of when it began to wait
    """

    step: Step
    instance: str
    server: str | None
    worker: str
    mark: int


@contextlib.contextmanager
def waiting(trove, step):
    """Begin an operation, and have it wait at a step while in the context.

    In the end the step goes on, if there is anybody left who does it.

    :returns: (yields) the Operation, when both task managers are up
    """
    trove.ask_another()
    taken = None if step.operation is create else trove.take()
    began = datetime.datetime.now()
    with trove.cloud.faults(**step.faults) as strikes:
        instance = step.operation(trove, taken) or taken
        strikes.wait()
        server = trove.server_id(instance)
        assert None in (server, step.is_open) or (
            trove.is_locked(server) != step.is_open)
        trove.processes.await_task_managers()
        yield Operation(step, instance, server,
                        trove.worker(instance, began), trove.mark())


def await_closed(trove, operation):
    """Wait until a server is not unlocked any more.

    The time passes in which an operation may hold it unlocked.

    :param operation: an Operation whose step goes on without its task
        manager
    :returns: the id of the server, and how many seconds it took, from now or
        from when Nova has begun to do the step
    """
    server, step = operation.server, operation.step
    began = time.monotonic()
    if server is None:
        server = databases.await_condition(
            lambda: trove.marked_server(operation.instance), bool)
    elif step.is_novas:
        databases.await_condition(
            lambda: trove.has_changed(server, operation.mark), bool,
            PAUSE_SECONDS)
        if not step.is_open:
            # What Nova does is to unlock it.
            databases.await_condition(
                lambda: trove.is_locked(server), operator.not_,
                PAUSE_SECONDS)
        began = time.monotonic()
    trove.await_relocked(server)
    return server, time.monotonic() - began


@each_step('trove-user')
def test_another_task_manager_locks_for_a_killed_one(
        trove, step, record_property):
    with waiting(trove, step) as operation:
        trove.processes.kill_task_manager(operation.worker)
    try:
        server, seconds = await_closed(trove, operation)
    finally:
        # It is up when the next test needs it.
        trove.processes.spawn_task_manager(operation.worker)
    record_property(conftest.UNLOCKED,
                    (trove.deployment, str(step), 'killed', seconds))
    if trove.server_id(operation.instance) is None:
        trove.scene.remove([server])
    else:
        trove.keep(operation.instance)
    assert seconds < LOCKED_SECONDS


@each_step('trove')
def test_another_task_manager_locks_while_one_is_stopped(
        trove, step, record_property):
    with contextlib.ExitStack() as stopped:
        with waiting(trove, step) as operation:
            stopped.enter_context(
                trove.processes.paused_task_manager(operation.worker))
        server, seconds = await_closed(trove, operation)
    record_property(conftest.UNLOCKED,
                    (trove.deployment, str(step), 'stopped', seconds))
    # It unlocks the server again, where Nova refuses what it asks.
    assert_succeeds(trove, operation)
    trove.await_closed(server)
    trove.keep(operation.instance)
    assert seconds < LOCKED_SECONDS


@each_deployment
@pytest.mark.parametrize('step', [START, CONFIRM], ids=str)
def test_killed_task_managers_lock_after_their_restart(trove, step):
    with waiting(trove, step) as operation:
        for host in trove_processes.HOSTS:
            trove.processes.kill_task_manager(host)
    for host in trove_processes.HOSTS:
        trove.processes.spawn_task_manager(host)
    trove.await_relocked(operation.server)
    trove.keep(operation.instance)


def assert_succeeds(trove, operation):
    """Wait for the end of an operation, and assert that it has succeeded."""
    shown = trove.ended(operation.instance)
    assert (shown is None) == (operation.step.operation is failures.delete)
    assert shown is None or shown.status == 'ACTIVE'
    assert getattr(shown, 'fault', None) is None


@each_deployment
def test_an_operation_goes_on_when_rabbitmq_comes_back(trove):
    with waiting(trove, START) as operation:
        with trove.processes.without_bus(operation.worker):
            pass
    assert_succeeds(trove, operation)
    trove.await_closed(operation.server)
    trove.keep(operation.instance)


@each_deployment
def test_a_server_is_locked_while_rabbitmq_is_away(trove):
    with contextlib.ExitStack() as away:
        with waiting(trove, CONFIRM) as operation:
            away.enter_context(
                trove.processes.without_bus(operation.worker))
        server, seconds = await_closed(trove, operation)
    # Nova's own message may be lost with RabbitMQ, and with it the resize.
    trove.await_closed(server)
    assert seconds < LOCKED_SECONDS
