# SPDX-License-Identifier: Apache-2.0
"""Read the identifiers in values of a request to Cinder."""

from collections.abc import Iterable
import re
import typing

from oslo_serialization import base64
from oslo_serialization import jsonutils

from nova_trove_guard.core import documents

_UUID = re.compile('[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')
# Of the fields of cinder.objects.backup.Backup.
RESOURCES = ('id', 'parent_id', 'volume_id', 'snapshot_id', 'temp_volume_id',
             'temp_snapshot_id', 'restore_volume_id')


def uuids_in(value: typing.Any) -> Iterable[str]:
    """Return all UUIDs anywhere in a JSON value.

    The name of a volume on a backend contains the volume's id, by default as
    ``volume-<id>``.
    """
    return dict.fromkeys(_UUID.findall(jsonutils.dumps(value)))


def uuids_in_record(value: typing.Any) -> Iterable[str]:
    """Return all UUIDs in the record of a backup.

    See cinder.objects.backup.Backup.decode_record. Cinder looks for what the
    record names in its database, which may take another text for equal to a
    UUID: in Cinder's own records, there is none.

    :raises documents.Unreadable: if it is not such a record
    """
    try:
        record = jsonutils.loads(base64.decode_as_text(value))
        for key in RESOURCES:
            identifier = record.get(key)
            if identifier is not None and not _UUID.fullmatch(identifier):
                raise ValueError(key)
        return uuids_in(record)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise documents.Unreadable from error
