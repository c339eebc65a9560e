# SPDX-License-Identifier: Apache-2.0
"""Every operation as a request that Cinder accepts, as data.

Names with a $ are volumes_scene.Holding: a volume, and what stems from it.
"""

import functools

from tests.functional import facts

# Knows all operations but one.
VERSION = '3.70'
HOST = 'cinder@fake#fake'
CONNECTOR = {'host': 'elsewhere', 'initiator': 'iqn.1993-08.org.debian:01:x',
             'ip': '192.0.2.9'}
METADATA = {'metadata': {'colour': 'red'}}
TARGET = {'host': HOST, 'ref': {'source-name': 'volume-$volume'}}

_row = functools.partial(facts.Row, since=VERSION)


def _action(collection, identifier, operation, dispatches, action, value=None,
            **more):
    return _row(f'volume:{operation}', 'POST',
                f'/{collection}/{identifier}/action', {action: value},
                dispatches=dispatches, **more)


_volume = functools.partial(_action, 'volumes', '$volume')
_snapshot = functools.partial(_action, 'snapshots', '$snapshot')
_backup = functools.partial(_action, 'backups', '$backup')
_group = functools.partial(_action, 'groups', '$group')


def _create(**source):
    """Return the row of a volume that comes from something."""
    return _row('volume:create', 'POST', '/volumes',
                {'volume': {'size': 1, **source}}, dispatches='create')


_VOLUMES = (
    _create(source_volid='$volume'),
    _create(snapshot_id='$snapshot'),
    _create(backup_id='$backup'),
    _create(group_id='$group', volume_type='$volume_type'),
    _create(consistencygroup_id='$group'),
    _create(imageRef='$image'),
    _row('volume:update', 'PUT', '/volumes/$volume',
         {'volume': {'name': 'renamed'}}, dispatches='update'),
    _row('volume:delete', 'DELETE', '/volumes/$volume', dispatches='delete'),
    _row('volume:metadata_create', 'POST', '/volumes/$volume/metadata',
         METADATA, dispatches='create'),
    _row('volume:metadata_update_all', 'PUT', '/volumes/$volume/metadata',
         METADATA, dispatches='update_all'),
    _row('volume:metadata_update', 'PUT', '/volumes/$volume/metadata/colour',
         {'meta': {'colour': 'blue'}}, dispatches='update'),
    _row('volume:metadata_delete', 'DELETE',
         '/volumes/$volume/metadata/colour', dispatches='delete'),
    _volume('attach', '_attach', 'os-attach', {
        'instance_uuid': '$server', 'mountpoint': '/dev/vdb'}),
    _volume('begin_detaching', '_begin_detaching', 'os-begin_detaching'),
    _volume('detach', '_detach', 'os-detach',
            {'attachment_id': '$attachment'}),
    _volume('extend', '_extend', 'os-extend', {'new_size': 2}),
    _volume('extend_volume_completion', '_extend_volume_completion',
            'os-extend_volume_completion', {'error': False}, since='3.71'),
    _volume('force_delete', '_force_delete', 'os-force_delete'),
    _volume('force_detach', '_force_detach', 'os-force_detach', {
        'attachment_id': '$attachment', 'connector': CONNECTOR}),
    _volume('initialize_connection', '_initialize_connection',
            'os-initialize_connection', {'connector': CONNECTOR}),
    _volume('migrate', '_migrate_volume', 'os-migrate_volume',
            {'host': HOST}),
    _volume('migrate_completion', '_migrate_volume_completion',
            'os-migrate_volume_completion',
            {'new_volume': '$other_volume', 'error': False}),
    facts.Row('volume:migrate_completion', 'POST',
              '/volumes/$other_volume/action',
              {'os-migrate_volume_completion': {
                  'new_volume': '$volume', 'error': False}},
              since=VERSION, dispatches='_migrate_volume_completion'),
    _volume('reimage', '_reimage', 'os-reimage', {'image_id': '$image'}),
    _volume('reserve', '_reserve', 'os-reserve'),
    _volume('reset_status', '_reset_status', 'os-reset_status',
            {'status': 'error'}),
    _volume('retype', '_retype', 'os-retype', {'new_type': '$volume_type'}),
    _volume('roll_detaching', '_roll_detaching', 'os-roll_detaching'),
    _volume('set_bootable', '_set_bootable', 'os-set_bootable',
            {'bootable': True}),
    _volume('set_image_metadata', 'create', 'os-set_image_metadata',
            METADATA),
    _volume('terminate_connection', '_terminate_connection',
            'os-terminate_connection', {'connector': CONNECTOR}),
    _volume('unmanage', 'unmanage', 'os-unmanage'),
    _volume('unreserve', '_unreserve', 'os-unreserve'),
    _volume('unset_image_metadata', 'delete', 'os-unset_image_metadata',
            {'key': 'colour'}),
    _volume('update_readonly_flag', '_volume_readonly_update',
            'os-update_readonly_flag', {'readonly': True}),
    _volume('upload_image', '_volume_upload_image',
            'os-volume_upload_image', {'image_name': 'stolen', 'force': True}),
    _volume('revert', 'revert', 'revert', {'snapshot_id': '$snapshot'}),
)

_SNAPSHOTS = (
    _row('volume:snapshot_create', 'POST', '/snapshots',
         {'snapshot': {'volume_id': '$volume', 'force': True}},
         since='3.65', dispatches='create'),
    _row('volume:snapshot_update', 'PUT', '/snapshots/$snapshot',
         {'snapshot': {'name': 'renamed'}}, dispatches='update'),
    _row('volume:snapshot_delete', 'DELETE', '/snapshots/$snapshot',
         dispatches='delete'),
    _snapshot('snapshot_force_delete', '_force_delete', 'os-force_delete'),
    _snapshot('snapshot_reset_status', '_reset_status', 'os-reset_status',
              {'status': 'error'}),
    _snapshot('snapshot_unmanage', 'unmanage', 'os-unmanage'),
    _snapshot('snapshot_update_status', '_update_snapshot_status',
              'os-update_snapshot_status', {'status': 'error'}),
    _row('volume:snapshot_metadata_create', 'POST',
         '/snapshots/$snapshot/metadata', METADATA, dispatches='create'),
    _row('volume:snapshot_metadata_update_all', 'PUT',
         '/snapshots/$snapshot/metadata', METADATA, dispatches='update_all'),
    _row('volume:snapshot_metadata_update', 'PUT',
         '/snapshots/$snapshot/metadata/colour', {'meta': {'colour': 'blue'}},
         dispatches='update'),
    _row('volume:snapshot_metadata_delete', 'DELETE',
         '/snapshots/$snapshot/metadata/colour', dispatches='delete'),
)

_BACKUPS = (
    _row('volume:backup_create', 'POST', '/backups',
         {'backup': {'volume_id': '$volume', 'force': True}},
         dispatches='create'),
    _row('volume:backup_create', 'POST', '/backups', {'backup': {
        'volume_id': '$volume', 'snapshot_id': '$snapshot'}},
        dispatches='create'),
    _row('volume:backup_import', 'POST', '/backups/import_record',
         {'backup-record': {'backup_service': 'none',
                            'backup_url': '$record'}},
         dispatches='import_record'),
    _row('volume:backup_update', 'PUT', '/backups/$backup',
         {'backup': {'name': 'renamed'}}, dispatches='update'),
    _row('volume:backup_delete', 'DELETE', '/backups/$backup',
         dispatches='delete'),
    _backup('backup_force_delete', '_force_delete', 'os-force_delete'),
    _backup('backup_reset_status', '_reset_status', 'os-reset_status',
            {'status': 'error'}),
    _row('volume:backup_export', 'GET', '/backups/$backup/export_record',
         dispatches='export_record'),
    _row('volume:backup_restore', 'POST', '/backups/$backup/restore',
         {'restore': {}}, dispatches='restore'),
    _row('volume:backup_restore', 'POST', '/backups/$other_backup/restore',
         {'restore': {'volume_id': '$volume'}}, dispatches='restore'),
)

_ATTACHMENTS = (
    _row('volume:attachment_create', 'POST', '/attachments', {'attachment': {
        'volume_uuid': '$volume', 'instance_uuid': '$server',
        'connector': CONNECTOR}}, dispatches='create'),
    _row('volume:attachment_show', 'GET', '/attachments/$attachment',
         dispatches='show'),
    _row('volume:attachment_update', 'PUT', '/attachments/$attachment',
         {'attachment': {'connector': CONNECTOR}}, dispatches='update'),
    _row('volume:attachment_delete', 'DELETE', '/attachments/$attachment',
         dispatches='delete'),
    _action('attachments', '$attachment', 'attachment_complete', 'complete',
            'os-complete'),
)

_TRANSFERS = tuple(
    _row(operation, method, f'/{collection}{path}', body,
         dispatches=dispatches)
    for collection in ('volume-transfers', 'os-volume-transfer')
    for operation, method, path, body, dispatches in (
        ('volume:transfer_create', 'POST', '',
         {'transfer': {'volume_id': '$volume'}}, 'create'),
        ('volume:transfer_delete', 'DELETE', '/$transfer', None, 'delete'),
        ('volume:transfer_accept', 'POST', '/$transfer/accept',
         {'accept': {'auth_key': 'swordfish'}}, 'accept')))

_CONSISTENCYGROUP = {'consistencygroup': {
    'name': 'renamed', 'description': None, 'add_volumes': None,
    'remove_volumes': None}}
_GROUPS = (
    _row('volume:group_create_from_src', 'POST', '/groups/action',
         {'create-from-src': {'group_snapshot_id': '$group_snapshot'}},
         dispatches='create_from_src'),
    _row('volume:group_create_from_src', 'POST', '/groups/action',
         {'create-from-src': {'source_group_id': '$group'}},
         dispatches='create_from_src'),
    _row('volume:group_update', 'PUT', '/groups/$group',
         {'group': {'name': 'renamed'}}, dispatches='update'),
    _row('volume:group_update', 'PUT', '/groups/$other_group',
         {'group': {'add_volumes': '$other_volume,$volume'}},
         dispatches='update'),
    _row('volume:group_delete', 'DELETE', '/groups/$group',
         {'delete': {'delete-volumes': True}}, dispatches='delete_group'),
    _group('group_delete', 'delete_group', 'delete',
           {'delete-volumes': True}),
    _group('group_disable_replication', 'disable_replication',
           'disable_replication', {}),
    _group('group_enable_replication', 'enable_replication',
           'enable_replication', {}),
    _group('group_failover_replication', 'failover_replication',
           'failover_replication', {'secondary_backend_id': 'elsewhere'}),
    _group('group_reset_status', 'reset_status', 'reset_status',
           {'status': 'error'}),
    _row('volume:group_snapshot_create', 'POST', '/group_snapshots',
         {'group_snapshot': {'group_id': '$group'}}, dispatches='create'),
    _row('volume:group_snapshot_delete', 'DELETE',
         '/group_snapshots/$group_snapshot', dispatches='delete'),
    _action('group_snapshots', '$group_snapshot',
            'group_snapshot_reset_status', 'reset_status', 'reset_status',
            {'status': 'error'}),
    _row('volume:consistencygroup_create_from_src', 'POST',
         '/consistencygroups/create_from_src', {'consistencygroup-from-src': {
             'cgsnapshot_id': '$group_snapshot'}},
         dispatches='create_from_src'),
    _row('volume:consistencygroup_create_from_src', 'POST',
         '/consistencygroups/create_from_src', {'consistencygroup-from-src': {
             'source_cgid': '$group'}}, dispatches='create_from_src'),
    _row('volume:consistencygroup_update', 'PUT', '/consistencygroups/$group',
         _CONSISTENCYGROUP, dispatches='update'),
    _row('volume:consistencygroup_update', 'PUT',
         '/consistencygroups/$group/update', _CONSISTENCYGROUP,
         dispatches='update'),
    _row('volume:consistencygroup_delete', 'DELETE',
         '/consistencygroups/$group', {'consistencygroup': {'force': True}},
         dispatches='delete'),
    _row('volume:consistencygroup_delete', 'POST',
         '/consistencygroups/$group/delete',
         {'consistencygroup': {'force': True}}, dispatches='delete'),
    _row('volume:cgsnapshot_create', 'POST', '/cgsnapshots',
         {'cgsnapshot': {'consistencygroup_id': '$group'}},
         dispatches='create'),
    _row('volume:cgsnapshot_delete', 'DELETE', '/cgsnapshots/$group_snapshot',
         dispatches='delete'),
)

_ON_BACKENDS = (
    *(_row('volume:manage', 'POST', f'/{collection}', {'volume': TARGET},
           dispatches='create')
      for collection in ('manageable_volumes', 'os-volume-manage')),
    *(_row('volume:snapshot_manage', 'POST', f'/{collection}', {
        'snapshot': {'volume_id': '$volume', 'ref': {'source-name': 'x'}}},
        dispatches='create')
      for collection in ('manageable_snapshots', 'os-snapshot-manage')),
)

# What Cinder may have tomorrow.
_UNKNOWN = tuple(
    _row(f'volume:{prefix}unknown', 'POST', f'/{collection}/{name}/unheard_of',
         {})
    for prefix, name, collections in (
        ('', '$volume', ('volumes',)),
        ('snapshot_', '$snapshot', ('snapshots',)),
        ('backup_', '$backup', ('backups',)),
        ('attachment_', '$attachment', ('attachments',)),
        ('transfer_', '$transfer', ('volume-transfers',
                                    'os-volume-transfer')),
        ('group_', '$group', ('groups', 'consistencygroups')),
        ('group_snapshot_', '$group_snapshot', ('group_snapshots',
                                                'cgsnapshots')))
    for collection in collections)

ROWS = (*_VOLUMES, *_SNAPSHOTS, *_BACKUPS, *_ATTACHMENTS, *_TRANSFERS,
        *_GROUPS, *_ON_BACKENDS, *_UNKNOWN,
        _volume('unknown', None, 'os-unheard-of'))

FORGED = {'trove_instance_id': 'forged'}
# Requests that write the marker of an ordinary volume, or of a new one.
FORGERIES = (
    _create(metadata=FORGED),
    _row('volume:update', 'PUT', '/volumes/$volume',
         {'volume': {'metadata': FORGED}}, dispatches='update'),
    _row('volume:metadata_create', 'POST', '/volumes/$volume/metadata',
         {'metadata': FORGED}, dispatches='create'),
    _row('volume:metadata_update_all', 'PUT', '/volumes/$volume/metadata',
         {'metadata': FORGED}, dispatches='update_all'),
    _row('volume:metadata_update', 'PUT',
         '/volumes/$volume/metadata/trove_instance_id', {'meta': FORGED},
         dispatches='update'),
    _row('volume:manage', 'POST', '/manageable_volumes', {'volume': {
        **TARGET, 'metadata': FORGED}}, dispatches='create'),
    # A backup that has the marker stands for a managed volume.
    _row('volume:backup_create', 'POST', '/backups', {'backup': {
        'volume_id': '$volume', 'metadata': FORGED}}, dispatches='create'),
    _row('volume:backup_update', 'PUT', '/backups/$backup',
         {'backup': {'metadata': FORGED}}, dispatches='update'),
)
# Requests that take the marker of a managed volume away.
SHEDDINGS = (
    _row('volume:update', 'PUT', '/volumes/$volume',
         {'volume': {'metadata': {}}}, dispatches='update'),
    _row('volume:metadata_update_all', 'PUT', '/volumes/$volume/metadata',
         {'metadata': {}}, dispatches='update_all'),
    _row('volume:metadata_delete', 'DELETE',
         '/volumes/$volume/metadata/trove_instance_id', dispatches='delete'),
)
