# SPDX-License-Identifier: Apache-2.0
"""Read and change database instances in Trove's own database."""

from collections import abc
import dataclasses
import datetime
import typing

from trove.common import exception
from trove.instance import models
from trove.instance import tasks
from trove.quota import models as quota_models
from trove.quota import quota

# The tasks of an instance while no operation works on it, besides errors. Each
# operation that changes a server first sets another task
# (trove.instance.models and trove.taskmanager.manager).
_REST = (tasks.InstanceTasks.NONE, tasks.InstanceTasks.RESTART_REQUIRED)


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """Trove's record of a database instance.

    :ivar task: the name of its current task, such as RESIZING
    :ivar is_at_rest: whether no operation works on it
    :ivar changed_at: when the record was last changed, in UTC
    """

    task: str
    is_at_rest: bool
    changed_at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Location:
    """Where the server of a database instance is.

    :ivar region: None for Trove's own region
    """

    server_id: str
    region: str | None


def record(instance_id: str) -> Record | None:
    """Return the Record of a database instance, even if it is deleted.

    :returns: None if this Trove never had the instance
    """
    try:
        row = models.DBInstance.find_by(id=instance_id)
    except exception.ModelNotFoundError:
        return None
    return Record(row.task_status.action,
                  row.deleted or row.task_status.is_error or
                  row.task_status in _REST, row.updated)


def regions() -> set[str | None]:
    """Return the regions that database instances are or were in."""
    with models.DBInstance.query() as query:
        return {region for region, in query.with_entities(
            models.DBInstance.region_id).distinct()}


def location(instance_id: str) -> Location | None:
    """Return the Location of an instance's server, None if there is none."""
    try:
        row = models.DBInstance.find_by(id=instance_id, deleted=False)
    except exception.ModelNotFoundError:
        return None
    if row.compute_instance_id is None:
        return None
    return Location(row.compute_instance_id, row.region_id)


def save_fault(instance_id: str, message: str) -> None:
    """Save a message as the fault of a database instance."""
    models.save_instance_fault(instance_id, message, [])


def end_task(instance_id: str) -> None:
    """Record that no operation works on a database instance."""
    _set_task(instance_id, tasks.InstanceTasks.NONE)


def fail_delete(instance_id: str) -> None:
    """Record that a database instance could not be deleted.

    Trove then shows it in ERROR, and accepts another deletion.
    """
    _set_task(instance_id, tasks.InstanceTasks.BUILDING_ERROR_SERVER)


def _set_task(instance_id: str, task: tasks.InstanceTask) -> None:
    instance = models.DBInstance.find_by(id=instance_id, deleted=False)
    instance.set_task_status(task)
    instance.save()


def release_resize(instance_id: str,
                   arguments: abc.Mapping[str, typing.Any]) -> None:
    """Undo what Trove's API has added to the quota usage for a resize.

    :param arguments: the arguments of the task manager's call; those of a call
        that is no resize change nothing
        (trove.instance.models.Instance.resize_flavor, resize_volume)
    """
    instance = models.DBInstance.find_by(id=instance_id, deleted=False)
    if 'new_flavor' in arguments:
        count_quota(instance.tenant_id, ram=arguments['old_flavor']['ram'] -
                    arguments['new_flavor']['ram'])
    if 'new_size' in arguments:
        count_quota(instance.tenant_id, volumes=instance.volume_size -
                    int(arguments['new_size']))


def count_quota(project: str, **deltas: int) -> None:
    """Change how much of its quota a project uses, even beyond the quota.

    :param deltas: by how much, for each resource of
        trove.quota.models.Resource
    """
    for resource, delta in deltas.items():
        usage = quota.QUOTAS.get_quota_usage(
            quota_models.Quota(project, resource, None))
        usage.in_use += delta
        usage.save()
