# SPDX-License-Identifier: Apache-2.0
"""Operations of a service, and calls of them: plain data.

An Operation is a row of a wing's table, with all that the guard knows about
it. A Call is one request for an operation.
"""

from collections.abc import Callable, Iterable, Mapping
import dataclasses
import ipaddress
import itertools
import re
import typing

from nova_trove_guard.core import documents
from nova_trove_guard.core import marker

# No resource has this id: services create random UUIDs (RFC 9562, version 4).
NIL_UUID = '00000000-0000-0000-0000-000000000000'
# The most identifiers in one string. Cinder refuses more than 255 characters
# for a group; for a consistency group, it stops at the first volume that does
# not exist, while the guard looks up all.
MAX_IDENTIFIERS = 500
_UUID = re.compile('[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')


def canonical_id(identifier: str | None) -> str | None:
    """Return a UUID in lower case, None for anything else.

    OpenStack's services create ids in lower case, but MariaDB also finds them
    in upper case.
    """
    if identifier is None or _UUID.fullmatch(identifier) is None:
        return None
    return identifier.lower()


def as_written(identifier: str | None) -> str | None:
    """Return an identifier unchanged.

    The guard then looks up the same string as the service, and the database
    compares it in the same way.
    """
    return identifier


def folded(identifier: str | None) -> str | None:
    """Return an identifier in lower case, as MariaDB compares it.

    Without that, a caller could have one resource looked up thousands of
    times, in as many spellings. OpenStack's services create ids in lower case.
    """
    return identifier and identifier.lower()


def canonical_address(address: str | None) -> str | None:
    """Return an IP address unchanged, None for anything else.

    It is parsed as in Nova, whose schemas use jsonschema's formats ipv4 and
    ipv6.
    """
    try:
        ipaddress.ip_address(address or '')
    except ValueError:
        return None
    return address


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A place in a request with the identifier of what the request acts on.

    :ivar kind: the kind of resource, such as ``server``
    :ivar where: the keys that lead to the identifier in the body; None for
        the first variable of the path
    :ivar query: the query parameter that holds the JSON document in which
        ``where`` leads to the identifier, instead of the body
    :ivar split: a function that returns the identifiers in the value there,
        and raises documents.Unreadable if it can't; None if the value is the
        identifier itself
    :ivar separator: what separates the identifiers if one string has several,
        None if it has one
    :ivar secret: the keys that lead, in the body, to a secret without which
        the service does nothing with the resource; None for no secret
    :ivar anywhere: whether the identifier may be anywhere in path and body;
        it is looked up as it is written
    :ivar is_optional: whether a request may leave it out, or give a null; the
        request then names nothing here. If the body has a form that the
        service does not accept, the service refuses it
    :ivar is_validated: whether the service's JSON schema refuses what can't
        be an identifier of that kind
    :ivar canonical: a function that returns an identifier in canonical form
    :ivar nonexistent: an identifier of that kind that no resource has
    """

    kind: str
    where: documents.Keys | None = None
    query: str | None = None
    split: Callable[[typing.Any], Iterable[str]] | None = None
    separator: str | None = None
    secret: documents.Keys | None = None
    anywhere: bool = False
    is_optional: bool = False
    is_validated: bool = False
    canonical: Callable[[str | None], str | None] = canonical_id
    nonexistent: str = NIL_UUID

    @property
    def is_one(self) -> bool:
        """Whether this place has one identifier that can be replaced."""
        return self.anywhere or self.split is None and (
            self.where is None or documents.EACH not in self.where)

    def is_subject(self, kind: str) -> bool:
        """Return whether it is a resource of a kind, named in the path.

        If that resource does not exist, the call changes nothing.
        """
        return self.kind == kind and self.where is None


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a service that the guard can refuse.

    :ivar name: the service's own policy rule for it
    :ivar description: what it does, in the imperative, for the policy sample
    :ivar instead: the command to use instead, with {0} for the database
        instance; empty if Trove has none
    :ivar targets: where a request names what it acts on
    :ivar marker_effect: what it does to the marker, None for nothing
    :ivar action: what it does to the resource, in CADF's taxonomy
    :ivar has_body: whether the guard must parse the JSON body
    :ivar used_by_services: whether other services use it to drive resources;
        its rule then allows trove_guard:service_api by default
    :ivar needs_proof: whether a call that a rule allows must also be
        confirmed, for each managed resource; only calls of the Trove admin,
        and break-glass, pass without that
    :ivar is_redacted: whether the response lists resources that the request
        does not name: the call passes, and what the caller may not see of
        managed resources is removed from the response
    :ivar shows_existence: whether the service shows a caller that a resource
        exists which the caller may not see, by a refusal of its policy rule
    :ivar trove_admin_only: whether the call always writes or removes the
        marker, so that only the Trove admin may make it: no rule can allow it
        to others
    """

    name: str
    description: str = ''
    instead: str = ''
    targets: tuple[Target, ...] = ()
    marker_effect: marker.Effect | None = None
    action: str = 'update'
    has_body: bool = False
    used_by_services: bool = False
    needs_proof: bool = False
    is_redacted: bool = False
    shows_existence: bool = False
    trove_admin_only: bool = False


def action(document: typing.Any, actions: Mapping[str, Operation],
           unknown: Operation) -> tuple[Operation, bool]:
    """Return the operation of an action, and whether the body is readable.

    The body's only key is the action: see action_peek in
    nova.api.openstack.wsgi, and action_peek_json in cinder.api.openstack.wsgi.

    :param unknown: the operation of an action that is not in the table
    """
    if not isinstance(document, dict) or len(document) != 1:
        return unknown, False
    name, = document
    return actions.get(name, unknown), True


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """An identifier in a request.

    :ivar target: where it is
    :ivar identifier: its canonical form, None for what can't be an identifier
    """

    target: Target
    identifier: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A request for an operation.

    :ivar operation: the operation
    :ivar identifier: the path's first variable, as the service's controller
        gets it
    :ivar position: the index of that segment in the path
    :ivar item: the path's last segment, as the service's controller gets it
    :ivar document: the parsed JSON body; None if it is not needed
    :ivar query: the raw query string
    :ivar is_readable: whether the body has a form that the service can read
    """

    operation: Operation
    identifier: str | None
    position: int
    item: str
    document: typing.Any
    query: str
    is_readable: bool = True

    def resource_id(self, kind: str) -> str | None:
        """Return the canonical id of the resource in the path, None for none.

        Anything else in the path must not reach a log: it may be a secret.
        """
        return next((target.canonical(self.identifier)
                     for target in self.operation.targets
                     if target.is_subject(kind)), None)

    def named(self) -> list[Named]:
        """Return all identifiers in the request, each once.

        :raises documents.Unreadable: if a place that is not optional has no
            readable identifier, and no place before it has one (if one has,
            the service's JSON schemas refuse the request); or if an optional
            place has a value that is not readable
        """
        named: dict[Named, None] = {}
        for target in self.operation.targets:
            try:
                for identifier in self.identifiers(target):
                    named[Named(target, target.canonical(identifier))] = None
            except documents.Unreadable:
                if target.is_optional or not named:
                    raise
        return list(named)

    def identifiers(self, target: Target) -> Iterable[str | None]:
        """Return the identifiers in a Target, as they are written.

        :raises documents.Unreadable: if there are none, or too many in a
            string
        """
        if target.where is None:
            return (self.identifier,)
        document = (documents.from_query(self.query, target.query)
                    if target.query else self.document)
        if target.is_optional and documents.is_absent(document, target.where):
            return ()
        if target.separator is not None:
            separator = target.separator
            separated = [
                identifier
                for text in documents.values_at(document, target.where) if text
                for identifier in text.strip(separator).split(separator)]
            if len(separated) > MAX_IDENTIFIERS:
                raise documents.Unreadable
            return separated
        if target.split is None:
            return documents.values_at(document, target.where)
        return itertools.chain.from_iterable(map(
            target.split, documents.values_at(document, target.where, object)))

    def written(self, named: Named) -> str | None:
        """Return an identifier as it is written in the request.

        :param named: of a Target that is_one
        """
        if named.target.anywhere or named.target.separator is not None:
            return named.identifier  # Its canonical form is unchanged.
        identifier, = self.identifiers(named.target)
        return identifier

    def writes_marker(self, key: str) -> bool:
        """Return whether the request writes the marker."""
        effect = self.operation.marker_effect
        return effect is not None and effect.writes(
            self.document, self.item, key)

    def may_change_marker(self, key: str) -> bool:
        """Return whether a resource may lose its marker, or get another."""
        effect = self.operation.marker_effect
        return effect is not None and effect.may_change(
            self.document, self.item, key)
