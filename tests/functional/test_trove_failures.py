# SPDX-License-Identifier: Apache-2.0
"""Operations of Trove's that fail, are killed or overlap, and their locks.

Whatever goes wrong at whatever step, the server is locked at the end.
"""

import dataclasses

import pytest

from tests.functional import databases

OTHER_HOST = '127.0.0.2'


def nova(action=None, method='POST', path='', effect=500):
    """Return the fault of a call of Nova's."""
    entry = {'method': method, 'path': path, 'effect': effect}
    return {'nova': [entry | ({'action': action} if action else {})]}


def guest(effect='error', **calls):
    """Return the fault of calls of the guest."""
    return {'guest': dict.fromkeys(calls, effect)}


def cinder(action):
    """Return the fault of an action of Cinder's."""
    return {'cinder': [{'method': 'POST', 'action': action, 'effect': 500}]}


ATTACHMENTS = '/os-volume_attachments'


def resize_flavor(trove, instance):
    trove.instances.resize_instance(instance, trove.other_flavor(instance))


def resize_volume(trove, instance):
    trove.instances.resize_volume(instance, trove.rows.of(instance).size + 1)


def reboot(trove, instance):
    trove.operator.reboot(instance)


def rebuild(trove, instance):
    trove.operator.rebuild(instance, trove.image('cirros'))


def delete(trove, instance):
    trove.instances.delete(instance)


# The operations whose failure Trove records as a fault of the instance.
WITH_FAULT = (resize_flavor, resize_volume)


@dataclasses.dataclass(frozen=True)
class Case:
    """An operation in which something happens.

    :ivar operation: a function of a databases.Trove and an instance
    :ivar faults: what happens, as state.Cloud.faults() takes it
    :ivar deployment: of which Trove
    """

    operation: object
    faults: dict
    deployment: str = 'trove-user'

    def __str__(self):
        return f'{self.deployment} {self.operation.__name__} {self.faults}'


@pytest.fixture(scope='module')
def troves(scene, witness):
    """Return the Trove of each deployment, by name."""
    troves = {name: databases.Trove(scene, witness, name)
              for name in databases.REGIONS}
    yield troves
    for trove in troves.values():
        if trove.kept:
            trove.discard(trove.kept)


@pytest.fixture
def database(request, troves):
    """Return Trove, a healthy instance and its server, for a Case.

    A test that leaves the instance in good condition may have Trove keep it
    for the next one.
    """
    trove = troves[request.getfixturevalue('case').deployment]
    instance = trove.take()
    yield trove, instance, trove.server_id(instance)
    if instance != trove.kept:
        trove.discard(instance)


FAILURES = (
    Case(resize_flavor, guest(stop_db=1)),
    Case(resize_flavor, nova('unlock')),
    Case(resize_flavor, nova('resize')),
    Case(resize_flavor, guest(start_db_with_conf_changes=1)),
    Case(resize_flavor, guest(start_db_with_conf_changes=1) |
         nova('revertResize')),
    Case(resize_flavor, guest('hang', start_db_with_conf_changes=1)),
    Case(resize_flavor, nova('confirmResize')),
    Case(resize_flavor, nova('confirmResize'), 'trove'),
    Case(resize_volume, guest(unmount_volume=1)),
    Case(resize_volume, nova(method='DELETE', path=ATTACHMENTS)),
    Case(resize_volume, cinder('os-extend')),
    Case(resize_volume, cinder('os-extend'), 'trove'),
    Case(resize_volume, nova(path=ATTACHMENTS)),
    Case(resize_volume, guest(resize_fs=1)),
    Case(resize_volume, guest(mount_volume=1)),
    Case(reboot, nova('reboot')),
    Case(reboot, guest(restart=1), 'trove'),
    Case(rebuild, nova('rebuild'), 'trove'),
    Case(rebuild, guest(rebuild=1)),
)


@pytest.mark.xdist_group('failures')
@pytest.mark.parametrize('case', FAILURES, ids=str)
def test_an_operation_that_fails_ends_locked(case, database):
    trove, instance, server = database
    relocks = trove.relocks(server)
    with trove.changes(server) as changes:
        with trove.cloud.faults(**case.faults) as strikes:
            case.operation(trove, instance)
            strikes.wait()
            trove.over(instance, case.operation in WITH_FAULT)
        trove.await_locked(server)
    assert changes.count('_unlock') == changes.count('_lock') <= 1
    assert changes[-1:] in ([], ['_lock'])
    trove.keep(instance)
    # The operation itself has locked the server.
    assert trove.relocks(server) == relocks


@pytest.mark.parametrize('case', [
    Case(reboot, nova('lock')), Case(reboot, nova('lock'), 'trove')], ids=str)
def test_nova_being_down_delays_the_lock_and_fails_nothing(case, database):
    trove, instance, server = database
    with trove.cloud.faults(**case.faults) as strikes:
        case.operation(trove, instance)
        strikes.wait(2)
        trove.healthy(instance)
        assert not trove.is_locked(server)
    trove.await_locked(server)
    trove.keep(instance)


@pytest.mark.parametrize('case', [
    Case(delete, nova(method='DELETE', path='/servers/')),
    Case(delete, nova(method='DELETE', path='/servers/', effect=409),
         'trove'),
    Case(delete, nova('unlock')),
    Case(delete, nova('unlock'), 'trove'),
], ids=str)
def test_a_delete_that_fails_is_seen_and_can_be_repeated(case, database):
    trove, instance, server = database
    with trove.cloud.faults(**case.faults) as strikes:
        case.operation(trove, instance)
        strikes.wait()
        shown = trove.await_shown(
            instance, lambda shown: shown.status == 'ERROR')
    assert f'Server {server} could not be deleted' in shown.fault['message']
    trove.await_locked(server)
    case.operation(trove, instance)
    trove.await_end(instance)
    assert trove.scene.show(server) is None


@pytest.mark.parametrize('case', [
    Case(resize_flavor, guest('wait', start_db_with_conf_changes=1), name)
    for name in databases.REGIONS], ids=str)
def test_a_tenant_gets_nothing_done_in_the_middle_of_a_window(
        case, database):
    trove, instance, server = database
    relocks = trove.relocks(server)
    with trove.changes(server) as changes:
        with trove.cloud.faults(**case.faults) as strikes:
            case.operation(trove, instance)
            strikes.wait()
            assert not trove.is_locked(server)
            assert not databases.attack(trove.scene, server)
        trove.healthy(instance)
        trove.await_locked(server)
    assert changes == ['_unlock', '_resize', '_confirm_resize', '_lock']
    trove.keep(instance)
    assert trove.relocks(server) == relocks


@pytest.mark.parametrize('case', [
    Case(resize_flavor, guest('wait', start_db_with_conf_changes=1))],
    ids=str)
def test_a_token_that_ends_in_the_middle_leaves_nothing_unlocked(
        case, database):
    trove, instance, server = database
    owner = trove.cloud.trove('owner', trove.region)
    token = owner.client.session.get_token()
    with trove.cloud.faults(**case.faults) as strikes:
        owner.instances.resize_instance(instance,
                                        trove.other_flavor(instance))
        strikes.wait()
        assert not trove.is_locked(server)
        revoked = trove.cloud.session('admin').delete(
            f'{trove.cloud.auth_url}/auth/tokens',
            headers={'X-Subject-Token': token})
        assert revoked.status_code == 204
    trove.over(instance)
    trove.await_locked(server)


# kill -9

KILLS = (
    Case(resize_flavor, guest('wait', stop_db=1)),
    Case(resize_flavor, nova('unlock', effect='wait')),
    Case(resize_flavor, nova('resize', effect='wait'), 'trove'),
    Case(resize_flavor, guest('wait', start_db_with_conf_changes=1)),
    Case(resize_flavor, nova('confirmResize', effect='wait')),
    Case(resize_flavor, nova('lock', effect='wait'), 'trove'),
    Case(resize_volume, nova(path=ATTACHMENTS, effect='wait')),
    Case(rebuild, guest('wait', rebuild=1), 'trove'),
    Case(delete, nova(method='DELETE', path='/servers/', effect='wait')),
)


def kill_in(case, database):
    """Kill the case's task manager in the middle of its operation."""
    trove, instance, _ = database
    with trove.cloud.faults(**case.faults) as strikes:
        case.operation(trove, instance)
        strikes.wait()
        trove.cloud.kill_trove(trove.deployment)


@pytest.mark.xdist_group('kills')
@pytest.mark.parametrize('case', KILLS, ids=str)
def test_a_killed_task_manager_locks_after_its_restart(case, database):
    trove, instance, server = database
    kill_in(case, database)
    trove.cloud.start_trove(trove.deployment)
    databases.await_condition(
        lambda: trove.scene.rows.of(server),
        lambda row: row is None or row.locked,
        databases.SHORT_PAUSE_SECONDS)
    trove.keep(instance)


@pytest.mark.parametrize('case', [
    Case(resize_flavor, guest('wait', start_db_with_conf_changes=1), 'trove'),
], ids=str)
def test_another_task_manager_locks_for_a_killed_one(case, database):
    trove, instance, server = database
    trove.cloud.start_trove(trove.deployment, OTHER_HOST)
    try:
        kill_in(case, database)
        assert not trove.is_locked(server)
        trove.await_locked(server)
    finally:
        trove.cloud.start_trove(trove.deployment)
        trove.cloud.kill_trove(trove.deployment, OTHER_HOST)
    trove.keep(instance)


@pytest.mark.parametrize('case', [Case(reboot, nova('reboot'), 'trove')],
                         ids=['create'])
def test_a_server_whose_creation_was_killed_is_locked(case, database):
    trove, spare, _ = database
    with trove.cloud.faults(guest={'prepare': 'wait'}, nova=[
            {'method': 'POST', 'action': 'lock', 'effect': 'wait'}]) as (
                strikes):
        instance = trove.create('killed')
        databases.await_condition(
            strikes.all, lambda struck: 'nova' in {
                strike['service'] for strike in struck})
        server = trove.server_id(instance)
        trove.cloud.kill_trove(trove.deployment)
    trove.cloud.start_trove(trove.deployment)
    trove.await_locked(server)
    trove.discard(instance)
    trove.keep(spare)


# Overlapping windows.

@pytest.mark.parametrize('case', [
    Case(reboot, nova('reboot', effect='wait'), name)
    for name in databases.REGIONS], ids=str)
def test_the_last_of_two_task_managers_locks(case, database):
    """A resize begins and ends while a reboot is under way elsewhere."""
    trove, instance, server = database
    url = trove.cloud.start_trove(trove.deployment, OTHER_HOST)
    try:
        elsewhere = trove.cloud.trove('owner', trove.region, url).instances
        with trove.changes(server) as changes:
            with trove.cloud.faults(**case.faults) as strikes:
                case.operation(trove, instance)
                strikes.wait()
                # Trove itself lets nobody begin before the other ends.
                trove.operator.reset_task_status(instance)
                other = trove.other_flavor(instance)
                elsewhere.resize_instance(instance, other)
                trove.await_shown(
                    instance, lambda shown: shown.flavor['id'] == other and
                    shown.status not in databases.BUSY)
                assert not trove.is_locked(server)
            trove.await_locked(server)
    finally:
        trove.cloud.kill_trove(trove.deployment, OTHER_HOST)
    assert changes.count('_unlock') == 2
    assert changes.count('_lock') == 1
    assert changes[-1] == '_lock'
    trove.keep(instance)
