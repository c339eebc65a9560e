# SPDX-License-Identifier: Apache-2.0
"""Database instances in a real database of Trove's."""

from oslo_utils import timeutils
import pytest
from trove.instance import models
from trove.instance import tasks
from trove.quota import models as quota_models
from trove.quota import quota

from nova_trove_guard.trove import instances

pytestmark = pytest.mark.usefixtures('trove_database')

SERVER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000001'


@pytest.fixture
def create():
    """Return a function that creates the row of an instance."""
    rows = []

    def create(task=tasks.InstanceTasks.NONE, is_deleted=False, **columns):
        row = models.DBInstance.create(
            name='database', task_status=task, tenant_id='project',
            compute_instance_id=SERVER, **columns)
        rows.append(row)
        # create() ignores what it is given.
        row.deleted = is_deleted
        row.save()
        return row

    yield create
    for row in rows:
        row.delete()


EACH_TASK = [task for task in vars(tasks.InstanceTasks).values()
             if hasattr(task, 'is_error')]


@pytest.mark.parametrize('task', EACH_TASK, ids=repr)
def test_the_tasks_of_an_instance_at_rest(create, task):
    row = create(task)
    record = instances.record(row.id)
    assert record.is_at_rest is (
        task.is_error or task.action in ('NONE', 'RESTART_REQUIRED'))
    assert record.task == task.action
    assert abs(timeutils.utcnow() - record.changed_at).total_seconds() < 60


def test_a_deleted_instance_is_at_rest(create):
    row = create(tasks.InstanceTasks.DELETING, is_deleted=True)
    assert instances.record(row.id).is_at_rest


def test_instances_of_other_troves_are_unknown():
    assert instances.record('another') is None


def test_the_regions_are_those_of_all_instances(create):
    """A server may be left of a deleted one."""
    for region in ('one', 'one', 'two', None):
        create(region_id=region)
    create(region_id='left', is_deleted=True)
    assert instances.regions() == {'one', 'two', 'left', None}


def test_the_location_of_a_server(create):
    row = create(region_id='one')
    assert instances.location(row.id) == instances.Location(SERVER, 'one')
    row.compute_instance_id = None
    row.save()
    assert instances.location(row.id) is None
    assert instances.location('another') is None


def test_a_fault_is_the_instance_s(create):
    row = create()
    instances.save_fault(row.id, 'not locked')
    assert models.DBInstanceFault.find_by(
        instance_id=row.id).message == 'not locked'


@pytest.mark.parametrize('record, task', [
    (instances.end_task, tasks.InstanceTasks.NONE),
    (instances.fail_delete, tasks.InstanceTasks.BUILDING_ERROR_SERVER)])
def test_the_end_of_a_task_is_recorded(create, record, task):
    row = create(tasks.InstanceTasks.RESIZING)
    record(row.id)
    assert models.DBInstance.find_by(id=row.id).task_status == task


def usage(resource):
    return quota.QUOTAS.get_quota_usage(
        quota_models.Quota('project', resource, None)).in_use


@pytest.mark.parametrize('arguments, resource, delta', [
    ({'old_flavor': {'ram': 512}, 'new_flavor': {'ram': 2048}},
     'ram', -1536),
    ({'new_size': '7'}, 'volumes', -4),
    ({'instance_id': 'another'}, 'volumes', 0)])
def test_a_resize_that_does_not_begin_is_not_counted(
        create, arguments, resource, delta):
    row = create(volume_size=3)
    before = usage(resource)
    instances.release_resize(row.id, arguments)
    assert usage(resource) == before + delta


def test_resources_are_counted_also_beyond_the_quota():
    before = usage('instances'), usage('ram')
    instances.count_quota('project', instances=100000, ram=512)
    assert (usage('instances'), usage('ram')) == (
        before[0] + 100000, before[1] + 512)
