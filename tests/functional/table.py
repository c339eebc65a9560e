# SPDX-License-Identifier: Apache-2.0
"""Every operation as a request that Nova accepts, as data.

Names with a $ are scene.ServerFacts about the server that the request is
about.
"""

import dataclasses

from tests.functional import facts

Row = facts.Row

S = '/servers/$server'
BOOT = '/os-volumes_boot/$server'
METADATA = {'metadata': {'colour': 'red'}}
VNC = {'protocol': 'vnc', 'type': 'novnc'}
SAME = {'volumeId': '$volume', 'delete_on_termination': True}


def _action(operation, dispatches, action, value=None, since='2.1',
            until=None, server=S):
    return Row(operation, 'POST', f'{server}/action', {action: value}, since,
               until, dispatches)


def _boot(row):
    """Return the alias of a row below os-volumes_boot."""
    return dataclasses.replace(row, path=row.path.replace(S, BOOT),
                               until='2.102')


# A server goes through them in this order. Where one is in the way of the
# next, the tests see to a server that is active again.
_SERVERS = (
    Row('servers:update', 'PUT', S, {'server': {'name': 'renamed'}},
        dispatches='update'),
    _action('servers:create_image', '_create_image', 'createImage',
            {'name': 'copy'}),
    _action('servers:reboot', '_reboot', 'reboot', {'type': 'HARD'}),
    _action('servers:rebuild', '_rebuild', 'rebuild',
            {'imageRef': '$image'}),
    _action('servers:stop', '_stop', 'os-stop'),
    _action('servers:start', '_start', 'os-start'),
    _action('servers:trigger_crash_dump', '_trigger_crash_dump',
            'trigger_crash_dump', since='2.17'),
    _action('servers:resize', '_resize', 'resize',
            {'flavorRef': '$flavor'}),
    _action('servers:confirm_resize', '_confirm_resize', 'confirmResize'),
    _action('servers:revert_resize', '_revert_resize', 'revertResize'),
    Row('servers:delete', 'DELETE', S, dispatches='delete'),
)

ROWS = (
    Row('server-metadata:create', 'POST', f'{S}/metadata', METADATA,
        dispatches='create'),
    Row('server-metadata:update', 'PUT', f'{S}/metadata/colour',
        {'meta': {'colour': 'blue'}}, dispatches='update'),
    Row('server-metadata:delete', 'DELETE', f'{S}/metadata/colour',
        dispatches='delete'),
    Row('server-metadata:update_all', 'PUT', f'{S}/metadata', METADATA,
        dispatches='update_all'),
    Row('os-server-tags:update', 'PUT', f'{S}/tags/mine', since='2.26',
        dispatches='update'),
    Row('os-server-tags:delete', 'DELETE', f'{S}/tags/mine', since='2.26',
        dispatches='delete'),
    Row('os-server-tags:update_all', 'PUT', f'{S}/tags',
        {'tags': ['a', 'b']}, since='2.26', dispatches='update_all'),
    Row('os-server-tags:delete_all', 'DELETE', f'{S}/tags', since='2.26',
        dispatches='delete_all'),
    # No live migration is under way.
    Row('servers:migrations:delete', 'DELETE', f'{S}/migrations/7',
        since='2.24', dispatches='delete'),
    Row('servers:migrations:force_complete', 'POST',
        f'{S}/migrations/7/action', {'force_complete': None}, since='2.22',
        dispatches='_force_complete'),
    Row('os-attach-interfaces:create', 'POST', f'{S}/os-interface',
        {'interfaceAttachment': {'net_id': '$network'}},
        dispatches='create'),
    Row('os-attach-interfaces:delete', 'DELETE', f'{S}/os-interface/$port',
        dispatches='delete'),
    # Nova has nothing left to answer but 410.
    Row('os-consoles:index', 'GET', f'{S}/consoles', dispatches='index'),
    Row('os-consoles:create', 'POST', f'{S}/consoles', {},
        dispatches='create'),
    Row('os-consoles:show', 'GET', f'{S}/consoles/7', dispatches='show'),
    Row('os-consoles:delete', 'DELETE', f'{S}/consoles/7',
        dispatches='delete'),
    Row('os-server-password:show', 'GET', f'{S}/os-server-password',
        dispatches='index'),
    Row('os-server-password:clear', 'DELETE', f'{S}/os-server-password',
        dispatches='clear'),
    Row('os-volumes-attachments:create', 'POST', f'{S}/os-volume_attachments',
        {'volumeAttachment': {'volumeId': '$volume'}}, dispatches='create'),
    Row('os-volumes-attachments:update', 'PUT',
        f'{S}/os-volume_attachments/$volume', {'volumeAttachment': SAME},
        since='2.85', dispatches='update'),
    Row('os-volumes-attachments:swap', 'PUT',
        f'{S}/os-volume_attachments/$volume',
        {'volumeAttachment': {'volumeId': '$other_volume'}},
        dispatches='update'),
    Row('os-volumes-attachments:delete', 'DELETE',
        f'{S}/os-volume_attachments/$volume', dispatches='delete'),
    Row('os-remote-consoles', 'POST', f'{S}/remote-consoles',
        {'remote_console': VNC}, since='2.6', dispatches='create'),
    _action('os-remote-consoles', 'get_vnc_console', 'os-getVNCConsole',
            {'type': 'novnc'}, until='2.5'),
    _action('os-remote-consoles', 'get_spice_console', 'os-getSPICEConsole',
            {'type': 'spice-html5'}, until='2.5'),
    _action('os-remote-consoles', 'get_rdp_console', 'os-getRDPConsole',
            {'type': 'rdp-html5'}, until='2.5'),
    _action('os-remote-consoles', 'get_serial_console',
            'os-getSerialConsole', {'type': 'serial'}, until='2.5'),
    Row('os-server-shares:create', 'POST', f'{S}/shares',
        {'share': {'share_id': '$share'}}, since='2.97',
        dispatches='create'),
    Row('os-server-shares:delete', 'DELETE', f'{S}/shares/$share',
        since='2.97', dispatches='delete'),

    # What ends at a server without starting with it.
    Row('os-server-external-events:create', 'POST',
        '/os-server-external-events',
        {'events': [{'name': 'network-changed', 'server_uuid': '$server'}]},
        dispatches='create'),
    Row('os-console-auth-tokens', 'GET',
        '/os-console-auth-tokens/$console_token', since='2.31',
        dispatches='show'),
    Row('os-floating-ips:delete', 'DELETE', '/os-floating-ips/$floating_ip',
        until='2.35', dispatches='delete'),

    _action('os-floating-ips:add', '_add_floating_ip', 'addFloatingIp',
            {'address': '$free_address'}, until='2.43'),
    _action('os-floating-ips:remove', '_remove_floating_ip',
            'removeFloatingIp', {'address': '$floating_address'},
            until='2.43'),
    _action('os-multinic:add', '_add_fixed_ip', 'addFixedIp',
            {'networkId': '$network'}, until='2.43'),
    _action('os-multinic:remove', '_remove_fixed_ip', 'removeFixedIp',
            {'address': '$fixed_address'}, until='2.43'),
    _action('os-security-groups:add', '_addSecurityGroup',
            'addSecurityGroup', {'name': 'default'}),
    _action('os-security-groups:remove', '_removeSecurityGroup',
            'removeSecurityGroup', {'name': 'default'}),
    _action('os-console-output', 'get_console_output',
            'os-getConsoleOutput', {'length': 5}),
    _action('os-admin-password', 'change_password', 'changePassword',
            {'adminPass': 'swordfish'}),
    _action('os-admin-actions:inject_network_info', '_inject_network_info',
            'injectNetworkInfo'),
    _action('os-admin-actions:reset_network', '_reset_network',
            'resetNetwork'),
    _action('os-create-backup', '_create_backup', 'createBackup',
            {'name': 'copy', 'backup_type': 'daily', 'rotation': 1}),
    _action('os-pause-server:pause', '_pause', 'pause'),
    _action('os-pause-server:unpause', '_unpause', 'unpause'),
    _action('os-suspend-server:suspend', '_suspend', 'suspend'),
    _action('os-suspend-server:resume', '_resume', 'resume'),
    _action('os-rescue', '_rescue', 'rescue'),
    _action('os-unrescue', '_unrescue', 'unrescue'),
    _action('os-shelve:shelve', '_shelve', 'shelve'),
    _action('os-shelve:shelve_offload', '_shelve_offload', 'shelveOffload'),
    _action('os-shelve:unshelve', '_unshelve', 'unshelve'),
    _action('os-migrate-server:migrate', '_migrate', 'migrate'),
    _action('os-migrate-server:migrate_live', '_migrate_live',
            'os-migrateLive', {'host': None, 'block_migration': False,
                               'disk_over_commit': False}, until='2.24'),
    _action('os-evacuate', '_evacuate', 'evacuate',
            {'onSharedStorage': False}, until='2.13'),
    _action('os-lock-server:lock', '_lock', 'lock'),
    _action('os-lock-server:unlock', '_unlock', 'unlock'),
    _action('os-admin-actions:reset_state', '_reset_state', 'os-resetState',
            {'state': 'error'}),
    _action('os-deferred-delete:restore', '_restore', 'restore'),
    *_SERVERS,
    *map(_boot, _SERVERS),
    _action('os-deferred-delete:force', '_force_delete', 'forceDelete'),

    # What Nova may have tomorrow.
    _action('unknown', None, 'os-unheard-of'),
    Row('unknown', 'PATCH', S),
    Row('unknown', 'POST', f'{S}/unheard_of', {}),
)

# They name a volume that is attached to a server: see test_trove.
OF_VOLUMES = frozenset((
    'os-assisted-volume-snapshots:create',
    'os-assisted-volume-snapshots:delete',
    'os-volumes:delete',
    'os-volumes:snapshots:create',
))

# It creates a server, so that there is none yet to be managed: it is refused
# for what it writes.
OF_THE_MARKER = frozenset(('servers:create',))


def _server(metadata):
    return {'name': 'forged', 'imageRef': '$image', 'flavorRef': '$flavor',
            'networks': [{'uuid': '$network'}], 'metadata': metadata}


FORGED = {'trove_instance_id': 'forged'}
# Requests that write the marker, the last four on an ordinary server.
FORGERIES = (
    Row('servers:create', 'POST', '/servers', {'server': _server(FORGED)},
        dispatches='create'),
    Row('servers:create', 'POST', '/os-volumes_boot',
        {'server': _server(FORGED)}, until='2.102', dispatches='create'),
    Row('server-metadata:create', 'POST', f'{S}/metadata',
        {'metadata': FORGED}, dispatches='create'),
    Row('server-metadata:update_all', 'PUT', f'{S}/metadata',
        {'metadata': FORGED}, dispatches='update_all'),
    Row('server-metadata:update', 'PUT', f'{S}/metadata/trove_instance_id',
        {'meta': FORGED}, dispatches='update'),
    _action('servers:rebuild', '_rebuild', 'rebuild',
            {'imageRef': '$image', 'metadata': FORGED}),
)
