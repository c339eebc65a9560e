# SPDX-License-Identifier: Apache-2.0
"""Find out, in Cinder's database, whether a volume is managed.

One SQL statement, through Cinder's own models and engine, finds the volumes
behind an identifier, such as the volume of a snapshot or the volumes of a
group, and their markers. It runs on the primary database, never on a
``slave_connection``, which may not have the marker yet.

A backup outlives its volume, and so does the marker: Cinder deletes volume and
metadata softly, and a backup is managed if the deleted volume had the marker.
That includes a marker that was removed before the volume was deleted, because
the rows do not show which was deleted first. ``cinder-manage db purge``
removes these rows. A backup whose volume was purged is managed only if its own
metadata has the marker, which only the Trove admin can write.

The volume that Cinder creates for a migration has the metadata of the migrated
volume (VolumeManager._migrate_volume_generic in cinder.volume.manager). The
temporary volume of a backup has no marker, but it is in a state in which
Cinder does nothing with it (_create_temp_cloned_volume in
cinder.volume.driver).

A Nova image of a snapshot (block_device_mapping) leads to that snapshot. The
image's owner can change that property in Glance between this lookup and
Cinder's own, unless Glance's policy forbids it.
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
except ImportError:  # Cinder has moved them.
    from cinder.db import api as db
    from cinder.db import models

_METADATA_KEY: typing.Any = sqlalchemy.bindparam('metadata_key')
_IDS: typing.Any = sqlalchemy.bindparam('ids', expanding=True)
_FALSE = sqlalchemy.false()

_Marker = models.VolumeMetadata
_Volume = models.Volume

# The database may ignore the case of the key: see CinderLookup._found().
_MARKED = sqlalchemy.and_(
    _Marker.volume_id == _Volume.id, _Marker.deleted == _FALSE,
    _Marker.key == _METADATA_KEY)
# A deleted volume counts as marked if it ever had the marker.
_EVER_MARKED = sqlalchemy.and_(
    _Marker.volume_id == _Volume.id, _Marker.key == _METADATA_KEY,
    sqlalchemy.or_(_Marker.deleted == _FALSE, _Volume.deleted != _FALSE))

_EVERY_VOLUME = sqlalchemy.select(
    _Volume.id, _Volume.project_id, _Volume.user_id, _Marker.key,
    _Marker.value)
# One row for each volume, with or without the marker.
_VOLUMES = _EVERY_VOLUME.outerjoin(_Marker, _MARKED).where(
    _Volume.deleted == _FALSE)


def _of(model: typing.Any, *where: typing.Any) -> sqlalchemy.Executable:
    """Return a statement for the volumes of a model's rows.

    :param where: conditions on the rows; deleted rows are left out
    """
    return _VOLUMES.where(_Volume.id.in_(sqlalchemy.select(
        model.volume_id).where(*where, model.deleted == _FALSE)))


# Statements by kind of calls.Target.
_STATEMENTS: dict[str, sqlalchemy.Executable] = {
    'volume': _VOLUMES.where(_Volume.id.in_(_IDS)),
    # On the backend, a migrated volume has the name of another volume id.
    'backend_name': _VOLUMES.where(sqlalchemy.or_(
        _Volume.id.in_(_IDS), _Volume._name_id.in_(_IDS))),
    # The volume in the record of a backup, which may be deleted.
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

# Finds a snapshot of any managed volume. If there is none, no Nova image can
# refer to one.
_MANAGED_SNAPSHOTS = sqlalchemy.select(models.Snapshot.id).join(
    _Marker, _Marker.volume_id == models.Snapshot.volume_id,
).where(
    models.Snapshot.deleted == _FALSE, _Marker.deleted == _FALSE,
    _Marker.key == _METADATA_KEY).limit(1)


class CinderLookup:
    """Find out which volumes are managed.

    Lookups do not depend on the caller's context, except that an image is read
    with the caller's token.

    :param metadata_key: the marker
    :param measures: times and counts lookups
    :param bound: limits the time of a lookup
    """

    def __init__(self, metadata_key: str, measures: metrics.Metrics,
                 bound: deadline.Deadline) -> None:
        self._metadata_key = metadata_key
        self._measures = measures
        self._bound = bound

    def find(self, named: Collection[calls.Named]) -> Iterator[
            tuple[calls.Named, services.Found]]:
        """Yield identifiers, each with the volumes that it leads to.

        :raises Exception: if the database or Glance does not respond; this
            must never be taken for "not managed"
        """
        # keystonecontext has just set the context of this request.
        context = oslo_context.get_current()

        def look_up(kind: str, identifiers: list[str]) -> services.Found:
            return self._measures.timed(functools.partial(
                self._look_up, self._bound.start(), kind, identifiers,
                context))

        return searches.find(named, look_up)

    def managed(self, volume_ids: Collection[str],
                ) -> dict[str, resources.ManagedResource]:
        """Return the managed ones among some volumes, by id.

        :param volume_ids: as Cinder shows them
        :raises Exception: if the database does not respond
        """
        if not volume_ids:
            return {}
        return {volume.id: volume for volume in self._measures.timed(
            functools.partial(self._bound.call, self._managed, volume_ids))}

    def server_of_attachment(self, attachment_id: str | None) -> str | None:
        """Return the id of the server that an attachment is for.

        :returns: None if the attachment does not exist or has no server
        :raises Exception: if the database does not respond
        """
        server_id: str | None = self._bound.call(
            _first, _SERVER_OF_ATTACHMENT, id=attachment_id)
        return server_id

    def _managed(self, volume_ids: Collection[str],
                 ) -> Collection[resources.ManagedResource]:
        return [volume for volume in self._found(
            _MANAGED_VOLUMES, list(volume_ids)) if volume is not None]

    def _look_up(self, running: deadline.Running, kind: str,
                 identifiers: list[str], context: typing.Any,
                 ) -> services.Found:
        if kind == 'image':
            reference, = identifiers
            return self._of_image(running, reference, context)
        return running.call(
            deadline.DATABASE, self._found, _STATEMENTS[kind], identifiers)

    def _found(self, statement: sqlalchemy.Executable,
               identifiers: list[str]) -> services.Found:
        """Return the volumes that a statement finds, each once."""
        found: dict[str, resources.ManagedResource | None] = {}
        with db.get_engine().connect() as connection:
            for volume_id, project_id, user_id, key, value in (
                    connection.execute(statement, {
                        'metadata_key': self._metadata_key,
                        'ids': identifiers})):
                # MariaDB also finds the key in another case: not the marker.
                if key == self._metadata_key:
                    found[volume_id] = resources.ManagedResource(
                        policies.KIND, volume_id, project_id, user_id,
                        value or '')
                else:
                    found.setdefault(volume_id, None)
        return found.values()

    def _of_image(self, running: deadline.Running, reference: str,
                  context: typing.Any) -> services.Found:
        """Return the volume of the snapshot in a Nova image.

        Glance is not called if no managed volume has a snapshot. See
        _image_uuid_from_ref and _get_image_snapshot in
        cinder.api.v3.volumes.VolumeController.
        """
        if running.call(
                deadline.DATABASE, _first, _MANAGED_SNAPSHOTS,
                metadata_key=self._metadata_key) is None:
            return ()
        image = running.call('glance', _image, reference, context)
        if image is None:
            return ()
        mappings = image.get('properties', {}).get('block_device_mapping')
        for mapping in mappings or ():
            if (mapping.get('source_type') == 'snapshot' and
                    mapping.get('boot_index') == 0):
                snapshot_id = mapping.get('snapshot_id')
                if not isinstance(snapshot_id, str):
                    raise ValueError('An image has a snapshot without an id.')
                return running.call(
                    deadline.DATABASE, self._found, _STATEMENTS['snapshot'],
                    [snapshot_id])
        return ()


def _first(statement: sqlalchemy.Executable,
           **named: str | None) -> typing.Any:
    """Return the first value that a statement finds, None for none."""
    with db.get_engine().connect() as connection:
        return connection.execute(statement, named).scalar()


def _image(reference: str, context: typing.Any) -> typing.Any:
    """Return an image as Glance shows it, None if it does not exist.

    Like Cinder, look for it by its id, and then by its name.

    :raises Exception: if Glance does not respond
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
    # Cinder refuses a name that several images have.
    return images[0] if len(images) == 1 else None
