# SPDX-License-Identifier: Apache-2.0
"""What a call does to the marker: a metadata key or tag of a resource.

Only the Trove admin may write or remove the marker.
"""

import dataclasses
import typing

from nova_trove_guard.core import documents


class Effect(typing.Protocol):
    """How an operation can change the marker.

    :cvar form: what the marker is in the service, such as ``metadata key``
    """

    form: typing.ClassVar[str]

    def writes(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether a call writes the marker, on any resource.

        :param document: the parsed body
        :param item: the last segment of the path
        :param key: the marker
        """

    def may_change(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether a resource with the marker may lose or change it.

        :param item: the last segment of the path
        """


@dataclasses.dataclass(frozen=True, slots=True)
class WritesMetadata:
    """The call writes the metadata in the body.

    :ivar where: the keys that lead to the metadata
    :ivar replaces: whether the call removes metadata that is not in the body
    """

    form: typing.ClassVar = 'metadata key'

    where: documents.Keys
    replaces: bool = False

    def writes(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether the body has the marker."""
        try:
            return any(key in metadata for metadata
                       in documents.values_at(document, self.where, dict))
        except documents.Unreadable:
            # The service's JSON schema refuses what is not an object.
            return False

    def may_change(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether the body has the marker, or the call replaces all."""
        try:
            written, = documents.values_at(document, self.where, object)
        except documents.Unreadable:
            return False
        keys = written if isinstance(written, dict) else ()
        return self.replaces or _collated(key) in map(_collated, keys)


@dataclasses.dataclass(frozen=True, slots=True)
class DeletesMetadata:
    """The call deletes the metadata key that is the path's last segment."""

    form: typing.ClassVar = 'metadata key'

    def writes(self, document: typing.Any, item: str, key: str) -> bool:
        """Return False: the call writes nothing."""
        return False

    def may_change(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether the call deletes the marker."""
        return _collated(item) == _collated(key)


def _collated(key: str) -> str:
    """Return a key without case and final spaces, as MariaDB compares it.

    See nova.db.main.api.instance_metadata_delete.
    """
    return key.casefold().rstrip()
