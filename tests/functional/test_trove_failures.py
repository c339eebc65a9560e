# SPDX-License-Identifier: Apache-2.0
"""Operations of Trove's that fail, are killed or overlap, and their locks.

Whatever goes wrong at whatever step, the server is locked at the end.
"""

import pytest

from nova_trove_guard.trove import locks
from tests.cloud import state
from tests.functional import cases
from tests.functional import databases

Case = cases.Case
cinder, guest, hypervisor, nova = (
    cases.cinder, cases.guest, cases.hypervisor, cases.nova)

OTHER_HOST = '127.0.0.2'

ATTACHMENTS = '/os-volume_attachments'


def resize_flavor(trove, instance):
    trove.instances.resize_instance(instance, trove.other_flavor(instance))


def resize_volume(trove, instance):
    trove.instances.resize_volume(instance, trove.rows.get(instance).size + 1)


def reboot(trove, instance):
    trove.operator.reboot(instance)


def rebuild(trove, instance):
    trove.operator.rebuild(instance, trove.image('cirros'))


def delete(trove, instance):
    trove.instances.delete(instance)


# The operations whose failure Trove records as a fault of the instance.
WITH_FAULT = (resize_flavor, resize_volume)


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


def usage(trove):
    """Return what the owner's project uses of each quota of Trove's."""
    project = trove.cloud.projects['demo']
    return {quota.resource: quota.in_use for quota in trove.cloud.trove(
        'admin', trove.region).quota.show(project)}


@pytest.mark.parametrize('case', [
    Case(delete, hypervisor(destroy=1)),
    Case(delete, hypervisor(destroy=1), 'trove'),
    Case(delete, nova(method='DELETE', path='/servers/')),
    Case(delete, nova(method='DELETE', path='/servers/', effect=409),
         'trove'),
    Case(delete, nova('unlock')),
    Case(delete, nova('unlock'), 'trove'),
], ids=str)
def test_a_delete_that_fails_is_seen_and_can_be_repeated(case, database):
    trove, instance, server = database
    before = usage(trove)
    with trove.cloud.faults(**case.faults) as strikes:
        case.operation(trove, instance)
        strikes.wait()
        shown = trove.await_shown(
            instance, lambda shown: shown.status == 'ERROR' and
            hasattr(shown, 'fault'))
    assert f'Server {server} could not be deleted' in ' '.join(
        shown.fault['message'].split())
    trove.await_locked(server)
    assert usage(trove) == before
    case.operation(trove, instance)
    trove.await_end(instance)
    assert trove.scene.show(server) is None
    assert usage(trove)['instances'] == before['instances'] - 1


# Operators' locks.

MAINTENANCE = 'new disks until noon'


@pytest.mark.parametrize('case', [
    Case(resize_flavor, {}), Case(resize_volume, {}), Case(reboot, {}),
    Case(reboot, {}, 'trove'), Case(rebuild, {}, 'trove'),
], ids=str)
def test_an_operator_s_lock_holds_a_server(case, database):
    """The operation fails before it stops the database."""
    trove, instance, server = database
    before = usage(trove)
    trove.scene.act('admin', server, {'lock': {
        'locked_reason': MAINTENANCE}})
    with trove.cloud.faults(guest={'stop_db': 'error'}) as strikes:
        with trove.changes(server) as changes:
            case.operation(trove, instance)
            shown = trove.await_shown(
                instance, lambda shown: hasattr(shown, 'fault'))
        assert strikes.all() == []
    # Trove wraps its lines.
    assert ' '.join(shown.fault['message'].split()) == (
        f'Server {server} is locked by an operator: {MAINTENANCE}')
    assert changes == []
    assert usage(trove) == before
    assert trove.scene.show(server)['locked_reason'] == MAINTENANCE
    trove.rows.end_tasks(instance)
    trove.healthy(instance)
    trove.scene.act('admin', server, {'unlock': None})
    trove.await_locked(server)
    with trove.changes(server) as changes:
        case.operation(trove, instance)
        trove.healthy(instance)
        trove.await_locked(server)
    assert changes
    trove.keep(instance)


@pytest.mark.parametrize('case', [
    Case(delete, {}), Case(delete, {}, 'trove')], ids=str)
def test_an_operator_s_lock_holds_a_server_that_is_to_be_deleted(
        case, database):
    trove, instance, server = database
    before = usage(trove)
    trove.scene.act('admin', server, {'lock': {
        'locked_reason': MAINTENANCE}})
    with trove.changes(server) as changes:
        case.operation(trove, instance)
        shown = trove.await_shown(
            instance, lambda shown: shown.status == 'ERROR' and
            hasattr(shown, 'fault'))
    assert MAINTENANCE in ' '.join(shown.fault['message'].split())
    assert changes == []
    assert usage(trove) == before
    trove.scene.act('admin', server, {'unlock': None})
    case.operation(trove, instance)
    trove.await_end(instance)
    assert trove.scene.show(server) is None


@pytest.mark.parametrize('case', [Case(reboot, nova('lock', effect=503))],
                         ids=str)
def test_a_tenant_s_old_lock_becomes_trove_s(case, database):
    trove, instance, server = database
    # So that the reconciler is not first.
    with trove.cloud.faults(**case.faults):
        trove.scene.act('admin', server, {'unlock': None})
        trove.scene.act('owner', server, {'lock': {'locked_reason': 'mine'}})
    assert trove.scene.show(server)['locked_reason'] == 'mine'
    with trove.changes(server) as changes:
        case.operation(trove, instance)
        trove.healthy(instance)
        trove.await_locked(server)
    assert changes == ['_unlock', '_reboot', '_lock']
    assert trove.scene.show(server)['locked_reason'] == locks.reason(instance)
    trove.keep(instance)


@pytest.mark.parametrize('case', [Case(reboot, {
    'nova': [{'method': 'POST', 'path': '/servers/', 'effect': 500}]},
    'trove')], ids=['elsewhere'])
def test_a_server_is_unlocked_and_locked_in_its_own_region(case, database):
    """The faults are those of the Nova in Trove's region."""
    trove, instance, server = database
    trove.rows.move(instance, state.UNGUARDED)
    with trove.cloud.faults(**case.faults) as strikes:
        with trove.changes(server) as changes:
            case.operation(trove, instance)
            trove.healthy(instance)
            trove.await_locked(server)
        assert strikes.all() == []
        trove.scene.act('admin', server, {'unlock': None})
        # The reconciler of the other region sees the server, too, as they
        # share a database, and may fail first.
        trove.await_locked(server)
    assert changes == ['_unlock', '_reboot', '_lock']
    trove.rows.move(instance, trove.region)
    trove.keep(instance)


@pytest.mark.parametrize('case, calls', [
    (Case(resize_flavor, {}),
     ['_resize', '_unlock', '_resize', '_confirm_resize', '_lock']),
    # Trove is an admin in Nova's eyes.
    (Case(resize_flavor, {}, 'trove'), ['_resize', '_confirm_resize']),
], ids=str)
def test_a_window_is_opened_only_when_it_is_needed(case, calls, database):
    trove, instance, server = database
    url = trove.cloud.start_trove(
        trove.deployment, OTHER_HOST, unlock='when_needed')
    try:
        with trove.changes(server) as changes:
            trove.cloud.trove(
                'owner', trove.region, url).instances.resize_instance(
                    instance, trove.other_flavor(instance))
            trove.healthy(instance)
            trove.await_locked(server)
    finally:
        trove.cloud.kill_trove(trove.deployment, OTHER_HOST)
    assert changes == calls
    trove.keep(instance)


# kill -9

def kill_in(case, database):
    """Kill the case's task manager in the middle of its operation."""
    trove, instance, _ = database
    with trove.cloud.faults(**case.faults) as strikes:
        case.operation(trove, instance)
        strikes.wait()
        trove.cloud.kill_trove(trove.deployment)


@pytest.mark.parametrize('case', [
    Case(resize_flavor, guest('wait', start_db_with_conf_changes=1), 'trove'),
], ids=str)
def test_another_task_manager_locks_for_a_killed_one(case, database):
    trove, instance, server = database
    trove.cloud.start_trove(trove.deployment, OTHER_HOST)
    try:
        kill_in(case, database)
        assert not trove.is_locked(server)
        trove.await_relocked(server)
        trove.await_logged(
            f'Locked server {server} of database instance {instance}: its '
            'task RESIZING has kept it unlocked for ', OTHER_HOST)
    finally:
        trove.cloud.start_trove(trove.deployment)
        trove.cloud.kill_trove(trove.deployment, OTHER_HOST)
    trove.keep(instance)


@pytest.mark.parametrize('case', [Case(reboot, nova('reboot'), 'trove')],
                         ids=['create'])
def test_a_server_whose_creation_was_killed_is_locked(case, database):
    trove, spare, _ = database
    with trove.cloud.faults(guest={'prepare': 'wait'}, nova=[
            {'method': 'POST', 'action': 'lock', 'effect': 503}]) as (
                strikes):
        instance = trove.create('killed')
        databases.await_condition(
            strikes.all, lambda struck: 'nova' in {
                strike['service'] for strike in struck})
        server = trove.server_id(instance)
        trove.cloud.kill_trove(trove.deployment)
    trove.cloud.start_trove(trove.deployment)
    trove.await_relocked(server)
    trove.await_logged(f'Locked server {server} of database instance '
                       f'{instance}: it became active ')
    trove.discard(instance)
    trove.keep(spare)


@pytest.mark.parametrize('case', [Case(reboot, {}, name)
                                  for name in databases.REGIONS], ids=str)
def test_a_server_that_an_operator_unlocks_is_locked_again(case, database):
    trove, instance, server = database
    trove.scene.act('admin', server, {'unlock': None})
    trove.await_logged(
        f'Locked server {server} of database instance {instance}: it was '
        'unlocked, and no operation of Trove is under way.')
    assert trove.await_locked(server)['locked_reason'] == locks.reason(
        instance)
    trove.keep(instance)


# Overlapping windows.

@pytest.mark.parametrize('case', [
    Case(resize_flavor, nova('resize', effect='wait'), name)
    for name in databases.REGIONS], ids=str)
def test_an_operation_unlocks_again_what_another_has_locked(case, database):
    """A reboot begins and ends while a resize is under way elsewhere."""
    trove, instance, server = database
    closed = f'Closed the window of server {server} for resize_flavor after '
    resizes = trove.count_logged(closed)
    url = trove.cloud.start_trove(trove.deployment, OTHER_HOST)
    try:
        with trove.changes(server) as changes:
            with trove.cloud.faults(**case.faults) as strikes:
                case.operation(trove, instance)
                strikes.wait()
                # Trove itself lets nobody begin before the other ends.
                trove.operator.reset_task_status(instance)
                trove.cloud.trove('admin', trove.region,
                                  url).mgmt_instances.reboot(instance)
                trove.await_logged(
                    f'Closed the window of server {server} for reboot',
                    OTHER_HOST)
                assert trove.is_locked(server)
            trove.await_logged(closed, count=resizes + 1)
            trove.await_locked(server)
            databases.await_condition(
                lambda: trove.scene.rows.get(server).vm_state,
                lambda vm_state: vm_state == 'active',
                databases.SHORT_PAUSE_SECONDS)
    finally:
        trove.cloud.kill_trove(trove.deployment, OTHER_HOST)
    # Nova refuses no admin, as whom Trove calls where servers are its own.
    assert (trove.deployment == 'trove' or
            '_resize _unlock _resize' in ' '.join(changes))
    trove.keep(instance)
