# SPDX-License-Identifier: Apache-2.0
"""What the guard decides about a call: the value that travels."""

from collections.abc import Callable
import dataclasses
import enum
import typing

import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import principals
from nova_trove_guard.core import resources


class Outcome(enum.StrEnum):
    """What becomes of a call."""

    NOT_MANAGED = enum.auto()
    NOT_FOUND = enum.auto()
    SERVICE_REFUSES = enum.auto()
    ALLOWED = enum.auto()
    BREAK_GLASS = enum.auto()
    REDACTED = enum.auto()
    REFUSED = enum.auto()
    WOULD_REFUSE = enum.auto()


# Reported one by one: by a log line, and by an event. A list from which
# something is taken out is no attack: clients read such lists all the time.
REPORTED = frozenset(
    (Outcome.BREAK_GLASS, Outcome.REFUSED, Outcome.WOULD_REFUSE))


class Mode(enum.StrEnum):
    """What to do with a call that must be refused."""

    ENFORCE = enum.auto()
    AUDIT = enum.auto()

    @property
    def refusal(self) -> Outcome:
        """How a call ends that must be refused."""
        return {Mode.ENFORCE: Outcome.REFUSED,
                Mode.AUDIT: Outcome.WOULD_REFUSE}[self]

    @property
    def redaction(self) -> Outcome:
        """How a call ends whose answer shows more than it may."""
        return {Mode.ENFORCE: Outcome.REDACTED,
                Mode.AUDIT: Outcome.WOULD_REFUSE}[self]

    @property
    def passing(self) -> frozenset[Outcome]:
        """How a call ends that is passed on."""
        refused = {Mode.ENFORCE: {Outcome.REFUSED, Outcome.NOT_FOUND},
                   Mode.AUDIT: {Outcome.REFUSED}}[self]
        return frozenset(Outcome) - refused


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What the guard decides about a call.

    :ivar operation: what is asked
    :ivar request_id: the service's id of the request, None where it has none
    :ivar principal: who asks, None where nobody is verified
    :ivar kind: what the resource is
    :ivar resource_id: its id, None where that is not known
    :ivar database_instance: the marker's value, None where no managed
        resource was found
    :ivar outcome: what becomes of the call
    :ivar rule: the name of the policy rule that decided, None for none
    :ivar fault: the answer to a refusal
    :ivar absent: what is to look as if it did not exist, None for nothing
        (nova_trove_guard.core.absence)
    """

    operation: calls.Operation
    request_id: str | None
    principal: principals.Principal | None
    kind: str
    resource_id: str | None
    database_instance: str | None = None
    outcome: Outcome = Outcome.NOT_MANAGED
    rule: str | None = None
    fault: webob.exc.HTTPException | None = None
    absent: calls.Named | None = None

    def about(self, resource: resources.ManagedResource) -> typing.Self:
        """Return this, about a managed resource."""
        return dataclasses.replace(
            self, kind=resource.kind, resource_id=resource.id,
            database_instance=resource.database_instance)

    def with_outcome(
            self, outcome: Outcome, rule: str | None = None,
            fault: webob.exc.HTTPException | None = None,
            absent: calls.Named | None = None) -> typing.Self:
        """Return this, with an outcome."""
        return dataclasses.replace(
            self, outcome=outcome, rule=rule, fault=fault, absent=absent)


# What gets each decision; it never raises.
Observer: typing.TypeAlias = Callable[[Decision], None]
