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

# Characters that are not printable ASCII, not digits, and not in a block with
# Latin letters: a collation may ignore them.
_IGNORED = re.compile(
    r'[^ -~\d\x80-\u02af\u1d00-\u1eff\u2070-\u209f\u2100-\u218f\u2460-\u24ff'
    r'\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f\ufb00-\ufb06\uff01-\uff5e'
    r'\U0001d400-\U0001d7ff]+')


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

    Each collation has its own rules. In all of them, a character that is not
    ASCII equals one ASCII character, or two, only if it is a digit, or in a
    block of letters and signs that are made of Latin letters. A collation may
    ignore any other character.
    """
    if tag.isascii():
        return database_instance(tag, key) is not None
    sought = prefix(key).casefold()
    # The lengths of the prefix that the tag's characters so far may equal.
    reached = {0}
    # This ends after a bounded number of characters, whatever a caller sends.
    for character in _IGNORED.sub('', tag.casefold()):
        digit = unicodedata.digit(character, None)
        if character.isascii() or digit is not None:
            same = character if digit is None else str(digit)
            reached = {length + 1 for length in reached
                       if sought[length] == same}
        else:
            reached |= {length + more for length in reached for more in (1, 2)}
        if not reached or max(reached) >= len(sought):
            break
    return bool(reached) and max(reached) >= len(sought)


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
