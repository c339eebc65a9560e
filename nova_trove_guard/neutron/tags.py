# SPDX-License-Identifier: Apache-2.0
"""The marker in Neutron: a tag ``<metadata_key>_<database instance>``.

Tags are compared without regard to case, as MariaDB compares them. Only Trove
may write a tag that MariaDB may treat as equal to a marker. Otherwise a tenant
could write such a tag first, and keep Trove from writing the marker: a
resource has each tag once, and Neutron ignores a second
(neutron.services.tag.tag_plugin.TagPlugin.update_tag).
"""

from collections.abc import Collection
import dataclasses
import re
import typing
import unicodedata

from nova_trove_guard.core import documents

# Blocks with letters, and with signs that are made of letters; and how many
# ASCII characters one of these may equal at most, whatever NFKD makes of it.
_LATIN = (
    (re.compile(
        r'[\x80-\u02ff\u0363-\u036f\u1ab0-\u1aff\u1d00-\u1eff\u2070-\u209f'
        r'\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f'
        r'\U00010780-\U000107bf\U0001df00-\U0001dfff]'), 2),
    (re.compile(r'[\u2100-\u218f\u2460-\u24ff]'), 4),
    # Words in a square, such as U+1F1A9.
    (re.compile('[\U0001f100-\U0001f1e5]'), 8),
)
# The same for numbers in any script.
_NUMBER_LENGTH = 4


def prefix(key: str) -> str:
    """Return the prefix of every tag that is a marker."""
    return f'{key}_'


def database_instance(tag: str, key: str) -> str | None:
    """Return the database instance in a marker, None for any other tag."""
    start = prefix(key)
    if not tag.casefold().startswith(start.casefold()):
        return None
    return tag[len(start):]


def may_be_taken_for_marker(tag: str, key: str) -> bool:
    """Return whether a database may treat a tag as equal to a marker.

    Each collation has its own rules. A collation may ignore a character that
    is not ASCII or not printable, or treat it as equal to some ASCII
    characters.
    """
    if tag.isascii() and tag.isprintable():
        return database_instance(tag, key) is not None
    sought = prefix(key).lower()
    # A bit for each position of a character in the prefix.
    positions: dict[str, int] = {}
    for position, character in enumerate(sought):
        positions[character] = positions.get(character, 0) | 1 << position
    # Bit n is set if the tag's characters so far may equal the prefix's first
    # n characters.
    reached = 1
    for character in tag:
        decimal = unicodedata.decimal(character, None)
        if character.isascii() and character.isprintable():
            reached = (reached & positions.get(character.lower(), 0)) << 1
        elif decimal is not None:
            reached |= (reached & positions.get(str(decimal), 0)) << 1
        else:
            for _ in range(_longest(character)):
                reached |= reached << 1
        if not reached or reached >> len(sought):
            break
    return bool(reached >> len(sought))


def _longest(character: str) -> int:
    """Return how many ASCII characters another character may equal at most."""
    for block, length in _LATIN:
        if block.match(character):
            return length
    if unicodedata.numeric(character, None) is not None:
        return _NUMBER_LENGTH
    if character.isspace():
        return 1
    return sum(map(str.isascii, unicodedata.normalize('NFKD', character)))


@dataclasses.dataclass(frozen=True, slots=True)
class WritesTags:
    """The call writes the tags in the body.

    :ivar keys: the keys of the tags in the body; None for anywhere
    :ivar in_path: whether the last segment of the path is a tag, too
    """

    form: typing.ClassVar = 'tag'

    keys: Collection[str] | None = ('tags',)
    in_path: bool = False

    def writes(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether one of the tags may be treated as a marker."""
        return (self.in_path and may_be_taken_for_marker(item, key) or
                any(may_be_taken_for_marker(tag, key)
                    for tag in documents.strings(document, self.keys)))

    def may_change(self, document: typing.Any, item: str, key: str) -> bool:
        """Return False: the call removes no tag."""
        return False


@dataclasses.dataclass(frozen=True, slots=True)
class DeletesTag:
    """The call deletes the tag that is the path's last segment."""

    form: typing.ClassVar = 'tag'

    def writes(self, document: typing.Any, item: str, key: str) -> bool:
        """Return False: the call writes nothing."""
        return False

    def may_change(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether the call deletes the marker."""
        return may_be_taken_for_marker(item, key)
