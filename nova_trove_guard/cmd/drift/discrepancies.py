# SPDX-License-Identifier: Apache-2.0
"""The discrepancies of managed resources: how to detect and to fix them."""

from collections import abc
import dataclasses
import enum
import typing

from oslo_utils import uuidutils

from nova_trove_guard.neutron import tags
from nova_trove_guard.trove import locks

# A server, as Nova shows it.
Server = dict[str, typing.Any]
# A volume, as Cinder shows it.
Volume = dict[str, typing.Any]
# A port or security group, as Neutron shows it.
NetworkResource = dict[str, typing.Any]

# The tasks of an instance on which Trove is not working
# (trove.instance.tasks.InstanceTasks).
IDLE = frozenset((None, 'No tasks for the instance.',
                  'Instance requires a restart.'))
# The statuses that take precedence over the task: a backup is not a task, and
# a task that failed is over.
BUSY_STATUS = 'BACKUP'
FAILED_STATUS = 'ERROR'

_FIX = 'nova-trove-guard drift --fix'


class Kind(enum.StrEnum):
    """The kinds of resources that have a marker."""

    SERVER = 'server'
    VOLUME = 'volume'
    PORT = 'port'
    SECURITY_GROUP = 'security_group'

    @property
    def noun(self) -> str:
        """Its name in messages."""
        return self.replace('_', ' ')


class Code(enum.StrEnum):
    """The codes of discrepancies. Scripts may rely on the values."""

    UNLOCKED = 'unlocked'
    TENANT_LOCK = 'tenant-lock'
    MARKER_MISSING = 'marker-missing'
    MARKER_WRONG = 'marker-wrong'
    MARKER_FORGED = 'marker-forged'
    SERVER_MISSING = 'server-missing'
    SERVER_ERROR = 'server-error'
    WRONG_PROJECT = 'wrong-project'
    UNREADABLE = 'unreadable'
    VOLUME_MARKER_MISSING = 'volume-marker-missing'
    VOLUME_MARKER_WRONG = 'volume-marker-wrong'
    VOLUME_MARKER_FORGED = 'volume-marker-forged'
    VOLUME_MISSING = 'volume-missing'
    PORT_MARKER_MISSING = 'port-marker-missing'
    PORT_MARKER_WRONG = 'port-marker-wrong'
    PORT_MARKER_FORGED = 'port-marker-forged'
    SECURITY_GROUP_MARKER_MISSING = 'security-group-marker-missing'
    SECURITY_GROUP_MARKER_WRONG = 'security-group-marker-wrong'
    SECURITY_GROUP_MARKER_FORGED = 'security-group-marker-forged'


_REPLACE = ('restore a backup to a new instance, then: openstack database '
            'instance delete {instance}')

# The codes for the tags of a port or security group: missing, wrong and
# forged.
TAG_CODES = {
    Kind.PORT: (
        Code.PORT_MARKER_MISSING, Code.PORT_MARKER_WRONG,
        Code.PORT_MARKER_FORGED),
    Kind.SECURITY_GROUP: (
        Code.SECURITY_GROUP_MARKER_MISSING, Code.SECURITY_GROUP_MARKER_WRONG,
        Code.SECURITY_GROUP_MARKER_FORGED),
}

FORGED_CODES = {
    Kind.SERVER: Code.MARKER_FORGED, Kind.VOLUME: Code.VOLUME_MARKER_FORGED,
    **{kind: codes[-1] for kind, codes in TAG_CODES.items()}}

# What fixes a discrepancy. {instance} is the id of the database instance,
# {server}, {volume}, {port} and {security_group} are the ids of resources, and
# {metadata_key} is the marker.
REMEDIES = {
    Code.UNLOCKED: _FIX,
    Code.TENANT_LOCK: _FIX,
    Code.MARKER_MISSING: _FIX,
    Code.MARKER_WRONG: _FIX,
    Code.MARKER_FORGED:
        'find out who created the server; if it was not Trove, as the Trove '
        'admin: openstack server unset --property {metadata_key} {server}',
    Code.SERVER_MISSING: _REPLACE,
    Code.SERVER_ERROR:
        'openstack server show {server}, then fix it through Trove: '
        'openstack database instance rebuild {instance} <image>',
    Code.WRONG_PROJECT:
        'check server_owner in trove.conf; Nova cannot move a server: '
        'restore a backup to a new instance',
    Code.UNREADABLE:
        'run nova-trove-guard drift again when the server\'s cell is up',
    Code.VOLUME_MARKER_MISSING: _FIX,
    Code.VOLUME_MARKER_WRONG: _FIX,
    # A restored copy has the marker of the volume that was backed up.
    Code.VOLUME_MARKER_FORGED:
        'find out what is on the volume; if it is a database\'s data, a copy '
        'or a leftover that nobody needs, as the Trove admin: openstack '
        'volume delete {volume}; if it is a tenant\'s own: openstack volume '
        'unset --property {metadata_key} {volume}',
    Code.VOLUME_MISSING: _REPLACE,
    Code.PORT_MARKER_MISSING: _FIX,
    Code.PORT_MARKER_WRONG: _FIX,
    Code.PORT_MARKER_FORGED:
        'find out who created the port; if it is the rest of a database '
        'instance, as the Trove admin: openstack port delete {port}; if it is '
        'a tenant\'s own, remove its tag {metadata_key}_...: openstack port '
        'unset --tag <tag> {port}',
    Code.SECURITY_GROUP_MARKER_MISSING: _FIX,
    Code.SECURITY_GROUP_MARKER_WRONG: _FIX,
    Code.SECURITY_GROUP_MARKER_FORGED:
        'find out who created the security group; if it is the rest of a '
        'database instance, as the Trove admin: openstack security group '
        'delete {security_group}; if it is a tenant\'s own, remove its tag '
        '{metadata_key}_...: openstack security group unset --tag <tag> '
        '{security_group}',
}


@dataclasses.dataclass(frozen=True, slots=True)
class Discrepancy:
    """A difference between Trove's records and another service's.

    :ivar server: the server's id, '' where there is none
    :ivar instance: the id of the database instance, '' where there is none
    :ivar detail: what was found, as a clause without a full stop
    :ivar volume: the volume's id, '' if it is not about a volume
    :ivar port: the port's id, '' if it is not about a port
    :ivar security_group: its id, '' if it is not about a security group
    """

    code: Code
    server: str
    instance: str
    detail: str
    volume: str = ''
    port: str = ''
    security_group: str = ''

    def remedy(self, metadata_key: str) -> str:
        """Return the command or the steps that fix it.

        :param metadata_key: the marker
        """
        return REMEDIES[self.code].format(
            server=self.server, volume=self.volume, port=self.port,
            security_group=self.security_group, instance=self.instance,
            metadata_key=metadata_key)


@dataclasses.dataclass(frozen=True, slots=True)
class Instance:
    """A database instance, as Trove shows it.

    :ivar server: the id of its server, None while it has none
    :ivar volume: the id of its volume, None if it has none
    :ivar project: the id of the project that owns it
    :ivar is_busy: whether Trove is working on it: then its server may be
        unlocked, missing or incomplete, and its volume missing
    """

    id: str
    server: str | None
    volume: str | None
    project: str
    is_busy: bool

    def resource(self, kind: Kind) -> str | None:
        """Return the id of its server or volume, None if it has none."""
        return self.server if kind is Kind.SERVER else self.volume

    @classmethod
    def from_api(cls, shown: dict[str, typing.Any]) -> typing.Self:
        """Create an Instance from what Trove's management API shows."""
        status = shown['status']
        return cls(
            shown['id'], shown['server_id'], shown['volume_id'],
            shown['tenant_id'],
            status != FAILED_STATUS and (
                status == BUSY_STATUS or
                shown['task_description'] not in IDLE))


@dataclasses.dataclass(frozen=True, slots=True)
class Expectation:
    """What the resources of a database instance must be like.

    :ivar metadata_key: the marker
    :ivar server_owner: ``trove`` or ``user``, as in trove.conf
    :ivar trove_project: the id of Trove's own project
    :ivar security_group_prefix: what the names of security groups begin with,
        as trove_security_group_name_prefix in trove.conf
    """

    metadata_key: str
    server_owner: str
    trove_project: str | None
    security_group_prefix: str

    def marker(self, shown: Server | Volume) -> str | None:
        """Return the marker of a server or volume, None if it has none."""
        marker: str | None = shown.get('metadata', {}).get(self.metadata_key)
        return marker

    def check(self, instance: Instance, server: Server | None,
              has_owner_lock: bool) -> abc.Iterator[Discrepancy]:
        """Yield what differs between a database instance and its server.

        :param server: None if it is missing
        :param has_owner_lock: whether Nova treats the server's lock as one by
            the project that owns the server
        """
        for code, detail in self._wrong(instance, server, has_owner_lock):
            yield Discrepancy(
                code, instance.server or '', instance.id, detail)

    def check_volume(self, instance: Instance, volume: Volume | None
                     ) -> abc.Iterator[Discrepancy]:
        """Yield what differs between a database instance and its volume.

        :param volume: None if it is missing
        """
        for code, detail in self._wrong_volume(instance, volume):
            yield Discrepancy(code, instance.server or '', instance.id,
                              detail, volume=instance.volume or '')

    def owner(self, instance: Instance) -> str | None:
        """Return the id of the project that must own what Trove creates."""
        return (self.trove_project if self.server_owner == 'trove'
                else instance.project)

    def markers(self, shown: NetworkResource) -> list[str]:
        """Return the markers of a port or security group.

        Anyone may have written tags, and several that are markers.
        """
        return [instance for tag in shown['tags'] if (
            instance := tags.database_instance(tag, self.metadata_key))
            is not None]

    def is_port_of(self, instance: Instance, port: NetworkResource) -> bool:
        """Return whether Trove created a port for an instance.

        The name and the server are not enough: tenants can set both on their
        own ports.
        """
        return (is_on_server(port, instance.server) and
                self.named_instance(Kind.PORT, port) == instance.id and
                self.is_in_project(instance, port))

    def is_group_of(self, instance: Instance, group: NetworkResource,
                    is_bound: bool) -> bool:
        """Return whether a security group is Trove's own for an instance.

        The name is not enough: tenants can give it to their own groups.

        :param is_bound: whether a port of the instance's server has it
        """
        return (self.named_instance(
            Kind.SECURITY_GROUP, group) == instance.id and (
                is_bound or group['project_id'] == self.owner(instance)))

    def named_instance(self, kind: Kind, shown: NetworkResource
                       ) -> str | None:
        """Return the id of the instance in a resource's name, None for none.

        See trove.taskmanager.models.FreshInstanceTasks.

        :param kind: PORT or SECURITY_GROUP
        """
        prefix = 'trove-' if kind is Kind.PORT else (
            f'{self.security_group_prefix}-')
        name: str = shown['name'] or ''
        return name[len(prefix):] if name.startswith(prefix) else None

    def is_in_project(self, instance: Instance,
                      shown: NetworkResource) -> bool:
        """Return whether Trove's or the instance's project owns a resource."""
        return shown['project_id'] in (self.trove_project, instance.project)

    def is_left(self, kind: Kind, instance: Instance,
                shown: NetworkResource) -> bool:
        """Return whether a resource can be a leftover of a failed server."""
        return ((kind is Kind.SECURITY_GROUP or instance.server is None) and
                self.named_instance(kind, shown) == instance.id and
                shown['project_id'] == self.owner(instance))

    def check_tags(self, kind: Kind, instance: Instance,
                   shown: NetworkResource) -> abc.Iterator[Discrepancy]:
        """Yield what is wrong with the tags of an instance's own resource.

        :param kind: PORT or SECURITY_GROUP
        """
        missing, wrong, _ = TAG_CODES[kind]
        markers = self.markers(shown)
        others = [marker for marker in markers
                  if marker.casefold() != instance.id]
        if others:
            code, detail = wrong, f'the marker is {quoted(others[0])}'
        elif not markers:
            code, detail = missing, f'the {kind.noun} has no marker'
        else:
            return
        yield Discrepancy(code, instance.server or '', instance.id, detail,
                          **{kind: shown['id']})

    def right_tags(self, instance_id: str,
                   shown: NetworkResource) -> list[str]:
        """Return the tags that an instance's own resource must have."""
        return [*(tag for tag in shown['tags']
                  if tags.database_instance(
                      tag, self.metadata_key) is None),
                tags.prefix(self.metadata_key) + instance_id]

    def _wrong(self, instance: Instance, server: Server | None,
               has_owner_lock: bool) -> abc.Iterator[tuple[Code, str]]:
        if server is None or server['status'] in locks.DELETED:
            if not instance.is_busy:
                yield Code.SERVER_MISSING, (
                    'Nova has no such server' if server is None else
                    f'the server is {server["status"]}')
            return
        if 'locked' not in server:
            yield Code.UNREADABLE, 'the server\'s cell is down'
            return
        yield from self._wrong_marker(instance, self.marker(server))
        if server['status'] == 'ERROR':
            fault = server.get('fault', {}).get('message', 'unknown fault')
            yield Code.SERVER_ERROR, fault
        expected = self.owner(instance)
        if server['tenant_id'] != expected:
            yield Code.WRONG_PROJECT, (
                f'the server is in project {server["tenant_id"]} instead of '
                f'{expected}')
        if not instance.is_busy and server['status'] != locks.BUILDING:
            yield from self._wrong_lock(server, has_owner_lock)

    def _wrong_volume(self, instance: Instance, volume: Volume | None
                      ) -> abc.Iterator[tuple[Code, str]]:
        if instance.volume is None:
            # Its datastore has volume_support off, or Trove has not created
            # the volume yet.
            return
        if volume is None:
            if not instance.is_busy:
                yield Code.VOLUME_MISSING, 'Cinder has no such volume'
            return
        marker = self.marker(volume)
        if marker is None:
            yield Code.VOLUME_MARKER_MISSING, 'the volume has no marker'
        elif marker != instance.id:
            yield Code.VOLUME_MARKER_WRONG, f'the marker is {quoted(marker)}'

    @staticmethod
    def _wrong_marker(instance: Instance, marker: str | None
                      ) -> abc.Iterator[tuple[Code, str]]:
        if marker is None:
            yield Code.MARKER_MISSING, 'the server has no marker'
        elif marker != instance.id:
            yield Code.MARKER_WRONG, f'the marker is {quoted(marker)}'

    def _wrong_lock(self, server: Server, has_owner_lock: bool
                    ) -> abc.Iterator[tuple[Code, str]]:
        project = server['tenant_id']
        if not server['locked']:
            yield Code.UNLOCKED, 'the server is not locked'
        elif has_owner_lock and project != self.trove_project:
            yield Code.TENANT_LOCK, (
                f'members of project {project} can unlock the server')


def forged(kind: Kind, resource_id: str, marker: str,
           detail: str) -> Discrepancy:
    """Return the Discrepancy of a marker that Trove does not confirm.

    :param marker: its value, which may be any text
    """
    instance_id = marker if uuidutils.is_uuid_like(marker) else ''
    return Discrepancy(
        FORGED_CODES[kind], **{
            'server': '', 'instance': instance_id, 'detail': detail,
            kind.value: resource_id})


def is_on_server(port: NetworkResource, server_id: str | None) -> bool:
    """Return whether Nova has plugged a port into a server.

    :param server_id: None for no server
    """
    owner: str = port['device_owner']
    return port['device_id'] == server_id and owner.startswith('compute:')


def is_attached(volume: Volume, server_id: str) -> bool:
    """Return whether a volume is attached to a server.

    :param server_id: '' for no server
    """
    # The server's id is None if the volume is attached to a host.
    return server_id in (each['server_id'] for each in volume['attachments'])


def is_temporary(volume: Volume) -> bool:
    """Return whether a volume is only the target of a migration.

    It may have the marker of the volume whose place it takes.
    """
    return (volume.get('migration_status') or '').startswith('target:')


def quoted(marker: str) -> str:
    """Return a marker's value, which anyone may have written, in one line."""
    return marker if uuidutils.is_uuid_like(marker) else ascii(marker)[:80]
