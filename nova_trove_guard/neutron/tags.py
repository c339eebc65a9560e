# SPDX-License-Identifier: Apache-2.0
"""The marker in Neutron: a tag ``<metadata_key>_<database instance>``.

It is compared without regard to case, as MariaDB finds tags. Only Trove writes
a tag that MariaDB may take for one. Any other would keep Trove from writing
the marker: a resource has each tag once, and Neutron ignores a second
(neutron.services.tag.tag_plugin.TagPlugin.update_tag).
"""

from collections.abc import Collection
import dataclasses
import re
import typing
import unicodedata

from nova_trove_guard.core import documents

# What is no printable ASCII, no digit, and in no block with Latin letters.
_IGNORED = re.compile(
    r'[^ -~\d\x80-\u02af\u1d00-\u1eff\u2070-\u209f\u2100-\u218f\u2460-\u24ff'
    r'\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f\ufb00-\ufb06\uff01-\uff5e'
    r'\U0001d400-\U0001d7ff]+')


def prefix(key: str) -> str:
    """Return what each tag that is a marker starts with."""
    return f'{key}_'


def database_instance(tag: str, key: str) -> str | None:
    """Return the database instance that a marker names, None for other tags.
    """
    start = prefix(key)
    if not tag.casefold().startswith(start.casefold()):
        return None
    return tag[len(start):]


def may_be_taken_for_marker(tag: str, key: str) -> bool:
    """Return whether a database may take a tag for one that is a marker.

    There are as many rules as collations. By none of them a character equals
    one of ASCII, or two, unless it is in a block of letters and signs that
    are made of Latin letters, or a digit; what is neither may be ignored.
    """
    if tag.isascii():
        return database_instance(tag, key) is not None
    sought = prefix(key).casefold()
    # How much of it the tag may have had so far.
    reached = {0}
    # Whatever a caller sends, this ends after some characters.
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
    """The body has tags that are written.

    :ivar keys: below which they stand; None for anywhere
    :ivar in_path: whether the last segment of the path is one, too
    """

    form: typing.ClassVar = 'tag'

    keys: Collection[str] | None = ('tags',)
    in_path: bool = False

    def writes(self, document: typing.Any, item: str, key: str) -> bool:
        """Return whether one of the tags is a marker."""
        return (self.in_path and may_be_taken_for_marker(item, key) or
                any(may_be_taken_for_marker(tag, key)
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
        return may_be_taken_for_marker(item, key)
