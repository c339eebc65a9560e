# SPDX-License-Identifier: Apache-2.0
"""What the reconciler locks, and when."""

import datetime
import itertools
import re

from oslo_utils import timeutils
import pytest

from nova_trove_guard.trove import instances
from nova_trove_guard.trove import reconciler
from nova_trove_guard.trove import windows
from tests.unit.trove import made_up_nova
from tests.unit.trove.made_up_nova import INSTANCE
from tests.unit.trove.made_up_nova import OTHER
from tests.unit.trove.made_up_nova import OTHER_INSTANCE
from tests.unit.trove.made_up_nova import SERVER

UNLOCK_TIMEOUT = 60


def ago(seconds):
    return timeutils.utcnow() - datetime.timedelta(seconds=seconds)


AT_REST = instances.Record('NONE', True, ago(100))
RESIZING = instances.Record('RESIZING', False, ago(100))
BUILDING = instances.Record('BUILDING', False, ago(100))


class Nova(made_up_nova.Nova):
    """Lists servers, too, one on each page.

    :ivar unlocked_since: when each was unlocked
    """

    def __init__(self):
        super().__init__()
        self.unlocked_since = {}
        self.pages = 0

    def unlocked(self):
        for server in list(self.servers.values()):
            self.pages += 1
            yield [] if server.is_locked else [server]

    def unlocked_at(self, server):
        return self.unlocked_since.get(server.uuid)


@pytest.fixture
def nova():
    return Nova()


@pytest.fixture
def events():
    return made_up_nova.Events()


@pytest.fixture
def here(nova, events):
    return windows.Windows(nova, events, 1, UNLOCK_TIMEOUT)


@pytest.fixture
def records(monkeypatch):
    """Return what Trove has recorded of each database instance."""
    known = {INSTANCE: AT_REST, OTHER_INSTANCE: AT_REST}
    monkeypatch.setattr(instances, 'record', known.get)
    return known


@pytest.fixture
def run(nova, here, events, records):
    """Return a function that runs the reconciler once."""
    return reconciler.Reconciler(
        nova, here, events, UNLOCK_TIMEOUT, run_seconds=60).run


@pytest.mark.parametrize('record, unlocked, launched, cause', [
    (AT_REST, None, 1, 'at_rest'),
    (AT_REST, 1, 1, 'at_rest'),
    (RESIZING, UNLOCK_TIMEOUT + 1, 9999, 'overdue'),
    (RESIZING, UNLOCK_TIMEOUT - 5, 9999, None),
    (BUILDING, None, UNLOCK_TIMEOUT + 1, 'never_locked'),
    (BUILDING, None, UNLOCK_TIMEOUT - 5, None),
    (BUILDING, None, None, 'never_locked')])
def test_a_server_is_locked_when_nobody_needs_it_unlocked(
        nova, events, records, run, record, unlocked, launched, cause):
    records[INSTANCE] = record
    nova.change(SERVER, is_locked=False, lock_reason=None,
                launched_at=launched and ago(launched))
    if unlocked:
        nova.unlocked_since[SERVER] = ago(unlocked)
    run()
    assert nova.is_locked() is (cause is not None)
    assert [event[1:4] for event in events.named('relocked')] == (
        [(SERVER, INSTANCE, cause)] if cause else [])


@pytest.mark.parametrize('cause, text', [
    (reconciler.Cause.OVERDUE, 'its task RESIZING has kept it unlocked for '
     '61 s; the task manager that worked on it may have crashed'),
    (reconciler.Cause.NEVER_LOCKED, 'it became active 61 s ago, and its task '
     'BUILDING has not locked it; the task manager that created it may have '
     'crashed')])
def test_the_log_shows_a_crash_and_a_new_server(
        nova, events, records, run, cause, text):
    is_new = cause is reconciler.Cause.NEVER_LOCKED
    records[INSTANCE] = BUILDING if is_new else RESIZING
    nova.change(SERVER, is_locked=False, launched_at=ago(61))
    if not is_new:
        nova.unlocked_since[SERVER] = ago(61)
    run()
    (*_, described), = events.named('relocked')
    # A second may have passed.
    assert re.sub('6[12] s', '61 s', described) == text


def test_what_this_process_works_on_is_left_alone(nova, here, run):
    with windows.TroveOperation('resize_flavor') as operation:
        operation.open(here, SERVER)
        run()
        assert not nova.is_locked()
    assert nova.calls == [('unlock', SERVER), ('lock', SERVER)]


def test_a_server_that_is_being_created_here_is_left_alone(
        nova, here, events, records, run):
    records[INSTANCE] = BUILDING
    nova.change(SERVER, is_locked=False, launched_at=ago(9999))
    operation = windows.TroveOperation('create_instance', INSTANCE)
    operation.created(here, SERVER, INSTANCE)
    run()
    assert nova.calls == []
    operation.lock_active(SERVER, 'ACTIVE')
    assert nova.calls == [('lock', SERVER)]
    assert not events.named('relocked')


def test_an_operation_that_has_just_ended_locks_by_itself(
        nova, records, run):
    """It may be one of another task manager.

    But a tenant who changes the instance all the time gains nothing.
    """
    records[INSTANCE] = instances.Record('NONE', True, ago(1))
    nova.change(SERVER, is_locked=False)
    nova.unlocked_since[SERVER] = ago(UNLOCK_TIMEOUT - 5)
    run()
    assert nova.calls == []
    nova.unlocked_since[SERVER] = ago(UNLOCK_TIMEOUT + 1)
    run()
    assert nova.is_locked()


def test_servers_of_another_trove_are_left_alone(nova, records, run):
    del records[INSTANCE]
    nova.change(SERVER, is_locked=False)
    run()
    assert nova.calls == []


def test_a_server_that_was_locked_meanwhile_is_not_locked_again(
        nova, events, run):
    """Also not by an operator, whose reason would be lost."""
    listed = made_up_nova.server(is_locked=False, lock_reason=None)
    nova.unlocked = lambda: iter([[listed]])
    for reason in (made_up_nova.REASON, 'new disks'):
        nova.change(SERVER, lock_reason=reason)
        run()
    assert nova.calls == []
    assert not events.named('relocked')


def test_it_goes_on_after_a_server_that_it_cannot_lock(nova, run, caplog):
    for uuid in (SERVER, OTHER):
        nova.change(uuid, is_locked=False)
    nova.failures = [OSError('not this one')]
    run()
    assert [nova.is_locked(), nova.is_locked(OTHER)] == [False, True]
    assert f'Could not lock server {SERVER}' in caplog.text


def test_a_run_that_takes_too_long_goes_on_with_the_next_one(
        nova, here, events, records):
    one = reconciler.Reconciler(nova, here, events, UNLOCK_TIMEOUT,
                                run_seconds=-1)
    for uuid in (SERVER, OTHER):
        nova.change(uuid, is_locked=False)
    for pages in (1, 2):
        assert not one.run()
        assert (nova.pages, len(nova.calls)) == (pages, pages)
    # The end of the list, and its front again.
    assert one.run()
    nova.change(SERVER, is_locked=False)
    one.run()
    assert nova.is_locked()


def test_it_ends_within_a_page(nova, here, events, records):
    page = [made_up_nova.server(uuid, is_locked=False)
            for uuid in (SERVER, OTHER)]
    nova.unlocked = lambda: iter([page])
    for server in page:
        nova.change(server.uuid, is_locked=False)
    one = reconciler.Reconciler(nova, here, events, UNLOCK_TIMEOUT,
                                run_seconds=-1)
    assert not one.run()
    assert len(nova.calls) == 1
    assert not one.run()
    assert len(nova.calls) == 2


def test_an_operation_that_begins_while_a_page_is_checked_is_left_alone(
        nova, records, run):
    """One of another task manager."""
    page = [made_up_nova.server(uuid, is_locked=False)
            for uuid in (SERVER, OTHER)]
    nova.unlocked = lambda: iter([page])

    def lock(server_id, reason):
        for instance in records:
            records[instance] = RESIZING
        return made_up_nova.Nova.lock(nova, server_id, reason)

    nova.lock = lock
    for server in page:
        nova.change(server.uuid, is_locked=False)
        nova.unlocked_since[server.uuid] = ago(1)
    run()
    assert [name for name, _ in nova.calls] == ['lock']


def test_a_list_that_fails_is_begun_again(nova, run):
    def fail():
        raise OSError('the marker is gone')
        yield

    works, nova.unlocked = nova.unlocked, fail
    with pytest.raises(OSError):
        run()
    nova.unlocked = works
    nova.change(SERVER, is_locked=False)
    run()
    assert nova.is_locked()


def test_progress_is_logged(nova, run, caplog):
    caplog.set_level('INFO', 'nova_trove_guard')
    for uuid in (SERVER, OTHER):
        nova.change(uuid, is_locked=False)
    run()
    assert 'has checked 2 unlocked servers in this run, and locked 2' in (
        caplog.text)


def test_it_runs_for_good_at_random_intervals(monkeypatch, caplog):
    pauses = []
    # A run that is not finished goes on without a pause.
    outcomes = itertools.cycle([False, OSError('Nova is down'), True])

    class TheEnd(BaseException):
        pass

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) > 20:
            raise TheEnd

    def reconcile():
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(reconciler.time, 'sleep', sleep)
    with pytest.raises(TheEnd):
        reconciler.keep_running(reconcile, 60)
    assert min(pauses) >= 30 and max(pauses) <= 90
    assert len(set(pauses)) > 10
    assert next(outcomes) is False
    assert caplog.text.count('could not finish its run') == 10
