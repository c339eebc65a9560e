# SPDX-License-Identifier: Apache-2.0
"""What a service can be asked, and what a request asks: plain data.

An Operation is a row of a wing's table: all that the guard knows of it stands
there, once. A Call is a request for one.
"""

from collections.abc import Callable, Iterable, Mapping
import dataclasses
import ipaddress
import itertools
import re
import typing

from nova_trove_guard.core import documents
from nova_trove_guard.core import marker

# No service makes it: theirs are random UUIDs (RFC 9562, version 4).
NOWHERE = '00000000-0000-0000-0000-000000000000'
_UUID = re.compile('[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')


def canonical_id(identifier: str | None) -> str | None:
    """Return an id as OpenStack's services make it, or None for what is none.

    MariaDB finds an id without regard to case.
    """
    if identifier is None or _UUID.fullmatch(identifier) is None:
        return None
    return identifier.lower()


def as_written(identifier: str | None) -> str | None:
    """Return an identifier unchanged.

    What is looked up is then the very string that the service looks up, and
    the database compares it in the same way.
    """
    return identifier


def canonical_address(address: str | None) -> str | None:
    """Return an IP address as it is, or None for what is none.

    Read as by the formats ipv4 and ipv6 of jsonschema, by which Nova does.
    """
    try:
        ipaddress.ip_address(address or '')
    except ValueError:
        return None
    return address


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where a request names what it acts on.

    :ivar kind: what the identifier identifies, such as ``server``
    :ivar where: the keys that lead to the identifier in the body; None for
        the first variable of the path
    :ivar query: the query parameter that holds the JSON document in which
        ``where`` leads to the identifier, instead of the body
    :ivar split: what returns the identifiers in what stands there, and
        raises documents.Unreadable where it can't; None where it is the
        identifier itself
    :ivar separator: what stands between identifiers where one string has
        several, None where it has one
    :ivar secret: the keys that lead, in the body, to a secret without which
        the service does nothing with what is named; None for no secret
    :ivar anywhere: whether the identifier, as it is written, is what is
        looked up, wherever in path and body it stands
    :ivar is_optional: whether a request may leave it out, or give a null; it
        names nothing then, and where the body has another form than the
        service wants, it is the service that refuses it
    :ivar is_validated: whether the service's JSON schema refuses what can't
        be an identifier of that kind
    :ivar canonical: what returns an identifier in its canonical form
    :ivar nonexistent: an identifier of that kind that leads nowhere
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
    nonexistent: str = NOWHERE

    @property
    def is_one(self) -> bool:
        """Whether one identifier can be told from others in the request."""
        return self.anywhere or self.split is None and (
            self.where is None or documents.EACH not in self.where)

    def is_subject(self, kind: str) -> bool:
        """Return whether it is a resource of a kind, named in the path.

        A call on a resource that does not exist does nothing else.
        """
        return self.kind == kind and self.where is None


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """Something that can be asked of a service and that the guard refuses.

    :ivar name: the service's own policy rule for it
    :ivar description: what it does, as an imperative: for the policy sample
    :ivar instead: what to do instead, with the database instance for {0};
        empty where Trove has no command for it
    :ivar targets: where a request names what it acts on
    :ivar marker_effect: what it does to the marker, None for nothing
    :ivar action: what it does to the resource, in CADF's taxonomy
    :ivar has_body: whether the JSON body has a say in what is asked
    :ivar is_of_services: whether other services drive resources with it, so
        that it is theirs to use under a policy rule of its own
    :ivar needs_proof: whether what a rule allows must also be confirmed by the
        service, for each managed resource; only the Trove admin's call, and
        break-glass, pass without that
    :ivar is_redacted: whether the answer lists resources that the request
        does not name: the call passes, and what the caller may not see of
        managed ones is taken out of the answer
    :ivar shows_existence: whether the service tells a caller who may not see
        a resource that there is one, by a refusal of its policy rule
    :ivar is_trove_admins: whether it writes the marker, or sheds it, whatever
        else it asks for: no rule can open it
    """

    name: str
    description: str = ''
    instead: str = ''
    targets: tuple[Target, ...] = ()
    marker_effect: marker.Effect | None = None
    action: str = 'update'
    has_body: bool = False
    is_of_services: bool = False
    needs_proof: bool = False
    is_redacted: bool = False
    shows_existence: bool = False
    is_trove_admins: bool = False


def action(document: typing.Any, actions: Mapping[str, Operation],
           unknown: Operation) -> tuple[Operation, bool]:
    """Return what the body of an action asks for, and whether it says so.

    The action is its only key: see action_peek in nova.api.openstack.wsgi,
    and action_peek_json in cinder.api.openstack.wsgi.

    :param unknown: stands for an action that is not in the table
    """
    if not isinstance(document, dict) or len(document) != 1:
        return unknown, False
    name, = document
    return actions.get(name, unknown), True


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """Something that a request acts on.

    :ivar target: where the request names it
    :ivar identifier: its identifier in the canonical form, None for what
        can't be one
    """

    target: Target
    identifier: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """What a request asks.

    :ivar operation: which operation
    :ivar identifier: the path's first variable, as the service's controller
        gets it
    :ivar position: which segment of the path that is
    :ivar item: the path's last segment, as the service's controller gets it
    :ivar document: the parsed JSON body; None where it has no say
    :ivar query: the raw query string
    :ivar is_readable: whether the service, too, can tell what is asked
    """

    operation: Operation
    identifier: str | None
    position: int
    item: str
    document: typing.Any
    query: str
    is_readable: bool = True

    def resource_id(self, kind: str) -> str | None:
        """Return the id of the resource in the path, None for no valid one.

        In its canonical form; whatever else stands there, a secret even, is
        not for logs.
        """
        return next((target.canonical(self.identifier)
                     for target in self.operation.targets
                     if target.is_subject(kind)), None)

    def named(self) -> list[Named]:
        """Return all that the request acts on, once each.

        :raises documents.Unreadable: where the request names nothing in any
            place in which the service looks for it, unless it may leave all
            of them out; what it names badly beside something well named, the
            service's JSON schemas refuse, but not where it is optional
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
        """Return the identifiers that a Target leads to, as they stand there.

        :raises documents.Unreadable: where there are none
        """
        if target.where is None:
            return (self.identifier,)
        document = (documents.in_query(self.query, target.query)
                    if target.query else self.document)
        if target.is_optional and documents.lacks(document, target.where):
            return ()
        if target.separator is not None:
            separator = target.separator
            return [identifier for text in documents.below(
                        document, target.where) if text
                    for identifier in text.strip(separator).split(separator)]
        if target.split is None:
            return documents.below(document, target.where)
        return itertools.chain.from_iterable(map(
            target.split, documents.below(document, target.where, object)))

    def written(self, named: Named) -> str | None:
        """Return the identifier of a resource as it stands in the request.

        :param named: of a Target that is_one
        """
        if named.target.anywhere or named.target.separator is not None:
            return named.identifier  # There it is looked up as it is written.
        identifier, = self.identifiers(named.target)
        return identifier

    def writes_marker(self, key: str) -> bool:
        """Return whether the request writes the marker."""
        effect = self.operation.marker_effect
        return effect is not None and effect.writes(
            self.document, self.item, key)

    def may_change_marker(self, key: str) -> bool:
        """Return whether what has the marker may lose it, or get another."""
        effect = self.operation.marker_effect
        return effect is not None and effect.may_change(
            self.document, self.item, key)
