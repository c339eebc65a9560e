# SPDX-License-Identifier: Apache-2.0
"""Read the volumes and snapshots in a new server's block device mappings.

A mapping names a volume or a snapshot by ``source_type`` and ``uuid``, or by
the key ``volume_id`` or ``snapshot_id`` (BlockDeviceDict.from_api and
from_legacy in nova.block_device). Nova's schema refuses any other form
(nova.api.openstack.compute.schemas.servers).
"""

from collections.abc import Iterator
import re
import typing

_IDENTIFIER = re.compile('[a-zA-Z0-9._-]{1,255}')


def volumes(mappings: typing.Any) -> Iterator[str]:
    """Yield the ids of the volumes in block device mappings."""
    return _identifiers(mappings, 'volume')


def snapshots(mappings: typing.Any) -> Iterator[str]:
    """Yield the ids of the snapshots in block device mappings."""
    return _identifiers(mappings, 'snapshot')


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
