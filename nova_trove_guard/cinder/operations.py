# SPDX-License-Identifier: Apache-2.0
"""The table of operations of Cinder's API on a volume.

``ROUTES`` has one row for each route that reaches a volume, or a resource made
from one: a snapshot, backup, attachment, transfer or group. ``ACTIONS`` has
one for each action in a body (``cinder.api.openstack.wsgi.action``), by
collection. A call on one of these resources that is not in the table counts as
mutating. Operations have Cinder's names of the calls, behind ``volume:``.

For Cinder, too, the old consistency groups are groups, and their snapshots are
group snapshots (``cinder.api.contrib.consistencygroups``).

``used_by_services`` marks the calls that Nova makes for its servers. It never
marks a call by which a tenant copies data or gives it away: only the Trove
admin may make a volume, snapshot, backup, image or transfer from a managed
volume, with or without a service token.

Policy rules, samples, advice and CADF actions are generated from the table.
``tests/unit/cinder/test_surface.py`` compares it with the installed Cinder.
"""

from collections.abc import Iterator
import functools

from nova_trove_guard.cinder import identifiers
from nova_trove_guard.core import calls
from nova_trove_guard.core import marker
from nova_trove_guard.core import routing

VOLUME = (calls.Target('volume'),)
_SNAPSHOT = (calls.Target('snapshot'),)
_BACKUP = (calls.Target('backup'),)
_ATTACHMENT = (calls.Target('attachment'),)
_TRANSFER = (calls.Target('transfer'),)
_GROUP = (calls.Target('group'),)
_GROUP_SNAPSHOT = (calls.Target('group_snapshot'),)

# In the body; Cinder's schemas require a UUID at all microversions.
_uuid = functools.partial(calls.Target, is_validated=True)
_optional_uuid = functools.partial(_uuid, is_optional=True)

# The commands to use instead, with {0} for the database instance.
_INSTANCE = 'openstack database instance'
_COPY = 'openstack database backup create <name> --instance {0}'
_DELETE = f'{_INSTANCE} delete {{0}}'
_DELETE_COPY = 'openstack database backup delete <backup>'
_RESIZE = f'{_INSTANCE} resize volume {{0}} <size in GB>'

_volume = functools.partial(calls.Operation, targets=VOLUME)
_snapshot = functools.partial(calls.Operation, targets=_SNAPSHOT)
_backup = functools.partial(calls.Operation, targets=_BACKUP)
_attachment = functools.partial(
    calls.Operation, targets=_ATTACHMENT, used_by_services=True)
_transfer = functools.partial(calls.Operation, targets=_TRANSFER)
_group = functools.partial(calls.Operation, targets=_GROUP)
_group_snapshot = functools.partial(
    calls.Operation, targets=_GROUP_SNAPSHOT)

_UNKNOWN = (
    'Make a call that the guard does not know, such as an action of a newer '
    'Cinder. It can do anything: do not allow it')
# By collection, with the resource that the path's first variable names there.
UNKNOWN = {
    collection: calls.Operation(
        f'volume:{prefix}unknown', _UNKNOWN, targets=targets)
    for prefix, targets, collections in (
        ('', VOLUME, ('volumes',)),
        ('snapshot_', _SNAPSHOT, ('snapshots',)),
        ('backup_', _BACKUP, ('backups',)),
        ('attachment_', _ATTACHMENT, ('attachments',)),
        ('transfer_', _TRANSFER, ('volume-transfers', 'os-volume-transfer')),
        ('group_', _GROUP, ('groups', 'consistencygroups')),
        ('group_snapshot_', _GROUP_SNAPSHOT, (
            'group_snapshots', 'cgsnapshots')))
    for collection in collections}
ATTACHMENT_CREATE = calls.Operation(
    'volume:attachment_create', 'Attach a volume to its server',
    has_body=True, used_by_services=True, needs_proof=True,
    targets=(_uuid('volume', ('attachment', 'volume_uuid')),))
# The body names the action: see nova_trove_guard.cinder.reader.
ACTION = calls.Operation('volume:action', has_body=True)

_LISTS = {'GET': routing.PASS}

_TRANSFERS = {
    '': _LISTS | {
        'POST': calls.Operation(
            'volume:transfer_create',
            'Offer a volume to another project', has_body=True,
            targets=(_uuid('volume', ('transfer', 'volume_id')),)),
    },
    '/detail': _LISTS,
    '/{id}': {
        'GET': routing.PASS,
        'DELETE': _transfer(
            'volume:transfer_delete', 'Withdraw the offer of a volume',
            action='delete'),
    },
    '/{id}/accept': {
        'POST': _transfer(
            'volume:transfer_accept', 'Accept a volume from another project',
            # Cinder shows to anyone that the offer exists.
            has_body=True, targets=(calls.Target(
                'transfer', secret=('accept', 'auth_key')),)),
    },
}

# The volumes of a group, and those that the body adds or removes. Cinder looks
# up the latter as they are written (cinder.group.api.API.update).
_GROUP_AND_VOLUMES = {
    name: (*_GROUP, *(calls.Target(
        'volume', (name, key), separator=',', is_optional=True,
        canonical=calls.as_written)
        for key in ('add_volumes', 'remove_volumes')))
    for name in ('group', 'consistencygroup')}
_GROUP_DELETE = _group(
    'volume:group_delete', 'Delete a group, with its volumes on request',
    _DELETE, action='delete')
_CONSISTENCYGROUP_UPDATE = calls.Operation(
    'volume:consistencygroup_update',
    'Change a consistency group, or which volumes are in it', has_body=True,
    targets=_GROUP_AND_VOLUMES['consistencygroup'])
_CONSISTENCYGROUP_DELETE = _group(
    'volume:consistencygroup_delete',
    'Delete a consistency group, with its volumes on request', _DELETE,
    action='delete')

# On a backend, a volume's name contains its id. The body may set metadata of
# the new volume.
_MANAGE = calls.Operation(
    'volume:manage', 'Make Cinder manage a volume that is on a backend',
    has_body=True, marker_effect=marker.WritesMetadata(('volume', 'metadata')),
    targets=(calls.Target(
        'backend_name', ('volume', 'ref'), split=identifiers.uuids_in),))
_MANAGE_SNAPSHOT = calls.Operation(
    'volume:snapshot_manage',
    'Make Cinder manage a snapshot that is on a backend',
    has_body=True,
    targets=(_uuid('volume', ('snapshot', 'volume_id')),))

ROUTES = {
    '/volumes': _LISTS | {
        # Everything that the body names is a source of data, except the groups
        # that the volume joins. Cinder acts on backup_id and group_id also
        # before microversions 3.47 and 3.13, at which its schemas begin to
        # check them.
        'POST': calls.Operation(
            'volume:create',
            'Create a volume from the data of a volume, or in its group',
            _COPY, has_body=True,
            marker_effect=marker.WritesMetadata(('volume', 'metadata')),
            targets=(
                _optional_uuid('volume', ('volume', 'source_volid')),
                _optional_uuid('snapshot', ('volume', 'snapshot_id')),
                calls.Target('backup', ('volume', 'backup_id'),
                             is_optional=True),
                calls.Target('group', ('volume', 'group_id'),
                             is_optional=True),
                _optional_uuid('group', ('volume', 'consistencygroup_id')),
                *(calls.Target('image', ('volume', key), is_optional=True,
                               canonical=calls.as_written)
                  for key in ('imageRef', 'image_id')))),
    },
    '/volumes/detail': _LISTS,
    '/volumes/summary': _LISTS,
    '/volumes/{id}': {
        'GET': routing.PASS,
        'PUT': _volume(
            'volume:update', 'Change the name and description of a volume',
            has_body=True, marker_effect=marker.WritesMetadata(
                ('volume', 'metadata'), replaces=True)),
        # Nova also deletes volumes, together with their server.
        'DELETE': _volume(
            'volume:delete', 'Delete a volume', _DELETE, action='delete',
            used_by_services=True),
    },
    '/volumes/{id}/action': {'POST': ACTION},
    '/volumes/{volume_id}/metadata': {
        'GET': routing.PASS,
        'POST': _volume(
            'volume:metadata_create', 'Add metadata, except the marker',
            has_body=True, marker_effect=marker.WritesMetadata(('metadata',))),
        'PUT': _volume(
            'volume:metadata_update_all', has_body=True, trove_admin_only=True,
            marker_effect=marker.WritesMetadata(('metadata',), replaces=True)),
    },
    '/volumes/{volume_id}/metadata/{id}': {
        'GET': routing.PASS,
        'PUT': _volume(
            'volume:metadata_update', 'Change metadata, except the marker',
            has_body=True, marker_effect=marker.WritesMetadata(('meta',))),
        'DELETE': _volume(
            'volume:metadata_delete', 'Delete metadata, except the marker',
            marker_effect=marker.DeletesMetadata()),
    },
    '/volumes/{volume_id}/encryption': {'GET': routing.PASS},
    '/volumes/{volume_id}/encryption/{id}': {'GET': routing.PASS},
    '/snapshots': _LISTS | {
        'POST': calls.Operation(
            'volume:snapshot_create', 'Snapshot a volume', _COPY,
            has_body=True,
            targets=(_uuid('volume', ('snapshot', 'volume_id')),)),
    },
    '/snapshots/detail': _LISTS,
    '/snapshots/{id}': {
        'GET': routing.PASS,
        'PUT': _snapshot(
            'volume:snapshot_update',
            'Change the name and description of a snapshot'),
        'DELETE': _snapshot(
            'volume:snapshot_delete', 'Delete a snapshot of a volume',
            _DELETE_COPY, action='delete'),
    },
    '/snapshots/{id}/action': {'POST': ACTION},
    '/snapshots/{snapshot_id}/metadata': {
        'GET': routing.PASS,
        'POST': _snapshot(
            'volume:snapshot_metadata_create', 'Add metadata to a snapshot'),
        'PUT': _snapshot(
            'volume:snapshot_metadata_update_all',
            'Replace all metadata of a snapshot'),
    },
    '/snapshots/{snapshot_id}/metadata/{id}': {
        'GET': routing.PASS,
        'PUT': _snapshot(
            'volume:snapshot_metadata_update',
            'Change metadata of a snapshot'),
        'DELETE': _snapshot(
            'volume:snapshot_metadata_delete',
            'Delete metadata of a snapshot'),
    },
    # A backup outlives its volume, so it may have the marker itself.
    '/backups': _LISTS | {
        'POST': calls.Operation(
            'volume:backup_create', 'Back up a volume', _COPY, has_body=True,
            marker_effect=marker.WritesMetadata(('backup', 'metadata')),
            targets=(
                _uuid('volume', ('backup', 'volume_id')),
                _optional_uuid('snapshot', ('backup', 'snapshot_id')))),
    },
    '/backups/detail': _LISTS,
    '/backups/import_record': {
        'POST': calls.Operation(
            'volume:backup_import', 'Import the record of a backup',
            has_body=True,
            targets=tuple(calls.Target(
                kind, ('backup-record', 'backup_url'),
                split=identifiers.uuids_in_record)
                for kind in ('backup', 'origin'))),
    },
    '/backups/{id}': {
        'GET': routing.PASS,
        'PUT': _backup(
            'volume:backup_update',
            'Change the name and description of a backup', has_body=True,
            marker_effect=marker.WritesMetadata(
                ('backup', 'metadata'), replaces=True)),
        'DELETE': _backup(
            'volume:backup_delete', 'Delete a backup of a volume',
            _DELETE_COPY, action='delete'),
    },
    '/backups/{id}/action': {'POST': ACTION},
    '/backups/{id}/export_record': {
        'GET': _backup(
            'volume:backup_export',
            'Export the record of a backup, with which it can be imported and '
            'read',
            action='read'),
    },
    # This copies the backup and overwrites the volume, so both are looked up.
    '/backups/{id}/restore': {
        'POST': calls.Operation(
            'volume:backup_restore',
            'Restore a backup of a volume, or any backup to a volume',
            has_body=True,
            targets=(*_BACKUP, _optional_uuid(
                'volume', ('restore', 'volume_id')))),
    },
    # The responses contain the connection information of the volume.
    '/attachments': _LISTS | {
        'POST': ATTACHMENT_CREATE,
    },
    '/attachments/detail': {
        'GET': calls.Operation(
            'volume:attachment_detail',
            'List attachments with their connection information, which the '
            'guard removes otherwise', action='read', used_by_services=True,
            is_redacted=True),
    },
    '/attachments/summary': _LISTS,
    '/attachments/{id}': {
        'GET': _attachment(
            'volume:attachment_show',
            'Show an attachment, with its connection information',
            action='read'),
        'PUT': _attachment(
            'volume:attachment_update',
            'Connect a host to a volume of its server, and show the '
            'connection information', needs_proof=True, shows_existence=True),
        'DELETE': _attachment(
            'volume:attachment_delete', 'Detach a volume',
            shows_existence=True),
    },
    '/attachments/{id}/action': {'POST': ACTION},
    '/groups': _LISTS | {'POST': routing.PASS},
    '/groups/detail': _LISTS,
    '/groups/action': {'POST': ACTION},
    '/groups/{id}': {
        'GET': routing.PASS,
        'PUT': calls.Operation(
            'volume:group_update',
            'Change a group, or which volumes are in it', has_body=True,
            targets=_GROUP_AND_VOLUMES['group']),
        # With a body, this is the action of the same name.
        'DELETE': _GROUP_DELETE,
    },
    '/groups/{id}/action': {'POST': ACTION},
    '/group_snapshots': _LISTS | {
        'POST': calls.Operation(
            'volume:group_snapshot_create', 'Snapshot all volumes of a group',
            _COPY, has_body=True,
            targets=(_uuid('group', ('group_snapshot', 'group_id')),)),
    },
    '/group_snapshots/detail': _LISTS,
    '/group_snapshots/{id}': {
        'GET': routing.PASS,
        'DELETE': _group_snapshot(
            'volume:group_snapshot_delete', 'Delete a group snapshot',
            action='delete'),
    },
    '/group_snapshots/{id}/action': {'POST': ACTION},
    '/consistencygroups': _LISTS | {'POST': routing.PASS},
    '/consistencygroups/detail': _LISTS,
    '/consistencygroups/create_from_src': {
        'POST': calls.Operation(
            'volume:consistencygroup_create_from_src',
            'Copy all volumes of a consistency group', _COPY, has_body=True,
            targets=(
                calls.Target('group_snapshot', (
                    'consistencygroup-from-src', 'cgsnapshot_id'),
                    is_optional=True),
                calls.Target('group', (
                    'consistencygroup-from-src', 'source_cgid'),
                    is_optional=True))),
    },
    '/consistencygroups/{id}': {
        'GET': routing.PASS,
        'PUT': _CONSISTENCYGROUP_UPDATE,
        'DELETE': _CONSISTENCYGROUP_DELETE,
    },
    '/consistencygroups/{id}/update': {'PUT': _CONSISTENCYGROUP_UPDATE},
    '/consistencygroups/{id}/delete': {'POST': _CONSISTENCYGROUP_DELETE},
    # Cinder has this route, but no such actions.
    '/consistencygroups/{id}/action': {'POST': ACTION},
    '/cgsnapshots': _LISTS | {
        'POST': calls.Operation(
            'volume:cgsnapshot_create',
            'Snapshot all volumes of a consistency group', _COPY,
            has_body=True,
            targets=(calls.Target(
                'group', ('cgsnapshot', 'consistencygroup_id')),)),
    },
    '/cgsnapshots/detail': _LISTS,
    '/cgsnapshots/{id}': {
        'GET': routing.PASS,
        'DELETE': _group_snapshot(
            'volume:cgsnapshot_delete',
            'Delete a snapshot of a consistency group', action='delete'),
    },
} | {
    f'/{collection}{route}': methods
    for collection in ('volume-transfers', 'os-volume-transfer')
    for route, methods in _TRANSFERS.items()
} | {
    f'/{collection}{route}': methods
    for collection, operation in (
        ('manageable_volumes', _MANAGE), ('os-volume-manage', _MANAGE),
        ('manageable_snapshots', _MANAGE_SNAPSHOT),
        ('os-snapshot-manage', _MANAGE_SNAPSHOT))
    for route, methods in {
        '': _LISTS | {'POST': operation}, '/detail': _LISTS}.items()
}

ACTIONS = {
    'volumes': {
        'os-attach': _volume(
            'volume:attach', 'Record that a volume is attached',
            used_by_services=True),
        'os-begin_detaching': _volume(
            'volume:begin_detaching', 'Begin to detach a volume',
            used_by_services=True),
        'os-detach': _volume(
            'volume:detach', 'Record that a volume is detached',
            used_by_services=True),
        'os-extend': _volume('volume:extend', 'Extend a volume', _RESIZE),
        'os-extend_volume_completion': _volume(
            'volume:extend_volume_completion',
            'Report that a volume is extended'),
        'os-force_delete': _volume(
            'volume:force_delete', 'Delete a volume in any state',
            _DELETE, action='delete'),
        'os-force_detach': _volume(
            'volume:force_detach', 'Force the detachment of a volume'),
        'os-initialize_connection': _volume(
            'volume:initialize_connection',
            'Connect a host to a volume, and show the connection information',
            used_by_services=True),
        'os-migrate_volume': _volume(
            'volume:migrate', 'Migrate a volume to another host'),
        'os-migrate_volume_completion': _volume(
            'volume:migrate_completion',
            'Complete a migration, which gives a volume the data of another',
            used_by_services=True, targets=(*VOLUME, _uuid(
                'volume', ('os-migrate_volume_completion', 'new_volume')))),
        'os-reimage': _volume(
            'volume:reimage', 'Overwrite a volume with an image',
            used_by_services=True),
        'os-reserve': _volume(
            'volume:reserve', 'Reserve a volume for a server',
            used_by_services=True),
        'os-reset_status': _volume(
            'volume:reset_status', 'Set the state of a volume'),
        'os-retype': _volume(
            'volume:retype', 'Change the type of a volume'),
        'os-roll_detaching': _volume(
            'volume:roll_detaching', 'Undo the beginning of a detachment',
            used_by_services=True),
        'os-set_bootable': _volume(
            'volume:set_bootable', 'Change whether a volume is bootable'),
        'os-set_image_metadata': _volume(
            'volume:set_image_metadata', 'Set image metadata of a volume'),
        'os-show_image_metadata': routing.PASS,
        'os-terminate_connection': _volume(
            'volume:terminate_connection',
            'Disconnect a host from a volume', used_by_services=True),
        'os-unmanage': _volume(
            'volume:unmanage', 'Stop managing a volume in Cinder',
            action='delete'),
        'os-unreserve': _volume(
            'volume:unreserve', 'Release a reserved volume',
            used_by_services=True),
        'os-unset_image_metadata': _volume(
            'volume:unset_image_metadata', 'Delete image metadata'),
        'os-update_readonly_flag': _volume(
            'volume:update_readonly_flag',
            'Change whether a volume is read-only'),
        'os-volume_upload_image': _volume(
            'volume:upload_image', 'Make an image of a volume', _COPY),
        'revert': _volume(
            'volume:revert', 'Revert a volume to its last snapshot'),
    },
    'snapshots': {
        'os-force_delete': _snapshot(
            'volume:snapshot_force_delete',
            'Delete a snapshot in any state', _DELETE_COPY,
            action='delete'),
        'os-reset_status': _snapshot(
            'volume:snapshot_reset_status', 'Set the state of a snapshot'),
        'os-unmanage': _snapshot(
            'volume:snapshot_unmanage', 'Stop managing a snapshot in Cinder',
            action='delete'),
        'os-update_snapshot_status': _snapshot(
            'volume:snapshot_update_status',
            'Report the progress of a snapshot', used_by_services=True),
    },
    'backups': {
        'os-force_delete': _backup(
            'volume:backup_force_delete',
            'Delete a backup in any state', _DELETE_COPY,
            action='delete'),
        'os-reset_status': _backup(
            'volume:backup_reset_status', 'Set the state of a backup'),
    },
    'attachments': {
        'os-complete': _attachment(
            'volume:attachment_complete', 'Report that a volume is attached',
            shows_existence=True),
    },
    'groups': {
        'create-from-src': calls.Operation(
            'volume:group_create_from_src', 'Copy all volumes of a group',
            _COPY, targets=(
                _optional_uuid('group_snapshot', (
                    'create-from-src', 'group_snapshot_id')),
                _optional_uuid('group', (
                    'create-from-src', 'source_group_id')))),
        'delete': _GROUP_DELETE,
        'disable_replication': _group(
            'volume:group_disable_replication',
            'Disable the replication of a group'),
        'enable_replication': _group(
            'volume:group_enable_replication',
            'Enable the replication of a group'),
        'failover_replication': _group(
            'volume:group_failover_replication',
            'Fail over to the replicas of a group'),
        'list_replication_targets': routing.PASS,
        'reset_status': _group(
            'volume:group_reset_status', 'Set the state of a group'),
    },
    'group_snapshots': {
        'reset_status': _group_snapshot(
            'volume:group_snapshot_reset_status',
            'Set the state of a group snapshot'),
    },
    'consistencygroups': {},
}

# Collections of Cinder's API in which no call names a volume: types, quotas,
# services, hosts, ... The guard passes all calls on them.
NAMES_NO_VOLUME = frozenset((
    '', 'capabilities', 'clusters', 'default-types', 'extensions',
    'group_types', 'limits', 'messages', 'os-availability-zone', 'os-hosts',
    'os-quota-class-sets', 'os-quota-sets', 'os-services', 'qos-specs',
    'resource_filters', 'scheduler-stats', 'types', 'workers',
))


def documented() -> Iterator[tuple[calls.Operation, str, str]]:
    """Yield operation, method and path of every guarded call in the table.

    An action is in parentheses behind its path.
    """
    for route, methods in ROUTES.items():
        collection = route.split('/')[1]
        for method, operation in methods.items():
            if operation is ACTION:
                for action, named in ACTIONS[collection].items():
                    if (named is not routing.PASS and
                            is_action_at(route, action)):
                        yield named, method, f'{route} ({action})'
            elif operation is not routing.PASS:
                yield operation, method, route
    for collection, operation in UNKNOWN.items():
        yield operation, '*', f'/{collection}/{{id}}/*'


def is_action_at(route: str, action: str) -> bool:
    """Return whether an action belongs to a route, and not to its sibling.

    ``/groups/action`` has only the action that names no group in its path.
    """
    return ('/{id}' in route) == (action != 'create-from-src')


def operations() -> dict[str, calls.Operation]:
    """Return every operation that the guard can refuse, by name."""
    return {operation.name: operation for operation, _, _ in documented()}
