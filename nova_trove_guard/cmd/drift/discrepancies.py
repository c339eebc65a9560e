# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a managed server, and the rules to detect it."""

import dataclasses
import enum

from oslo_utils import uuidutils

from nova_trove_guard.trove import locks

# trove.instance.tasks.InstanceTasks: what Trove does with an instance while
# it is doing nothing.
IDLE = frozenset((None, 'No tasks for the instance.',
                  'Instance requires a restart.'))
# The statuses that tell more than the task: a backup is none, and a task
# that has failed is over.
BUSY_STATUS = 'BACKUP'
FAILED_STATUS = 'ERROR'

_MEND = 'nova-trove-guard drift --fix'


class Code(enum.StrEnum):
    """What is wrong. Scripts may rely on the values."""

    UNLOCKED = 'unlocked'
    TENANT_LOCK = 'tenant-lock'
    MARKER_MISSING = 'marker-missing'
    MARKER_WRONG = 'marker-wrong'
    MARKER_FORGED = 'marker-forged'
    SERVER_MISSING = 'server-missing'
    SERVER_ERROR = 'server-error'
    WRONG_PROJECT = 'wrong-project'
    UNREADABLE = 'unreadable'


# What to do about it, with the database instance for {instance}, the server
# for {server} and the marker for {metadata_key}.
REMEDIES = {
    Code.UNLOCKED: _MEND,
    Code.TENANT_LOCK: _MEND,
    Code.MARKER_MISSING: _MEND,
    Code.MARKER_WRONG: _MEND,
    Code.MARKER_FORGED:
        'find out who made the server; if it is not Trove\'s, as the Trove '
        'admin: openstack server unset --property {metadata_key} {server}',
    Code.SERVER_MISSING:
        'restore a backup to a new instance, and: openstack database '
        'instance delete {instance}',
    Code.SERVER_ERROR:
        'openstack server show {server}, then mend it through Trove: '
        'openstack database instance rebuild {instance} <image>',
    Code.WRONG_PROJECT:
        'compare with server_owner in trove.conf; Nova moves no server: '
        'restore a backup to a new instance',
    Code.UNREADABLE: 'compare again when the cell of the server answers',
}


@dataclasses.dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that is wrong.

    :ivar code: Code
    :ivar server: the server's id, '' where there is none
    :ivar instance: the id of the database instance, '' where there is none
    :ivar detail: what there is, as a sentence's beginning
    """

    code: Code
    server: str
    instance: str
    detail: str

    def remedy(self, metadata_key):
        """Return what to do about it.

        :param metadata_key: the marker
        """
        return REMEDIES[self.code].format(
            server=self.server, instance=self.instance,
            metadata_key=metadata_key)


@dataclasses.dataclass(frozen=True, slots=True)
class Instance:
    """A database instance, as Trove has it.

    :ivar id: its id
    :ivar server: the id of its server, None while it has none
    :ivar project: the project whose it is
    :ivar is_busy: whether Trove is working on it: then its server may be
        unlocked, missing or half made
    """

    id: str
    server: str | None
    project: str
    is_busy: bool

    @classmethod
    def of(cls, shown):
        """Make one of what Trove's management API shows (dict)."""
        status = shown['status']
        return cls(
            shown['id'], shown['server_id'], shown['tenant_id'],
            status != FAILED_STATUS and (
                status == BUSY_STATUS or
                shown['task_description'] not in IDLE))


@dataclasses.dataclass(frozen=True, slots=True)
class Expectation:
    """What the server of a database instance must be.

    :ivar metadata_key: the marker
    :ivar server_owner: ``trove`` or ``user``, as in trove.conf
    :ivar trove_project: the id of Trove's own project
    """

    metadata_key: str
    server_owner: str
    trove_project: str

    def marker(self, server):
        """Return a server's marker, None where it has none or none is told.

        :param server: dict, as Nova shows it
        """
        return server.get('metadata', {}).get(self.metadata_key)

    def check(self, instance, server, has_owner_lock):
        """Yield the Discrepancies about a database instance and its server.

        :param instance: Instance
        :param server: dict, as Nova shows it; None where it is missing
        :param has_owner_lock: whether its lock counts, in Nova, as one by
            the project that owns it
        """
        for code, detail in self._wrong(instance, server, has_owner_lock):
            yield Discrepancy(code, instance.server or '', instance.id, detail)

    def _wrong(self, instance, server, has_owner_lock):
        if server is None or server['status'] in locks.DELETED:
            if not instance.is_busy:
                yield Code.SERVER_MISSING, (
                    'Nova has no such server' if server is None else
                    f'the server is {server["status"]}')
            return
        if 'locked' not in server:
            yield Code.UNREADABLE, 'the server\'s cell does not answer'
            return
        yield from self._wrong_marker(instance, self.marker(server))
        if server['status'] == 'ERROR':
            fault = server.get('fault', {}).get('message', 'unknown fault')
            yield Code.SERVER_ERROR, fault
        expected = {'trove': self.trove_project,
                    'user': instance.project}[self.server_owner]
        if server['tenant_id'] != expected:
            yield Code.WRONG_PROJECT, (
                f'it is in {server["tenant_id"]} instead of {expected}')
        if not instance.is_busy and server['status'] != locks.BUILDING:
            yield from self._wrong_lock(server, has_owner_lock)

    @staticmethod
    def _wrong_marker(instance, marker):
        if marker is None:
            yield Code.MARKER_MISSING, 'the guard does not know the server'
        elif marker != instance.id:
            yield Code.MARKER_WRONG, f'it is {quoted(marker)}'

    def _wrong_lock(self, server, has_owner_lock):
        project = server['tenant_id']
        if not server['locked']:
            yield Code.UNLOCKED, 'nothing but the guard keeps others off'
        elif has_owner_lock and project != self.trove_project:
            yield Code.TENANT_LOCK, (
                f'members of the project {project} can unlock it')


def forged(server_id, marker, detail):
    """Return the Discrepancy about a marker on a server that is not Trove's.

    :param marker: its value, which may be anything
    """
    return Discrepancy(
        Code.MARKER_FORGED, server_id,
        marker if uuidutils.is_uuid_like(marker) else '', detail)


def quoted(marker):
    """Return a marker's value, by whomever, for one line of text."""
    return marker if uuidutils.is_uuid_like(marker) else ascii(marker)[:80]
