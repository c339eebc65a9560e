# SPDX-License-Identifier: Apache-2.0
"""Deletions of servers that fail at once, late, or not at all."""

import types

from novaclient import exceptions as nova_exceptions
import pytest
from trove.common import exception
from trove.instance import models as instance_models
from trove.taskmanager import models

from nova_trove_guard.trove import deletion
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import windows

SERVER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000001'
INSTANCE = 'dbdbdbdb-0000-4000-8000-000000000001'
NOT_FOUND = nova_exceptions.NotFound(404)


class Instance:
    """Stands for trove.taskmanager.models.BuiltInstanceTasks.

    :ivar deleted: an exception that the deletion raises, if any
    :ivar shown: what Nova shows afterwards, one look after the other: an
        exception, or (status, task state)
    :ivar done: what was done
    """

    id = INSTANCE
    server_id = SERVER

    def __init__(self):
        self.deleted = None
        self.shown = [NOT_FOUND]
        self.done = []
        self.status = 'ACTIVE'
        self.stop = None
        self.server = types.SimpleNamespace(delete=self._delete)
        self.guest = types.SimpleNamespace(stop_db=self._stop)
        self.nova_client = types.SimpleNamespace(
            servers=types.SimpleNamespace(get=self._show))

    def server_status_matches(self, statuses, server):
        return self.status in statuses

    def _stop(self):
        self.done.append('stop')
        if self.stop:
            raise self.stop

    def _delete(self):
        self.done.append('delete')
        if self.deleted:
            raise self.deleted

    def _show(self, server_id):
        shown = self.shown.pop(0)
        if isinstance(shown, Exception):
            raise shown
        status, task_state = shown
        return types.SimpleNamespace(
            status=status, **{'OS-EXT-STS:task_state': task_state})


@pytest.fixture
def instance(monkeypatch):
    instance = Instance()
    monkeypatch.setattr(models.BuiltInstanceTasks, 'load',
                        lambda context, instance_id: instance)
    monkeypatch.setattr(deletion, 'POLL_SECONDS', 0.01)
    monkeypatch.setattr(deletion.CONF, 'server_delete_time_out', 0.3,
                        raising=False)
    return instance


def delete(check=lambda server_id: None):
    deletion.delete_server('context', INSTANCE,
                           types.SimpleNamespace(check_not_held=check))


@pytest.mark.parametrize('shown', [
    [NOT_FOUND],
    [('ACTIVE', 'deleting'), ('ERROR', 'deleting'), NOT_FOUND],
    [('ACTIVE', 'deleting'), ('SOFT_DELETED', None)],
    [OSError('Nova is down for a moment'), NOT_FOUND],
    [('ACTIVE', 'deleting'), ('DELETED', None), NOT_FOUND]])
def test_a_server_is_deleted_when_it_is_gone(instance, shown):
    instance.shown = shown
    delete()
    assert instance.done == ['stop', 'delete']
    assert shown == []


def test_a_server_that_goes_in_between_is_deleted(instance):
    instance.deleted = NOT_FOUND
    delete()


def test_an_instance_without_a_server_is_none_s_to_delete(monkeypatch):
    def load(context, instance_id):
        raise exception.UnprocessableEntity('not ready')

    monkeypatch.setattr(models.BuiltInstanceTasks, 'load', load)
    delete()


@pytest.mark.parametrize('status, done', [
    ('SHUTDOWN', ['stop', 'delete']), ('ERROR', ['delete'])])
def test_only_a_database_that_can_be_stopped_is(instance, status, done):
    instance.status = status
    delete()
    assert instance.done == done


def test_a_database_that_does_not_stop_is_deleted(instance, caplog):
    instance.stop = exception.GuestTimeout()
    delete()
    assert instance.done == ['stop', 'delete']
    assert 'Could not stop the database' in caplog.text


def test_an_operator_s_lock_fails_it_before_the_database_stops(instance):
    def refuse(server_id):
        raise windows.ServerHeld('new disks')

    with pytest.raises(windows.ServerHeld):
        delete(refuse)
    assert instance.done == []


def test_a_refusal_is_raised(instance):
    instance.deleted = nova_exceptions.Conflict(409)
    with pytest.raises(nova_exceptions.Conflict):
        delete()


def test_a_deletion_that_fails_late_is_raised(instance):
    instance.shown = [('ACTIVE', 'deleting'), ('ERROR', None)]
    with pytest.raises(exception.TroveError, match='has failed to delete'):
        delete()


def test_a_deletion_that_does_not_end_is_raised(instance):
    instance.shown = [('ACTIVE', 'deleting')] * 1000
    with pytest.raises(exception.PollTimeOut):
        delete()


# The quota.

@pytest.fixture
def row(monkeypatch):
    row = types.SimpleNamespace(
        id=INSTANCE, tenant_id='project', volume_size=3, flavor_id='7',
        region_id='here')
    monkeypatch.setattr(instance_models.DBInstance, 'find_by',
                        lambda **_: row)
    return row


@pytest.fixture
def taken(monkeypatch):
    """Return what is counted as in use."""
    taken = {}
    monkeypatch.setattr(instances, 'count_quota',
                        lambda project, **deltas: taken.update(deltas))
    return taken


def flavors(monkeypatch, *answers):
    answers = iter(answers)

    def get(flavor_id):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return types.SimpleNamespace(ram=answer)

    monkeypatch.setattr(
        deletion.clients, 'create_nova_client',
        lambda context, region_name: types.SimpleNamespace(
            flavors=types.SimpleNamespace(get=get)))


@pytest.mark.parametrize('volume_size, volumes', [
    (3, 3), (None, 0)])
def test_the_quota_is_as_before_the_deletion(
        monkeypatch, row, taken, volume_size, volumes):
    row.volume_size = volume_size
    flavors(monkeypatch, OSError('Nova is down'), 512)
    deletion.restore_quota('context', INSTANCE, 30)
    assert taken == {'instances': 1, 'ram': 512, 'volumes': volumes}


def test_without_nova_the_log_shows_what_to_correct(
        monkeypatch, row, taken, caplog):
    flavors(monkeypatch, OSError('Nova is down'))
    deletion.restore_quota('context', INSTANCE, 0.1)
    assert taken == {'instances': 1, 'volumes': 3}
    assert f'the quota usage of database instance {INSTANCE}' in caplog.text


def test_without_a_database_it_fails_nothing_else(monkeypatch, caplog):
    def fail(**_):
        raise OSError('no database')

    monkeypatch.setattr(instance_models.DBInstance, 'find_by', fail)
    deletion.restore_quota('context', INSTANCE, 1)
    assert 'Could not restore the quota' in caplog.text
