# SPDX-License-Identifier: Apache-2.0
"""The table of operations of Nova's Compute API on a server.

``ROUTES`` has one row for each route that reaches a server, written as in Nova
(``nova.api.openstack.compute.routes.ROUTE_LIST``), and ``ACTIONS`` one for
each server action (``nova.api.openstack.wsgi.action``). A call on a server
that is not in the table counts as mutating. Operations have the names of
Nova's own policy rules, without ``os_compute_api:``.

Policy rules, samples, advice and CADF actions are generated from the table.
``tests/unit/test_surface.py`` compares it with the installed Nova.
"""

from collections.abc import Iterator
import functools

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import marker
from nova_trove_guard.core import routing
from nova_trove_guard.nova import block_devices

SERVER_IN_PATH = calls.Target('server')
SERVER = (SERVER_IN_PATH,)
_VOLUME_OF_SNAPSHOT = (calls.Target('volume', ('snapshot', 'volume_id')),)

# The volumes and snapshots that a new server boots from or gets. Managed ones
# are refused, whether a server has them or not.
_BLOCK_DEVICES = tuple(
    calls.Target(kind, ('server', mappings), split=split, is_optional=True,
                 canonical=calls.folded)
    for kind, split in (('cinder_volume', block_devices.volumes),
                        ('cinder_snapshot', block_devices.snapshots))
    for mappings in ('block_device_mapping', 'block_device_mapping_v2'))

# The commands to use instead, with {0} for the database instance.
_INSTANCE = 'openstack database instance'
_ALLOWED = f'{_INSTANCE} update {{0}} --allowed-cidr <cidr>'
_BACKUP = 'openstack database backup create <name> --instance {0}'
_DELETE = f'{_INSTANCE} delete {{0}}'
_LOGS = 'openstack database log list {0}'
_PRIVATE = f'{_INSTANCE} update {{0}} --is-private'
_PUBLIC = f'{_INSTANCE} update {{0}} --is-public'
_REBUILD = (f'{_INSTANCE} upgrade {{0}} <datastore version>, or an '
            f'administrator: {_INSTANCE} rebuild {{0}} <image>')
_RENAME = f'{_INSTANCE} update {{0}} --name <name>'
_RESIZE = f'{_INSTANCE} resize flavor {{0}} <flavor>'
_RESTORE = f'{_INSTANCE} create <name> --backup <backup> ...'
_RESTART = f'{_INSTANCE} restart {{0}}'
_ROOT = 'openstack database root enable {0}'
_STATUS = f'an administrator: {_INSTANCE} reset status {{0}}'
_VOLUME = f'{_INSTANCE} resize volume {{0}} <size in GB>'

_operation = functools.partial(calls.Operation, targets=SERVER)

UNKNOWN = _operation(
    'unknown',
    'Make a call that the guard does not know, such as an action of a newer '
    'Nova. It can do anything: do not allow it')
# The body names the action: see nova_trove_guard.nova.reader.
ACTION = _operation('action', has_body=True)
# The body decides which of these two it is.
VOLUME_UPDATE = _operation(
    'os-volumes-attachments:update',
    'Change whether a volume is deleted with the server', _VOLUME,
    has_body=True)
VOLUME_SWAP = _operation(
    'os-volumes-attachments:swap',
    'Swap an attached volume for another, as Cinder does to migrate it',
    _VOLUME, has_body=True, used_by_services=True)

_CONSOLE = _operation('os-remote-consoles', 'Open a console', _LOGS)

_SERVER_ROUTES = {
    '': {
        'GET': routing.PASS,
        'POST': calls.Operation(
            'servers:create', instead=_RESTORE, has_body=True,
            trove_admin_only=True, targets=_BLOCK_DEVICES,
            marker_effect=marker.WritesMetadata(('server', 'metadata'))),
    },
    '/{id}': {
        'GET': routing.PASS,
        'PUT': _operation(
            'servers:update',
            'Change the name, description, addresses or host name', _RENAME),
        'DELETE': _operation(
            'servers:delete', 'Delete a server', _DELETE, action='delete'),
    },
    '/{id}/action': {'POST': ACTION},
}

# os-volumes_boot is a full alias of servers up to microversion 2.102
# (nova.api.openstack.compute.volumes_boot.VolumesBootController).
ROUTES = {
    f'/{collection}{route}': methods
    for collection in ('servers', 'os-volumes_boot')
    for route, methods in _SERVER_ROUTES.items()
} | {
    # Nova 34 returns 410 for consoles. Before, a GET returned the password and
    # port of a console.
    '/servers/{server_id}/consoles': {
        'GET': _operation(
            'os-consoles:index', 'List legacy consoles, with their passwords',
            action='read'),
        'POST': _operation(
            'os-consoles:create', 'Open a legacy console', _LOGS),
    },
    '/servers/{server_id}/consoles/{id}': {
        'GET': _operation(
            'os-consoles:show', 'Show a legacy console, with its password',
            action='read'),
        'DELETE': _operation('os-consoles:delete', 'Close a legacy console'),
    },
    '/servers/{server_id}/diagnostics': {'GET': routing.PASS},
    '/servers/{server_id}/ips': {'GET': routing.PASS},
    '/servers/{server_id}/ips/{id}': {'GET': routing.PASS},
    '/servers/{server_id}/metadata': {
        'GET': routing.PASS,
        'POST': _operation(
            'server-metadata:create', 'Add metadata, except the marker',
            has_body=True, marker_effect=marker.WritesMetadata(('metadata',))),
        'PUT': _operation(
            'server-metadata:update_all', has_body=True, trove_admin_only=True,
            marker_effect=marker.WritesMetadata(('metadata',), replaces=True)),
    },
    '/servers/{server_id}/metadata/{id}': {
        'GET': routing.PASS,
        'PUT': _operation(
            'server-metadata:update', 'Change metadata, except the marker',
            has_body=True, marker_effect=marker.WritesMetadata(('meta',))),
        'DELETE': _operation(
            'server-metadata:delete', 'Delete metadata, except the marker',
            marker_effect=marker.DeletesMetadata()),
    },
    '/servers/{server_id}/migrations': {'GET': routing.PASS},
    '/servers/{server_id}/migrations/{id}': {
        'GET': routing.PASS,
        'DELETE': _operation(
            'servers:migrations:delete', 'Abort a live migration'),
    },
    '/servers/{server_id}/migrations/{id}/action': {
        'POST': _operation(
            'servers:migrations:force_complete',
            'Force a live migration to complete'),
    },
    '/servers/{server_id}/os-instance-actions': {'GET': routing.PASS},
    '/servers/{server_id}/os-instance-actions/{id}': {'GET': routing.PASS},
    '/servers/{server_id}/os-interface': {
        'GET': routing.PASS,
        'POST': _operation(
            'os-attach-interfaces:create', 'Attach an interface to a server',
            _PUBLIC),
    },
    '/servers/{server_id}/os-interface/{id}': {
        'GET': routing.PASS,
        'DELETE': _operation(
            'os-attach-interfaces:delete',
            'Detach an interface from a server', _PRIVATE),
    },
    '/servers/{server_id}/os-security-groups': {'GET': routing.PASS},
    '/servers/{server_id}/os-server-password': {
        'GET': _operation(
            'os-server-password:show',
            'Show the administrator\'s password, encrypted', _ROOT,
            action='read'),
        'DELETE': _operation(
            'os-server-password:clear',
            'Delete Nova\'s copy of the administrator\'s password', _ROOT),
    },
    '/servers/{server_id}/os-virtual-interfaces': {'GET': routing.PASS},
    '/servers/{server_id}/os-volume_attachments': {
        'GET': routing.PASS,
        # Data of a managed server could leak by attaching its multi-attach
        # volume to another server, so server and volume are looked up.
        'POST': _operation(
            'os-volumes-attachments:create',
            'Attach a volume to a server, or one of its volumes to another '
            'server', _VOLUME, has_body=True,
            targets=(*SERVER, calls.Target(
                'volume', ('volumeAttachment', 'volumeId'),
                is_validated=True))),
    },
    '/servers/{server_id}/os-volume_attachments/{id}': {
        'GET': routing.PASS,
        'PUT': VOLUME_UPDATE,
        'DELETE': _operation(
            'os-volumes-attachments:delete', 'Detach a volume from a server',
            _VOLUME),
    },
    '/servers/{server_id}/remote-consoles': {'POST': _CONSOLE},
    '/servers/{server_id}/shares': {
        'GET': routing.PASS,
        'POST': _operation(
            'os-server-shares:create', 'Attach a share to a server',
            shows_existence=True),
    },
    '/servers/{server_id}/shares/{id}': {
        'GET': routing.PASS,
        'DELETE': _operation(
            'os-server-shares:delete', 'Detach a share from a server',
            shows_existence=True),
    },
    '/servers/{server_id}/tags': {
        'GET': routing.PASS,
        'PUT': _operation(
            'os-server-tags:update_all', 'Replace all tags',
            shows_existence=True),
        'DELETE': _operation(
            'os-server-tags:delete_all', 'Delete all tags',
            shows_existence=True),
    },
    '/servers/{server_id}/tags/{id}': {
        'GET': routing.PASS,
        'PUT': _operation(
            'os-server-tags:update', 'Add a tag', shows_existence=True),
        'DELETE': _operation(
            'os-server-tags:delete', 'Delete a tag', shows_existence=True),
    },
    '/servers/{server_id}/topology': {'GET': routing.PASS},
    # Paths that do not name a server, but act on one.
    '/os-server-external-events': {
        'POST': _operation(
            'os-server-external-events:create',
            'Report an external event of a server',
            has_body=True, used_by_services=True,
            targets=(calls.Target(
                'server', ('events', documents.EACH, 'server_uuid'),
                is_validated=True),)),
    },
    '/os-assisted-volume-snapshots': {
        'POST': _operation(
            'os-assisted-volume-snapshots:create',
            'Snapshot an attached volume', has_body=True,
            used_by_services=True, targets=_VOLUME_OF_SNAPSHOT),
    },
    '/os-assisted-volume-snapshots/{id}': {
        'DELETE': _operation(
            'os-assisted-volume-snapshots:delete',
            'Delete a snapshot of an attached volume', used_by_services=True,
            targets=(calls.Target('volume', ('volume_id',), 'delete_info'),)),
    },
    '/os-console-auth-tokens/{id}': {
        'GET': _operation(
            'os-console-auth-tokens',
            'Show the address of a console to a console proxy', action='read',
            used_by_services=True, targets=(calls.Target('console_token'),)),
    },
    # Nova's proxy APIs to Cinder and Neutron, up to microversion 2.35.
    '/os-floating-ips': {'GET': routing.PASS, 'POST': routing.PASS},
    '/os-floating-ips/{id}': {
        'GET': routing.PASS,
        'DELETE': _operation(
            'os-floating-ips:delete', 'Release a floating IP of a server',
            _PRIVATE, targets=(calls.Target('floating_ip'),)),
    },
    '/os-snapshots': {
        'GET': routing.PASS,
        'POST': _operation(
            'os-volumes:snapshots:create', 'Snapshot a volume of a server',
            _BACKUP, has_body=True, targets=_VOLUME_OF_SNAPSHOT),
    },
    '/os-snapshots/{id}': {'GET': routing.PASS, 'DELETE': routing.PASS},
    '/os-volumes': {'GET': routing.PASS, 'POST': routing.PASS},
    '/os-volumes/{id}': {
        'GET': routing.PASS,
        'DELETE': _operation(
            'os-volumes:delete', 'Delete a volume of a server', _DELETE,
            targets=(calls.Target('cinder_volume'),)),
    },
}

ACTIONS = {
    'addFixedIp': _operation(
        'os-multinic:add', 'Add a fixed address to a server', _PUBLIC),
    # If another server has the address, Neutron takes it from that server
    # (nova.network.neutron.API.associate_floating_ip).
    'addFloatingIp': _operation(
        'os-floating-ips:add',
        'Add a floating IP to a server, or move it from the server to another '
        'one', _PUBLIC, targets=(*SERVER, calls.Target(
            'floating_ip_address', ('addFloatingIp', 'address'),
            is_validated=True, canonical=calls.canonical_address,
            # No floating IP can have this address: it means "this host on
            # this network" (RFC 1122).
            nonexistent='0.0.0.0'))),
    'addSecurityGroup': _operation(
        'os-security-groups:add', 'Add a security group to a server',
        _ALLOWED),
    'changePassword': _operation(
        'os-admin-password', 'Set the administrator\'s password', _ROOT),
    'confirmResize': _operation(
        'servers:confirm_resize', 'Confirm a resize or migration'),
    'createBackup': _operation(
        'os-create-backup', 'Make backup images of a server', _BACKUP),
    'createImage': _operation(
        'servers:create_image', 'Make an image of a server', _BACKUP),
    'evacuate': _operation(
        'os-evacuate', 'Evacuate a server from a failed host'),
    'forceDelete': _operation(
        'os-deferred-delete:force', 'Delete a server at once and for good',
        _DELETE, action='delete'),
    'injectNetworkInfo': _operation(
        'os-admin-actions:inject_network_info',
        'Inject network information into a server'),
    'lock': _operation('os-lock-server:lock', 'Lock a server'),
    'migrate': _operation(
        'os-migrate-server:migrate',
        'Cold-migrate a server to another host'),
    'os-getConsoleOutput': _operation(
        'os-console-output', 'Read the console output of the guest',
        _LOGS, action='read'),
    'os-getRDPConsole': _CONSOLE,
    'os-getSPICEConsole': _CONSOLE,
    'os-getSerialConsole': _CONSOLE,
    'os-getVNCConsole': _CONSOLE,
    'os-migrateLive': _operation(
        'os-migrate-server:migrate_live',
        'Live-migrate a server to another host'),
    'os-resetState': _operation(
        'os-admin-actions:reset_state', 'Set the state of a server', _STATUS),
    'os-start': _operation('servers:start', 'Start a server', _RESTART),
    'os-stop': _operation('servers:stop', 'Stop a server'),
    'pause': _operation('os-pause-server:pause', 'Pause a server'),
    'reboot': _operation('servers:reboot', 'Reboot a server', _RESTART),
    'rebuild': _operation(
        'servers:rebuild',
        'Rebuild a server from an image, without new metadata', _REBUILD,
        marker_effect=marker.WritesMetadata(('rebuild', 'metadata'),
                                     replaces=True)),
    'removeFixedIp': _operation(
        'os-multinic:remove', 'Remove a fixed address from a server',
        _PRIVATE),
    'removeFloatingIp': _operation(
        'os-floating-ips:remove', 'Remove a floating IP from a server',
        _PRIVATE),
    'removeSecurityGroup': _operation(
        'os-security-groups:remove', 'Remove a security group from a server',
        _ALLOWED),
    'rescue': _operation(
        'os-rescue', 'Boot a server from a rescue image', _RESTART),
    'resetNetwork': _operation(
        'os-admin-actions:reset_network', 'Reset the network of a server'),
    'resize': _operation(
        'servers:resize', 'Change the flavor of a server', _RESIZE),
    'restore': _operation(
        'os-deferred-delete:restore', 'Restore a soft-deleted server'),
    'resume': _operation(
        'os-suspend-server:resume', 'Resume a suspended server'),
    'revertResize': _operation(
        'servers:revert_resize', 'Revert a resize or migration'),
    'shelve': _operation('os-shelve:shelve', 'Shelve a server'),
    'shelveOffload': _operation(
        'os-shelve:shelve_offload', 'Remove a shelved server from its host'),
    'suspend': _operation('os-suspend-server:suspend', 'Suspend a server'),
    'trigger_crash_dump': _operation(
        'servers:trigger_crash_dump', 'Make the guest dump its memory',
        _LOGS),
    'unlock': _operation(
        'os-lock-server:unlock', 'Unlock a server that Trove keeps locked'),
    'unpause': _operation('os-pause-server:unpause', 'Unpause a server'),
    'unrescue': _operation(
        'os-unrescue', 'Boot a rescued server from its own disk again'),
    'unshelve': _operation('os-shelve:unshelve', 'Restore a shelved server'),
}

# Collections of Nova's API in which no call names a server: hosts, flavors,
# images, networks, quotas, ... The guard passes all calls on them.
NAMES_NO_SERVER = frozenset((
    '', 'extensions', 'flavors', 'images', 'limits', 'os-agents',
    'os-aggregates', 'os-availability-zone', 'os-baremetal-nodes', 'os-cells',
    'os-certificates', 'os-cloudpipe', 'os-fixed-ips', 'os-floating-ip-dns',
    'os-floating-ip-pools', 'os-floating-ips-bulk', 'os-fping', 'os-hosts',
    'os-hypervisors', 'os-instance_usage_audit_log', 'os-keypairs',
    'os-migrations', 'os-networks', 'os-quota-class-sets', 'os-quota-sets',
    'os-security-group-default-rules', 'os-security-group-rules',
    'os-security-groups', 'os-server-groups', 'os-services',
    'os-simple-tenant-usage', 'os-tenant-networks', 'versions',
))


def documented() -> Iterator[tuple[calls.Operation, str, str]]:
    """Yield operation, method and path of every guarded call in the table.

    An action is in parentheses behind its path, as in Nova's documentation of
    its policy rules.
    """
    for route, methods in ROUTES.items():
        for method, operation in methods.items():
            if operation is ACTION:
                for action, named in ACTIONS.items():
                    yield named, method, f'{route} ({action})'
            elif operation is not routing.PASS:
                yield operation, method, route
                if operation is VOLUME_UPDATE:
                    yield VOLUME_SWAP, method, route
    yield UNKNOWN, '*', '/servers/{id}/*'
    yield UNKNOWN, '*', '/os-volumes_boot/{id}/*'


def operations() -> dict[str, calls.Operation]:
    """Return every operation that the guard can refuse, by name."""
    return {operation.name: operation for operation, _, _ in documented()}
