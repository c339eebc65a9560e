# SPDX-License-Identifier: Apache-2.0
"""Read the identifiers in a request to Neutron."""

from collections.abc import Iterable
import contextlib
import itertools
import re
import typing

from nova_trove_guard.core import documents

# The length of Neutron's ids, which are UUIDs
# (oslo_utils.uuidutils.generate_uuid).
_LENGTH = 36
# An id in a path: a UUID, or the id of a project.
is_id = re.compile('[0-9A-Fa-f-]{32,36}').fullmatch
_UUID = re.compile('[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')

# The most strings that are looked up for one place of a call. More would make
# the guard work harder than Neutron, which refuses most such calls at no cost:
# a list where one id belongs, or a call that it does not know.
MAX_STRINGS = 500


def may_be_found(text: str | None) -> bool:
    """Return whether a database may find an id by a string.

    MariaDB also finds an id by a longer string, which ends with spaces or
    contains characters that MariaDB ignores. It finds an id by a shorter
    string only if a character equals two, such as a ligature; none of these
    characters is ASCII.
    """
    return text is not None and (len(text) >= _LENGTH or not text.isascii())


def in_path(path: str) -> list[str]:
    """Return all strings that Neutron may take for an id in a path.

    :param path: PATH_INFO, which Routes uses as it is, and Pecan as UTF-8
    """
    spelt = {path}
    with contextlib.suppress(UnicodeDecodeError):
        spelt.add(path.encode('latin-1').decode())
    return [*itertools.chain.from_iterable(
        each.split('/') for each in spelt), *_UUID.findall(path)]


def anything(value: typing.Any) -> Iterable[str]:
    """Return all strings in a JSON value that may be ids.

    :raises documents.Unreadable: if there are too many
    """
    found = {text for text in documents.strings(value) if may_be_found(text)}
    if len(found) > MAX_STRINGS:
        raise documents.Unreadable
    return sorted(found)


def below(key: str, value: typing.Any) -> Iterable[str]:
    """Return all strings below a key in a JSON value, each once.

    :raises documents.Unreadable: if there are too many
    """
    found = dict.fromkeys(documents.strings(value, keys=(key,)))
    if len(found) > MAX_STRINGS:
        raise documents.Unreadable
    return found
