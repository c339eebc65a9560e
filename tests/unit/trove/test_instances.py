# SPDX-License-Identifier: Apache-2.0
"""The database instances of servers, as Trove's database has them."""

import types

import pytest
from trove.common import exception
from trove.instance import tasks

from nova_trove_guard.trove import instances

SERVER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000001'
INSTANCE = 'dbdbdbdb-0000-4000-8000-000000000001'


@pytest.fixture
def instance(monkeypatch):
    """Return the one instance of Trove's database."""
    row = types.SimpleNamespace(id=INSTANCE, saved=[])
    row.set_task_status = row.saved.append
    row.save = lambda: row.saved.append('saved')

    def find_by(**wanted):
        if wanted not in ({'compute_instance_id': SERVER, 'deleted': False},
                          {'id': INSTANCE},
                          {'id': INSTANCE, 'deleted': False}):
            raise exception.ModelNotFoundError()
        return row

    monkeypatch.setattr(instances.models.DBInstance, 'find_by', find_by)
    return row


def test_a_server_leads_to_its_instance(instance):
    assert instances.of_server(SERVER) == INSTANCE
    assert instances.of_server('another') is None


def test_an_instance_is_known(instance):
    assert instances.is_known(INSTANCE)
    assert not instances.is_known('another')


@pytest.mark.parametrize('server, reason', [
    (SERVER, f'Trove: database instance {INSTANCE}'),
    ('another', 'Trove: database instance unknown')])
def test_the_reason_of_a_lock_names_the_instance(instance, server, reason):
    assert instances.lock_reason(server) == reason


def test_a_lock_has_a_reason_even_without_a_database(monkeypatch, caplog):
    def fail(**wanted):
        raise OSError('no database')

    monkeypatch.setattr(instances.models.DBInstance, 'find_by', fail)
    assert instances.lock_reason(SERVER) == (
        'Trove: database instance unknown')
    assert f'on server {SERVER} can\'t be told' in caplog.text


def test_a_fault_is_the_instance_s(instance, monkeypatch):
    saved = []
    monkeypatch.setattr(instances.models, 'save_instance_fault',
                        lambda *fault: saved.append(fault))
    instances.save_fault(SERVER, 'not locked')
    assert saved == [(INSTANCE, 'not locked', [])]


def test_a_failed_delete_can_be_repeated(instance):
    instances.delete_failed(INSTANCE)
    assert instance.saved == [
        tasks.InstanceTasks.BUILDING_ERROR_SERVER, 'saved']
