# SPDX-License-Identifier: Apache-2.0
"""Windows and operations, over servers in memory."""

import threading

import hypothesis
from hypothesis import strategies
import pytest

from nova_trove_guard.trove import windows
from tests.unit.trove import made_up_nova
from tests.unit.trove.made_up_nova import INSTANCE
from tests.unit.trove.made_up_nova import OTHER
from tests.unit.trove.made_up_nova import REASON
from tests.unit.trove.made_up_nova import SERVER


@pytest.fixture
def nova():
    return made_up_nova.Nova()


@pytest.fixture
def events():
    return made_up_nova.Events()


@pytest.fixture
def process(nova, events):
    """Return a function that starts a task manager: it returns Windows."""
    def start(lock_timeout=0.1, unlock_timeout=60):
        return windows.Windows(nova, events, lock_timeout, unlock_timeout)

    return start


@pytest.fixture
def here(process):
    return process()


def test_a_window_is_one_unlock_and_one_lock(here, nova, events):
    with windows.TroveOperation('resize_flavor') as operation:
        assert nova.calls == []
        assert not operation.has_opened(SERVER)
        operation.open(here, SERVER)
        assert operation.has_opened(SERVER)
        assert not nova.is_locked()
    assert nova.calls == [('unlock', SERVER), ('lock', SERVER)]
    assert nova.servers[SERVER].lock_reason == REASON
    assert [event[:3] for event in events.seen] == [
        ('opened', SERVER, 'resize_flavor'),
        ('closed', SERVER, 'resize_flavor')]


def test_an_operation_that_changes_nothing_calls_nothing(nova):
    with windows.TroveOperation('restart'):
        pass
    assert nova.calls == []


@pytest.mark.parametrize('failure', [ValueError, KeyboardInterrupt])
def test_a_window_closes_whatever_the_outcome(here, nova, failure):
    with pytest.raises(failure):
        with windows.TroveOperation('reboot') as operation:
            operation.open(here, SERVER)
            raise failure
    assert nova.is_locked()


def test_each_server_has_its_own_window(here, nova):
    with windows.TroveOperation('promote') as operation:
        operation.open(here, SERVER)
        operation.open(here, OTHER)
    assert nova.is_locked() and nova.is_locked(OTHER)
    assert len(nova.calls) == 4


def test_servers_in_several_regions_are_locked_where_they_are(events):
    one, other = made_up_nova.Nova(), made_up_nova.Nova()
    with windows.TroveOperation('promote') as operation:
        operation.open(windows.Windows(one, events, 1, 1), SERVER)
        operation.open(windows.Windows(other, events, 1, 1), OTHER)
    assert one.calls == [('unlock', SERVER), ('lock', SERVER)]
    assert other.calls == [('unlock', OTHER), ('lock', OTHER)]


@pytest.mark.parametrize('processes', [1, 2])
def test_an_operation_unlocks_again_what_another_has_locked(
        process, nova, processes):
    here = process()
    there = here if processes == 1 else process()
    first, second = map(windows.TroveOperation, ('first', 'second'))
    first.open(here, SERVER)
    second.open(there, SERVER)
    first.__exit__(None, None, None)
    assert nova.is_locked()
    second.open(there, SERVER)
    assert not nova.is_locked()
    second.__exit__(None, None, None)
    assert nova.is_locked()


@hypothesis.given(steps=strategies.lists(
    strategies.tuples(strategies.integers(0, 4), strategies.booleans()),
    max_size=25))
@hypothesis.settings(
    max_examples=60, deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_a_server_is_locked_when_all_operations_have_ended(
        process, nova, steps):
    """Five operations in two processes, in any order."""
    nova.change(SERVER)
    hosts = [process(), process()]
    under_way = {}
    for number, calls in steps:
        if calls:
            operation = under_way.setdefault(
                number, windows.TroveOperation(str(number)))
            operation.open(hosts[number % 2], SERVER)
            # The call goes through.
            assert not nova.is_locked()
        elif number in under_way:
            under_way.pop(number).__exit__(None, None, None)
            assert nova.is_locked()
    for operation in under_way.values():
        operation.__exit__(None, None, None)
    assert nova.is_locked()
    assert not any(host.is_under_way(SERVER) for host in hosts)


def test_threads_end_in_a_locked_server(process, nova):
    hosts = [process(), process()]
    failed = []

    def work(host):
        try:
            for _ in range(5):
                with windows.TroveOperation('work') as operation:
                    operation.open(host, SERVER)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(hosts[number % 2],))
               for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert nova.is_locked()


def test_an_unlock_that_fails_may_have_been_done_and_is_locked(here, nova):
    def unlock(server_id):
        made_up_nova.Nova.unlock(nova, server_id)
        raise OSError('the answer is lost')

    nova.unlock = unlock
    with pytest.raises(OSError, match='the answer is lost'):
        with windows.TroveOperation('reboot') as operation:
            operation.open(here, SERVER)
    assert nova.is_locked()
    assert not here.is_under_way(SERVER)


def test_nothing_is_unlocked_that_cannot_be_looked_at(here, nova, events):
    def show(server_id):
        raise OSError('Nova is down')

    nova.show = show
    with pytest.raises(OSError):
        with windows.TroveOperation('reboot') as operation:
            operation.open(here, SERVER)
    assert (nova.calls, events.seen) == ([], [])


def test_a_lock_that_fails_is_tried_again(process, nova, events):
    with windows.TroveOperation('reboot') as operation:
        operation.open(process(lock_timeout=30), SERVER)
        nova.failures = [OSError('Nova is down')]
    assert nova.is_locked()
    assert not events.named('lock_failed')


def test_a_lock_that_keeps_failing_is_reported(here, nova, events):
    with windows.TroveOperation('reboot') as operation:
        operation.open(here, SERVER)
        nova.failures = [error := OSError('Nova is down')]
    assert not nova.is_locked()
    assert events.named('lock_failed') == [
        ('lock_failed', SERVER, INSTANCE, 'reboot', error)]


def test_a_server_that_is_gone_is_no_error(here, nova, events):
    del nova.servers[SERVER]
    with windows.TroveOperation('delete_instance') as operation:
        operation.open(here, SERVER)
    assert (nova.calls, events.seen) == ([], [])


@pytest.mark.parametrize('status', ['DELETED', 'SOFT_DELETED'])
def test_a_deleted_server_is_not_locked(here, nova, status):
    with windows.TroveOperation('delete_instance') as operation:
        operation.open(here, SERVER)
        nova.change(SERVER, status=status, is_locked=False)
    assert nova.calls == [('unlock', SERVER)]


# What is locked by others.

def test_the_lock_of_an_operator_is_respected(here, nova):
    nova.change(SERVER, lock_reason='new disks until noon')
    with pytest.raises(windows.ServerHeld, match='new disks until noon'):
        with windows.TroveOperation('reboot') as operation:
            operation.open(here, SERVER)
    assert nova.calls == []


def test_the_lock_that_an_operator_makes_in_a_window_stays(here, nova):
    with windows.TroveOperation('reboot') as operation:
        operation.open(here, SERVER)
        nova.change(SERVER, lock_reason='new disks')
        with pytest.raises(windows.ServerHeld):
            operation.open(here, SERVER)
    assert nova.calls == [('unlock', SERVER)]
    assert nova.servers[SERVER].lock_reason == 'new disks'


@pytest.mark.parametrize('lock_reason, locked_by_owner', [
    (None, set()), ('', set()), ('mine', {SERVER})])
def test_other_locks_become_trove_s(
        here, nova, lock_reason, locked_by_owner):
    nova.change(SERVER, lock_reason=lock_reason)
    nova.locked_by_owner = locked_by_owner
    with windows.TroveOperation('reboot') as operation:
        operation.open(here, SERVER)
    assert nova.calls == [('unlock', SERVER), ('lock', SERVER)]
    assert nova.servers[SERVER].lock_reason == REASON


def test_a_lock_without_a_reason_gets_one(here, nova):
    nova.change(SERVER, lock_reason=None)
    assert here.lock_once(SERVER)
    assert nova.servers[SERVER].lock_reason == REASON


def test_what_is_locked_already_is_not_locked_again(here, nova):
    assert not here.lock_once(SERVER)
    assert nova.calls == []


def test_a_lock_tags_what_older_troves_have_created(here, nova):
    nova.change(SERVER, is_locked=False, is_tagged=False)
    assert here.lock_once(SERVER)
    assert nova.calls == [('lock', SERVER), ('tag', SERVER)]


# New servers.

@pytest.fixture
def created(here, nova):
    """Return an operation that has created both servers."""
    for uuid in (SERVER, OTHER):
        nova.change(uuid, is_locked=False, status='BUILD')
    operation = windows.TroveOperation('create_instance', INSTANCE)
    operation.created(here, SERVER, INSTANCE)
    operation.created(here, OTHER, made_up_nova.OTHER_INSTANCE)
    return operation


def test_a_new_server_is_locked_when_it_is_seen_active(nova, created):
    created.lock_active(SERVER, 'BUILD')
    assert nova.calls == []
    created.lock_active(SERVER, 'ACTIVE')
    created.lock_active(SERVER, 'ACTIVE')
    assert nova.calls == [('lock', SERVER)]


def test_its_siblings_are_checked_meanwhile(nova, created):
    nova.change(OTHER, is_locked=False)
    created.lock_active(SERVER, 'BUILD')
    assert nova.calls == [('lock', OTHER)]


def test_a_new_server_is_locked_at_the_end_at_the_latest(nova, created):
    nova.change(SERVER, is_locked=False)
    with pytest.raises(ValueError):
        with created:
            raise ValueError('the guest does not respond')
    assert nova.calls == [('lock', SERVER)]


def test_a_new_server_that_is_not_active_is_left_to_the_reconciler(
        here, nova, created):
    assert here.is_under_way(SERVER)
    with created:
        pass
    assert nova.calls == []
    assert not here.is_under_way(SERVER)


def test_a_new_server_that_cannot_be_checked_is_not_active(
        nova, created, caplog):
    def show(server_id):
        raise OSError('Nova is down')

    nova.show = show
    with created:
        pass
    assert f'Could not check whether server {SERVER}' in caplog.text


def test_a_new_server_that_the_reconciler_has_locked_stays_locked(
        nova, created):
    nova.change(SERVER)
    created.lock_active(SERVER, 'ACTIVE')
    assert nova.calls == []


# What is under way.

def test_a_process_knows_what_it_has_under_way(process):
    here, there = process(), process()
    with windows.TroveOperation('reboot') as operation:
        operation.open(here, SERVER)
        assert here.is_under_way(SERVER)
        assert not here.is_under_way(OTHER)
        assert not there.is_under_way(SERVER)
    assert not here.is_under_way(SERVER)


def test_an_operation_that_takes_too_long_does_not_count(process):
    here = process(unlock_timeout=0)
    with windows.TroveOperation('hangs') as operation:
        operation.open(here, SERVER)
        assert not here.is_under_way(SERVER)
