# SPDX-License-Identifier: Apache-2.0
"""The marker in Neutron: a tag ``<metadata_key>_<database instance>``.

It is compared without regard to case, as MariaDB finds tags: one in another
case would keep Trove from writing the marker.
"""

from collections.abc import Collection
import dataclasses
import typing

from nova_trove_guard.core import documents


def prefix(key: str) -> str:
    """Return what each tag that is a marker starts with."""
    return f'{key}_'


def is_marker(tag: str, key: str) -> bool:
    """Return whether a tag is a marker."""
    return tag.casefold().startswith(prefix(key).casefold())


@dataclasses.dataclass(frozen=True, slots=True)
class WritesTags:
    """The body has tags that are written.

    :ivar keys: below which they stand; None for anywhere
    :ivar in_path: whether the last segment of the path is one, too
    """

    form: typing.ClassVar = 'tag'

    keys: Collection[str] | None = ('tags',)
    in_path: bool = False

    def writes(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether one of the tags is a marker."""
        return (self.in_path and is_marker(item, key) or
                any(is_marker(tag, key)
                    for tag in documents.strings(document, self.keys)))

    def may_change(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether the marker may go: it does not."""
        return False


@dataclasses.dataclass(frozen=True, slots=True)
class DeletesTag:
    """The last segment of the path is the tag that goes."""

    form: typing.ClassVar = 'tag'

    def writes(self, document: typing.Any, item: str, key: str) -> bool:
        """Return that nothing is written."""
        return False

    def may_change(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether the marker goes."""
        return is_marker(item, key)
