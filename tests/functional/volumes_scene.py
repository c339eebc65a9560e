# SPDX-License-Identifier: Apache-2.0
"""Volumes to act upon, with all that stems from them, and the asking."""

import base64
import functools
import json
import re
import uuid

from tests.cloud import state
from tests.functional import cinder_rows
from tests.functional import databases
from tests.functional import facts
from tests.functional import scene as scenes
from tests.functional import volumes_table as table

MARKER = scenes.MARKER


class Volumes:
    """What the tests do with volumes.

    :param scene: the tests.functional.scene.Scene
    """

    def __init__(self, scene):
        self.scene = scene
        self.rows = cinder_rows.CinderRows(scene.cloud)

    def ask(self, who, method, path, body=None, version=table.VERSION,
            region=state.GUARDED):
        """Send a request to Cinder, and return the answer whatever it is.

        :param who: a name in scenes.PRINCIPALS
        :param body: what becomes the JSON body, None for no body
        :param version: the microversion
        :param region: state.GUARDED or state.UNGUARDED
        :returns: requests.Response
        """
        how = {} if body is None else {'json': body}
        return self.scene.connection(who, region).block_storage.request(
            path, method, raise_exc=False, microversion=version, **how)

    def do(self, who, method, path, body=None):
        """Ask the unguarded Cinder for what must succeed.

        :returns: what is the only thing in the JSON of the answer
        """
        answer = self.ask(who, method, path, body, region=state.UNGUARDED)
        assert answer.ok, answer.text
        made, = answer.json().values() if answer.content else [None]
        return made

    def holding(self, **kind):
        """Return a Holding; see there."""
        return Holding(self, **kind)

    def normal(self, answer, holding):
        """Return an answer without what differs between twins."""
        status, headers, text = scenes.normal(
            answer, holding.volume, self.scene.cloud)
        return status, headers, re.sub(
            '"auth_key": "[0-9a-f]+"', '"auth_key": "<key>"', text)

    # What all others are copies of: made by Cinder, for the owner.

    @functools.cached_property
    def volume(self):
        """The id of an ordinary volume that is available."""
        return self._volume()

    def _volume(self):
        made = self.do('owner', 'POST', '/volumes',
                       {'volume': {'size': 1, 'name': 'original'}})['id']
        return self._settled('volumes', made)

    @functools.cached_property
    def snapshot(self):
        """The id of a snapshot."""
        return self._settled('snapshots', self.do(
            'owner', 'POST', '/snapshots',
            {'snapshot': {'volume_id': self._volume()}})['id'])

    @functools.cached_property
    def backup(self):
        """The id of a backup, as if it were complete: nobody completes it."""
        made = self.do('owner', 'POST', '/backups',
                       {'backup': {'volume_id': self._volume()}})['id']
        self.rows.update('backups', made, status='available', service='none',
                         host='cinder')
        return made

    @functools.cached_property
    def attachment(self):
        """The id of an attachment, connected and complete."""
        made = self.do('owner', 'POST', '/attachments', {'attachment': {
            'volume_uuid': self._volume(), 'instance_uuid': str(uuid.uuid4()),
            'connector': table.CONNECTOR}})['id']
        self.do('owner', 'POST', f'/attachments/{made}/action',
                {'os-complete': None})
        return made

    @functools.cached_property
    def transfer(self):
        """The id of a transfer."""
        return self.do('owner', 'POST', '/volume-transfers', {
            'transfer': {'volume_id': self._volume()}})['id']

    @functools.cached_property
    def group(self):
        """The id of a group."""
        group_type = self.do('admin', 'POST', '/group_types', {
            'group_type': {'name': str(uuid.uuid4())}})['id']
        return self._settled('groups', self.do(
            'owner', 'POST', '/groups', {'group': {
                'group_type': group_type,
                'volume_types': [self.volume_type]}})['id'])

    @functools.cached_property
    def group_snapshot(self):
        """The id of a group snapshot."""
        volume = self._volume()
        self.do('owner', 'PUT', f'/groups/{self.group}',
                {'group': {'add_volumes': volume}})
        self._settled('groups', self.group)
        made = self.do('owner', 'POST', '/group_snapshots', {
            'group_snapshot': {'group_id': self.group}})['id']
        return self._settled('group_snapshots', made)

    @functools.cached_property
    def volume_type(self):
        """The id of the only volume type."""
        return self.rows.get('volumes', self.volume, 'volume_type_id')

    def _settled(self, table_name, identifier):
        """Wait until something is available."""
        databases.await_condition(
            lambda: self.rows.get(table_name, identifier, 'status'),
            lambda status: status == 'available',
            databases.SHORT_PAUSE_SECONDS)
        return identifier


class Holding(facts.Facts):
    """A volume of the owner's, and what stems from it.

    All of it is as Cinder makes it, but copied, when a request asks for it.

    :param volumes: the Volumes
    :param instance: the database instance that the volume's marker names;
        None for an ordinary volume
    :param server: the id of the server that has, or wants, its attachments
    """

    def __init__(self, volumes, instance=None, server=None):
        self._volumes = volumes
        self._rows = volumes.rows
        self.instance = instance
        self.server = server or str(uuid.uuid4())

    @functools.cached_property
    def volume(self):
        """The id of the volume."""
        metadata = {'colour': 'green'}
        if self.instance:
            metadata[MARKER] = self.instance
        made = self._rows.copy('volumes', self._volumes.volume)
        for key, value in metadata.items():
            self._rows.insert('volume_metadata', volume_id=made, key=key,
                              value=value, deleted=False)
        return made

    @functools.cached_property
    def snapshot(self):
        """The id of a snapshot of it."""
        return self._rows.copy('snapshots', self._volumes.snapshot,
                               volume_id=self.volume)

    @functools.cached_property
    def backup(self):
        """The id of a backup of it."""
        return self._rows.copy('backups', self._volumes.backup,
                               volume_id=self.volume)

    @functools.cached_property
    def record(self):
        """The record of a backup of it, as one would be exported."""
        return base64.b64encode(json.dumps({
            'id': str(uuid.uuid4()), 'volume_id': self.volume}).encode(),
            ).decode()

    @functools.cached_property
    def attachment(self):
        """The id of an attachment of it."""
        made = self._rows.copy('volume_attachment', self._volumes.attachment,
                               volume_id=self.volume,
                               instance_uuid=self.server)
        self._rows.update('volumes', self.volume, status='in-use',
                          attach_status='attached')
        return made

    @functools.cached_property
    def transfer(self):
        """The id of an offer to transfer it."""
        made = self._rows.copy('transfers', self._volumes.transfer,
                               volume_id=self.volume)
        self._rows.update('volumes', self.volume, status='awaiting-transfer')
        return made

    @functools.cached_property
    def group(self):
        """The id of a group that it is in."""
        made = self.other_group
        self._rows.update('volumes', self.volume, group_id=made)
        return made

    @property
    def other_group(self):
        """The id of a group that it is not in."""
        made = self._rows.copy('groups', self._volumes.group)
        self._rows.insert('group_volume_type_mapping', group_id=made,
                          volume_type_id=self.volume_type, deleted=False)
        return made

    @functools.cached_property
    def group_snapshot(self):
        """The id of a group snapshot that has a snapshot of it."""
        made = self._rows.copy(
            'group_snapshots', self._volumes.group_snapshot,
            group_id=self.group)
        self._rows.copy('snapshots', self._volumes.snapshot,
                        volume_id=self.volume, group_snapshot_id=made)
        return made

    @property
    def volume_type(self):
        """The id of its volume type."""
        return self._volumes.volume_type

    @property
    def other_volume(self):
        """The id of an ordinary volume."""
        return Holding(self._volumes).volume

    @property
    def other_backup(self):
        """The id of a backup of an ordinary volume."""
        return Holding(self._volumes).backup

    @functools.cached_property
    def image(self):
        """The id of an image, which has a snapshot of it if it is managed."""
        if self.instance is None:
            return self._volumes.scene.image
        mapping = {'source_type': 'snapshot', 'boot_index': 0,
                   'snapshot_id': self.snapshot, 'destination_type': 'volume'}
        glance = self._volumes.scene.connection('owner').image
        image = glance.create_image(
            name=f'of {self.snapshot}', disk_format='raw', data=b'',
            container_format='bare',
            block_device_mapping=json.dumps([mapping]))
        return image.id

    def describe(self):
        """Return what Cinder's database has of all that was made of it."""
        return self._rows.naming(
            value for name, value in vars(self).items()
            if name in KINDS)


KINDS = ('volume', 'snapshot', 'backup', 'attachment', 'transfer', 'group',
         'group_snapshot')
