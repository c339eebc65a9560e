# SPDX-License-Identifier: Apache-2.0
"""What the chaos of the benchmark does with databases that fail."""

import random
import types

import pytest
from trove.instance import service_status
from trove.instance import tasks
from troveclient import exceptions

from tests.bench import trove_operations
from tests.functional import trove_rows

Outcome = trove_operations.Outcome
HEALTHY = service_status.ServiceStatuses.HEALTHY.code
NEW = trove_rows.Row('server', 'volume', tasks.InstanceTasks.NONE.code, False,
                     '1', 1, None, HEALTHY, 0)
AWAY = exceptions.ClientException('away')


class Trove:
    """A Trove that does at once what it is asked, or fails.

    :ivar row: that of its only instance
    :ivar changes: what the row becomes with each operation, a dict by name;
        or an exception that is raised
    :ivar asked: the names of operations
    """

    def __init__(self):
        self.row = NEW
        self.changes = {}
        self.asked = []
        self.rows = types.SimpleNamespace(get=lambda instance: self.row)
        self.instances = self.operator = self

    def create(self, name):
        self._do('create')
        return 'instance'

    def _do(self, operation):
        self.asked.append(operation)
        change = self.changes.get(operation, {})
        if change is AWAY:
            raise AWAY
        self.row = self.row._replace(**change)

    def reboot(self, instance):
        self._do('reboot')

    def rebuild(self, instance, image):
        self._do('rebuild')

    def image(self, name):
        return 'image'

    def delete(self, instance):
        self._do('delete')

    def reset_task_status(self, instance):
        self._do('reset')


@pytest.fixture
def owner(monkeypatch):
    """Return an Owner who wants nothing but reboots, and does not wait."""
    monkeypatch.setattr(trove_operations, 'PAUSE_SECONDS', 0)
    monkeypatch.setattr(trove_operations, 'OPERATION_SECONDS', 0)
    monkeypatch.setattr(trove_operations, 'HEALTHY_SECONDS', 0)
    monkeypatch.setattr(trove_operations, 'USUAL', {
        trove_operations.operations.reboot: 1})
    return trove_operations.Owner(Trove(), random.Random(0))


@pytest.mark.parametrize('change, outcome', [
    ({}, Outcome.DONE),
    ({'faults': 1}, Outcome.FAILED),
    ({'service': service_status.ServiceStatuses.SHUTDOWN.code},
     Outcome.FAILED),
    ({'task': tasks.InstanceTasks.BUILDING_ERROR_SERVER.code},
     Outcome.FAILED),
    ({'task': tasks.InstanceTasks.REBOOTING.code}, Outcome.UNFINISHED),
    (AWAY, Outcome.REFUSED),
])
def test_the_outcome_of_an_operation(owner, change, outcome):
    owner.prepare()
    owner.trove.changes['reboot'] = change
    assert owner._operate(
        trove_operations.operations.reboot, 'instance') is outcome
    assert owner.outcomes == {('create', Outcome.DONE): 1,
                              ('reboot', outcome): 1}
    assert owner.kept == {'instance': ('server', 'volume')}


@pytest.mark.parametrize('change', [{'deleted': True}, {'faults': 1}, AWAY])
def test_what_somebody_wants_deleted_need_not_be_kept(owner, change):
    owner.prepare()
    owner.trove.changes['delete'] = change
    owner._operate(trove_operations.operations.delete, 'instance')
    assert owner.kept == {}


def test_a_database_that_cannot_be_repaired_is_left_for_another(owner):
    owner.prepare()
    trove = owner.trove
    trove.changes |= {'reboot': AWAY, 'rebuild': AWAY, 'delete': AWAY}
    made = trove.create

    def create_last(name):
        owner.end()
        return made(name)

    trove.create = create_last
    owner.work_on()
    assert trove.asked == [
        'create', 'reboot', 'reset', 'reboot', 'reset', 'rebuild', 'reset',
        'delete', 'create']
