# SPDX-License-Identifier: Apache-2.0
"""Read the volumes and snapshots in a new server's block device mappings.

A mapping names a volume or a snapshot by ``source_type`` and ``uuid``, or by
the key ``volume_id`` or ``snapshot_id`` (BlockDeviceDict.from_api and
from_legacy in nova.block_device). Nova's schema refuses any other form
(nova.api.openstack.compute.schemas.servers).
"""

from collections.abc import Iterable, Iterator
import re
import typing

from nova_trove_guard.core import documents

# The most snapshots that are looked up: more than a server has disks. The
# guard asks Cinder about each, also about those that do not exist.
MAX_SNAPSHOTS = 32

_IDENTIFIER = re.compile('[a-zA-Z0-9._-]{1,255}')


def volumes(mappings: typing.Any) -> Iterator[str]:
    """Yield the ids of the volumes in block device mappings."""
    return _identifiers(mappings, 'volume')


def snapshots(mappings: typing.Any) -> Iterable[str]:
    """Return the ids of the snapshots in block device mappings.

    :raises documents.Unreadable: if there are too many
    """
    found = dict.fromkeys(_identifiers(mappings, 'snapshot'))
    if len(found) > MAX_SNAPSHOTS:
        raise documents.Unreadable
    return found


def _identifiers(mappings: typing.Any, source: str) -> Iterator[str]:
    if not isinstance(mappings, list):
        return
    for mapping in mappings:
        if not isinstance(mapping, dict):
            return
        keys = [f'{source}_id']
        if mapping.get('source_type') == source:
            keys.append('uuid')
        for key in keys:
            identifier = mapping.get(key)
            if isinstance(identifier, str) and _IDENTIFIER.fullmatch(
                    identifier):
                yield identifier
