# SPDX-License-Identifier: Apache-2.0
"""Windows and shares, with a real tooz back end and a made-up Nova."""

import itertools
import threading

import hypothesis
from hypothesis import strategies
import pytest
import tooz
from tooz import coordination

from nova_trove_guard.trove import compute
from nova_trove_guard.trove import reconciler
from nova_trove_guard.trove import shares
from nova_trove_guard.trove import windows

SERVER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000001'
OTHER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000002'
INSTANCE = 'dbdbdbdb-0000-4000-8000-000000000001'


def is_ours(database_instance):
    return database_instance == INSTANCE


class Nova:
    """Stands for compute.Compute, and for Nova behind it."""

    def __init__(self):
        self.locked = {SERVER: True, OTHER: True}
        self.status = {}
        self.calls = []
        self.failures = []

    def lock(self, server_id, reason):
        return self._act('lock', server_id, True)

    def unlock(self, server_id):
        return self._act('unlock', server_id, False)

    def _act(self, name, server_id, locked):
        self.calls.append((name, server_id))
        if self.failures:
            failure = self.failures.pop(0)
            if failure:
                raise failure
        if server_id not in self.locked:
            return False
        self.locked[server_id] = locked
        return True

    def is_locked(self, server_id):
        return self.locked.get(server_id, True)

    def is_active(self, server_id):
        return self.status.get(server_id) == 'ACTIVE'

    def unlocked(self):
        for server_id, locked in self.locked.items():
            if not locked:
                yield compute.UnlockedServer(server_id, INSTANCE)


class Events:
    """Stands for events.Events, and remembers."""

    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        return lambda *arguments: self.seen.append((name, *arguments))


@pytest.fixture
def nova():
    return Nova()


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def process(tmp_path, nova, events):
    """Return a function that starts a task manager: it returns Windows."""
    names = itertools.count()

    def start(lock_timeout=0, timeout=10):
        return windows.Windows(
            nova, shares.Shares(f'file://{tmp_path}?timeout={timeout}',
                                f'process-{next(names)}'),
            events, 'reason of {}'.format, lock_timeout)

    return start


def test_a_window_is_one_unlock_and_one_lock(process, nova, events):
    with windows.TroveOperation(process(), 'resize_flavor') as operation:
        assert nova.calls == []
        operation.open(SERVER)
        operation.open(SERVER)
        assert nova.locked[SERVER] is False
    assert nova.calls == [('unlock', SERVER), ('lock', SERVER)]
    assert [event[:3] for event in events.seen] == [
        ('opened', SERVER, 'resize_flavor'),
        ('closed', SERVER, 'resize_flavor')]


def test_an_operation_that_changes_nothing_asks_nothing(process, nova):
    with windows.TroveOperation(process(), 'restart'):
        pass
    assert nova.calls == []


@pytest.mark.parametrize('failure', [ValueError, KeyboardInterrupt])
def test_a_window_closes_whatever_the_outcome(process, nova, failure):
    with pytest.raises(failure):
        with windows.TroveOperation(process(), 'reboot') as operation:
            operation.open(SERVER)
            raise failure
    assert nova.locked[SERVER]


def test_each_server_has_its_window(process, nova):
    with windows.TroveOperation(process(), 'promote') as operation:
        operation.open(SERVER)
        operation.open(OTHER)
    assert nova.locked == {SERVER: True, OTHER: True}
    assert len(nova.calls) == 4


@pytest.mark.parametrize('processes', [1, 2])
def test_the_last_one_out_locks(process, nova, processes):
    here = process()
    there = here if processes == 1 else process()
    first = windows.TroveOperation(here, 'first')
    second = windows.TroveOperation(there, 'second')
    first.open(SERVER)
    second.open(SERVER)
    first.__exit__(None, None, None)
    assert nova.locked[SERVER] is False
    second.__exit__(None, None, None)
    assert nova.locked[SERVER] is True
    assert nova.calls.count(('lock', SERVER)) == 1


@hypothesis.given(steps=strategies.lists(
    strategies.tuples(strategies.integers(0, 4), strategies.booleans()),
    max_size=25))
@hypothesis.settings(
    max_examples=60, deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_a_server_is_unlocked_while_and_only_while_a_window_is_open(
        process, nova, steps):
    """Five operations in two processes, in any order."""
    nova.locked[SERVER] = True
    hosts = [process(), process()]
    open_now = {}
    for number, opens in steps:
        if opens and number not in open_now:
            open_now[number] = windows.TroveOperation(
                hosts[number % 2], number)
            open_now[number].open(SERVER)
        elif not opens and number in open_now:
            open_now.pop(number).__exit__(None, None, None)
        assert nova.locked[SERVER] is (not open_now)
    for operation in open_now.values():
        operation.__exit__(None, None, None)
    assert nova.locked[SERVER]


def test_threads_end_in_a_locked_server(process, nova):
    hosts = [process(), process()]
    failed = []

    def work(host):
        try:
            for _ in range(5):
                with windows.TroveOperation(host, 'work') as operation:
                    operation.open(SERVER)
                    if nova.locked[SERVER]:
                        failed.append('locked within a window')
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(hosts[number % 2],))
               for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert nova.locked[SERVER]


def test_a_failing_unlock_opens_nothing(process, nova, events):
    here = process()
    nova.failures = [OSError('Nova is down')]
    with pytest.raises(OSError):
        with windows.TroveOperation(here, 'delete_instance') as operation:
            operation.open(SERVER)
    assert events.seen == []
    assert nova.calls == [('unlock', SERVER)]
    # And leaves nothing behind that would keep the server open.
    with windows.TroveOperation(here, 'reboot') as operation:
        operation.open(SERVER)
    assert nova.locked[SERVER]


def test_a_lock_that_fails_is_tried_again(process, nova, events):
    with windows.TroveOperation(
            process(lock_timeout=30), 'reboot') as operation:
        operation.open(SERVER)
        nova.failures = [OSError('Nova is down')]
    assert nova.locked[SERVER]
    assert 'lock_failed' not in [event[0] for event in events.seen]


def test_a_lock_that_keeps_failing_is_seen_and_left_to_the_reconciler(
        process, nova, events):
    here = process()
    with windows.TroveOperation(here, 'reboot') as operation:
        operation.open(SERVER)
        nova.failures = [OSError('Nova is down')]
    assert [event[:3] for event in events.seen
            if event[0] == 'lock_failed'] == [
        ('lock_failed', SERVER, 'reboot')]
    reconciler.Reconciler(nova, here, events, is_ours).run()
    assert nova.locked[SERVER]
    assert ('relocked', SERVER, INSTANCE) in events.seen


def test_the_reconciler_leaves_open_windows_alone(process, nova, events):
    with windows.TroveOperation(process(), 'resize_flavor') as operation:
        operation.open(SERVER)
        reconciler.Reconciler(nova, process(), events, is_ours).run()
        assert nova.locked[SERVER] is False


def test_the_reconciler_goes_on_after_a_server_that_it_can_t_lock(
        process, nova, events):
    nova.locked = {SERVER: False, OTHER: False}
    nova.failures = [OSError('not this one')]
    reconciler.Reconciler(nova, process(), events, is_ours).run()
    assert nova.locked == {SERVER: False, OTHER: True}


def test_the_reconciler_asks_again_whether_a_server_is_unlocked(
        process, nova, events):
    """An operation may have locked it since the page came."""
    nova.unlocked = lambda: [compute.UnlockedServer(SERVER, INSTANCE)]
    reconciler.Reconciler(nova, process(), events, is_ours).run()
    assert (nova.calls, events.seen) == ([], [])


def test_the_reconciler_leaves_the_servers_of_another_trove_alone(
        process, nova, events):
    nova.locked[SERVER] = False
    reconciler.Reconciler(nova, process(), events, lambda _: False).run()
    assert nova.calls == []


def test_the_share_of_a_crashed_holder_expires(
        tmp_path, process, nova, events):
    crashed = shares.Shares(f'file://{tmp_path}?timeout=1', 'crashed')
    with crashed.exclusively(SERVER):
        crashed.join(SERVER)
    # Its heart stops beating.
    crashed._coordinator.heart.stop()
    nova.locked[SERVER] = False
    alive = reconciler.Reconciler(nova, process(timeout=1), events, is_ours)
    asked = 0
    while not nova.locked[SERVER]:
        alive.run()
        asked += 1
        threading.Event().wait(0.1)
        assert asked < 100
    assert asked > 1


def test_an_operation_whose_share_was_taken_for_expired_unlocks_again(
        process, nova):
    with windows.TroveOperation(process(), 'resize_flavor') as operation:
        operation.open(SERVER)
        nova.locked[SERVER] = True
        operation.refused_by_lock(SERVER)
        assert nova.locked[SERVER] is False
    assert nova.locked[SERVER]


def test_without_coordination_nothing_is_unlocked(
        process, nova, monkeypatch):
    here = process()
    monkeypatch.setattr(here._shares, 'exclusively', _is_down)
    with pytest.raises(tooz.ToozError):
        with windows.TroveOperation(here, 'reboot') as operation:
            operation.open(SERVER)
    assert nova.calls == []


def test_without_coordination_everything_is_locked(
        process, nova, monkeypatch):
    here = process()
    with windows.TroveOperation(here, 'reboot') as operation:
        operation.open(SERVER)
        monkeypatch.setattr(here._shares, 'exclusively', _is_down)
    assert nova.locked[SERVER]


def _is_down(server_id):
    raise coordination.ToozConnectionError('the back end is down')


def test_a_deleted_server_is_not_locked(process, nova):
    with windows.TroveOperation(process(), 'delete_instance') as operation:
        operation.open(SERVER)
        operation.deleted(SERVER)
    assert nova.calls == [('unlock', SERVER)]


def test_a_new_server_is_locked_when_it_is_seen_active(process, nova):
    nova.locked[SERVER] = False
    with windows.TroveOperation(process(), 'create_instance') as operation:
        operation.created(SERVER)
        operation.saw(SERVER, 'BUILD')
        assert nova.calls == []
        operation.saw(SERVER, 'ACTIVE')
        assert nova.locked[SERVER]
        operation.saw(SERVER, 'ACTIVE')
    assert nova.calls == [('lock', SERVER)]


def test_its_siblings_are_looked_at_meanwhile(process, nova):
    nova.locked = {SERVER: False, OTHER: False}
    with windows.TroveOperation(process(), 'create_instance') as operation:
        operation.created(SERVER)
        operation.created(OTHER)
        nova.status[OTHER] = 'ACTIVE'
        operation.saw(SERVER, 'BUILD')
        assert nova.locked == {SERVER: False, OTHER: True}


def test_a_new_server_is_locked_at_the_end_at_the_latest(process, nova):
    nova.locked[SERVER] = False
    nova.status[SERVER] = 'ACTIVE'
    with pytest.raises(ValueError):
        with windows.TroveOperation(process(), 'create_instance') as operation:
            operation.created(SERVER)
            raise ValueError('the guest does not answer')
    assert nova.locked[SERVER]


def test_a_new_server_that_builds_yet_is_left_to_the_reconciler(
        process, nova):
    with windows.TroveOperation(process(), 'create_instance') as operation:
        operation.created(SERVER)
    assert nova.calls == []
