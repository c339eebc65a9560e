# SPDX-License-Identifier: Apache-2.0
"""Find out, in Cinder's database, whether a volume is managed.

One plain statement through Cinder's own models and engine, from whatever a
request names to the volumes that it stems from or consists of, and to their
marker. It runs on the primary database, never on a ``slave_connection``,
which may not have the marker yet.

A backup outlives its volume, and so does the marker: Cinder deletes volume
and metadata softly, and for a backup the rows of a deleted volume count. They
count even if the marker was taken away before the volume was deleted, as the
rows do not say which went first. ``cinder-manage db purge`` removes them; a
backup whose volume was purged is managed only if it has the marker in its own
metadata, which only the Trove admin can write.

The volume that Cinder makes for a migration has the metadata of the one that
is migrated (VolumeManager._migrate_volume_generic in cinder.volume.manager).
What Cinder makes for the time of a backup has no marker, but a state in which
Cinder does nothing with it (_create_temp_cloned_volume in
cinder.volume.driver).

A Nova image of a snapshot (block_device_mapping) leads to that snapshot.
Whoever owns the image can change that property in Glance between this lookup
and Cinder's, unless Glance's policy forbids it.
"""

from collections.abc import Collection, Iterator
import functools
import typing

from cinder import exception
from cinder.image import image_utils
from oslo_context import context as oslo_context
from oslo_utils import uuidutils
import sqlalchemy

from nova_trove_guard.cinder import policies
from nova_trove_guard.core import calls
from nova_trove_guard.core import deadline
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core import resources
from nova_trove_guard.core import searches
from nova_trove_guard.core import services

try:
    from cinder.db.sqlalchemy import api as db
    from cinder.db.sqlalchemy import models
except ImportError:  # They have moved.
    from cinder.db import api as db
    from cinder.db import models

_METADATA_KEY: typing.Any = sqlalchemy.bindparam('metadata_key')
_IDS: typing.Any = sqlalchemy.bindparam('ids', expanding=True)
_FALSE = sqlalchemy.false()

_Marker = models.VolumeMetadata
_Volume = models.Volume

# The database may compare the key without regard to case: see _found().
_MARKED = sqlalchemy.and_(
    _Marker.volume_id == _Volume.id, _Marker.deleted == _FALSE,
    _Marker.key == _METADATA_KEY)
# A deleted volume counts with the marker that it had.
_EVER_MARKED = sqlalchemy.and_(
    _Marker.volume_id == _Volume.id, _Marker.key == _METADATA_KEY,
    sqlalchemy.or_(_Marker.deleted == _FALSE, _Volume.deleted != _FALSE))

_EVERY_VOLUME = sqlalchemy.select(
    _Volume.id, _Volume.project_id, _Volume.user_id, _Marker.key,
    _Marker.value)
# One row for a volume with the marker, and one for a volume without it.
_VOLUMES = _EVERY_VOLUME.outerjoin(_Marker, _MARKED).where(
    _Volume.deleted == _FALSE)


def _of(model: typing.Any, *where: typing.Any) -> sqlalchemy.Executable:
    """Return the statement for the volumes of rows that are not deleted."""
    return _VOLUMES.where(_Volume.id.in_(sqlalchemy.select(
        model.volume_id).where(*where, model.deleted == _FALSE)))


# By the kind of calls.Target.
_STATEMENTS: dict[str, sqlalchemy.Executable] = {
    'volume': _VOLUMES.where(_Volume.id.in_(_IDS)),
    # A volume that was migrated goes by the name of the other one there.
    'backend_name': _VOLUMES.where(sqlalchemy.or_(
        _Volume.id.in_(_IDS), _Volume._name_id.in_(_IDS))),
    # What a backup's record says of its volume, which may be deleted.
    'origin': _EVERY_VOLUME.join(_Marker, _EVER_MARKED).where(
        _Volume.id.in_(_IDS)),
    'snapshot': _of(models.Snapshot, models.Snapshot.id.in_(_IDS)),
    'attachment': _of(models.VolumeAttachment,
                      models.VolumeAttachment.id.in_(_IDS)),
    'transfer': _of(models.Transfer, models.Transfer.id.in_(_IDS)),
    'group': _VOLUMES.where(sqlalchemy.or_(
        _Volume.group_id.in_(_IDS), _Volume.consistencygroup_id.in_(_IDS))),
    'group_snapshot': _of(models.Snapshot, sqlalchemy.or_(
        models.Snapshot.group_snapshot_id.in_(_IDS),
        models.Snapshot.cgsnapshot_id.in_(_IDS))),
    'backup': sqlalchemy.union_all(
        sqlalchemy.select(
            models.Backup.volume_id, models.Backup.project_id,
            models.Backup.user_id, _Marker.key, _Marker.value,
        ).outerjoin(
            _Volume, _Volume.id == models.Backup.volume_id,
        ).outerjoin(
            _Marker, _EVER_MARKED,
        ).where(models.Backup.id.in_(_IDS), models.Backup.deleted == _FALSE),
        sqlalchemy.select(
            models.Backup.volume_id, models.Backup.project_id,
            models.Backup.user_id, models.BackupMetadata.key,
            models.BackupMetadata.value,
        ).join(
            models.BackupMetadata, sqlalchemy.and_(
                models.BackupMetadata.backup_id == models.Backup.id,
                models.BackupMetadata.deleted == _FALSE,
                models.BackupMetadata.key == _METADATA_KEY),
        ).where(models.Backup.id.in_(_IDS), models.Backup.deleted == _FALSE)),
}

_MANAGED_VOLUMES = _EVERY_VOLUME.join(_Marker, _MARKED).where(
    _Volume.id.in_(_IDS))

_SERVER_OF_ATTACHMENT = sqlalchemy.select(
    models.VolumeAttachment.instance_uuid,
).where(models.VolumeAttachment.id == sqlalchemy.bindparam('id'),
        models.VolumeAttachment.deleted == _FALSE)

# The snapshots of managed volumes: that of a Nova image must be among them.
_MANAGED_SNAPSHOTS = sqlalchemy.select(models.Snapshot.id).join(
    _Marker, _Marker.volume_id == models.Snapshot.volume_id,
).where(
    models.Snapshot.deleted == _FALSE, _Marker.deleted == _FALSE,
    _Marker.key == _METADATA_KEY).limit(1)


class CinderLookup:
    """Tell managed volumes from others.

    The caller's context has no say in what is found, but for the images that
    the caller can see.

    :param metadata_key: the marker
    :param measures: times and counts lookups
    :param bound: bounds their time
    """

    def __init__(self, metadata_key: str, measures: metrics.Metrics,
                 bound: deadline.Deadline) -> None:
        self._metadata_key = metadata_key
        self._measures = measures
        self._bound = bound

    def find(self, named: Collection[calls.Named]) -> Iterator[
            tuple[calls.Named, services.Found]]:
        """Yield what a request names, with the volumes that it leads to.

        :raises Exception: whatever a database or a Glance that does not
            respond raises in Cinder; never taken for "not managed"
        """
        # That of this request: keystonecontext has just set it.
        context = oslo_context.get_current()

        def look_up(kind: str, identifiers: list[str]) -> services.Found:
            return self._measures.timed(functools.partial(
                self._bound.call, self._look_up, kind, identifiers, context))

        return searches.find(named, look_up)

    def managed(self, volume_ids: Collection[str],
                ) -> dict[str, resources.ManagedResource]:
        """Return those volumes that are managed, by id.

        :param volume_ids: as Cinder shows them
        :raises Exception: whatever a database that does not respond raises
        """
        if not volume_ids:
            return {}
        return {volume.id: volume for volume in self._measures.timed(
            functools.partial(self._bound.call, self._managed, volume_ids))}

    def server_of_attachment(self, attachment_id: str | None) -> str | None:
        """Return the id of the server that an attachment is for.

        :returns: None where there is no such attachment, or no server
        :raises Exception: whatever a database that does not respond raises
        """
        server_id: str | None = self._bound.call(
            _first, _SERVER_OF_ATTACHMENT, id=attachment_id)
        return server_id

    def _managed(self, volume_ids: Collection[str],
                 ) -> Collection[resources.ManagedResource]:
        return [volume for volume in self._found(
            _MANAGED_VOLUMES, list(volume_ids)) if volume is not None]

    def _look_up(self, kind: str, identifiers: list[str],
                 context: typing.Any) -> services.Found:
        if kind == 'image':
            reference, = identifiers
            return self._of_image(reference, context)
        return self._found(_STATEMENTS[kind], identifiers)

    def _found(self, statement: sqlalchemy.Executable,
               identifiers: list[str]) -> services.Found:
        """Return the volumes that a statement finds, each once."""
        found: dict[str, resources.ManagedResource | None] = {}
        with db.get_engine().connect() as connection:
            for volume_id, project_id, user_id, key, value in (
                    connection.execute(statement, {
                        'metadata_key': self._metadata_key,
                        'ids': identifiers})):
                # MariaDB also finds keys in another case: no markers.
                if key == self._metadata_key:
                    found[volume_id] = resources.ManagedResource(
                        policies.KIND, volume_id, project_id, user_id,
                        value or '')
                else:
                    found.setdefault(volume_id, None)
        return found.values()

    def _of_image(self, reference: str, context: typing.Any,
                  ) -> services.Found:
        """Return the volume of which a Nova image has a snapshot.

        Glance is not asked where there is no snapshot of a managed volume.
        See _image_uuid_from_ref and _get_image_snapshot in
        cinder.api.v3.volumes.VolumeController.
        """
        if _first(_MANAGED_SNAPSHOTS,
                  metadata_key=self._metadata_key) is None:
            return ()
        image = _image(reference, context)
        if image is None:
            return ()
        mappings = image.get('properties', {}).get('block_device_mapping')
        for mapping in mappings or ():
            if (mapping.get('source_type') == 'snapshot' and
                    mapping.get('boot_index') == 0):
                snapshot_id = mapping.get('snapshot_id')
                if not isinstance(snapshot_id, str):
                    raise ValueError('An image has a snapshot without an id.')
                return self._found(_STATEMENTS['snapshot'], [snapshot_id])
        return ()


def _first(statement: sqlalchemy.Executable,
           **named: str | None) -> typing.Any:
    """Return the first value that a statement finds, None for none."""
    with db.get_engine().connect() as connection:
        return connection.execute(statement, named).scalar()


def _image(reference: str, context: typing.Any) -> typing.Any:
    """Return what Glance says of an image, None where there is no such one.

    Cinder takes it by its id, or else by its name.

    :raises Exception: whatever a Glance that can't be asked raises
    """
    # cinder.image.glance can't be imported before cinder.image.image_utils.
    service = image_utils.glance.get_default_image_service()
    image_id = reference.split('/').pop()
    if uuidutils.is_uuid_like(image_id):
        try:
            return service.show(context, image_id)
        except exception.ImageNotFound:
            pass
    images = list(service.detail(context, filters={'name': reference}))
    # Cinder refuses a name that several have.
    return images[0] if len(images) == 1 else None
