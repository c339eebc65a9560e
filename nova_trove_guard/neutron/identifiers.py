# SPDX-License-Identifier: Apache-2.0
"""Read the identifiers in what a request has for Neutron."""

from collections.abc import Iterable
import contextlib
import itertools
import re
import typing

from nova_trove_guard.core import documents

# Of Neutron's ids: they are UUIDs (oslo_utils.uuidutils.generate_uuid).
_LENGTH = 36
# What stands in a path for an id: a UUID, or a project's.
is_id = re.compile('[0-9A-Fa-f-]{32,36}').fullmatch
_UUID = re.compile('[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')

# So many strings may stand in a call that the guard does not know. Neutron
# most likely does not know it, either, and refuses it at no cost: more would
# make the guard work harder than Neutron.
MOST = 500


def may_be_found(text: str | None) -> bool:
    """Return whether a database may find an id by a string.

    MariaDB finds one by a longer string, with spaces at its end or what it
    ignores. By a shorter one only if a character, such as a ligature, stands
    for two; none of these is ASCII.
    """
    return text is not None and (len(text) >= _LENGTH or not text.isascii())


def in_path(path: str) -> list[str]:
    """Return all that may be taken for an id in a path.

    :param path: PATH_INFO, which Routes takes as it is, and Pecan as UTF-8
    """
    spelt = {path}
    with contextlib.suppress(UnicodeDecodeError):
        spelt.add(path.encode('latin-1').decode())
    return [*itertools.chain.from_iterable(
        each.split('/') for each in spelt), *_UUID.findall(path)]


def anything(value: typing.Any) -> Iterable[str]:
    """Return all strings in a JSON value that may be ids.

    :raises documents.Unreadable: where there are too many
    """
    found = {text for text in documents.strings(value) if may_be_found(text)}
    if len(found) > MOST:
        raise documents.Unreadable
    return sorted(found)
