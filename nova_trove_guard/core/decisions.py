# SPDX-License-Identifier: Apache-2.0
"""The decision of the guard on a call."""

from collections.abc import Callable
import dataclasses
import enum
import typing

import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import principals
from nova_trove_guard.core import resources


class Outcome(enum.StrEnum):
    """What the guard does with a call."""

    NOT_MANAGED = enum.auto()
    NOT_FOUND = enum.auto()
    SERVICE_REFUSES = enum.auto()
    ALLOWED = enum.auto()
    BREAK_GLASS = enum.auto()
    REDACTED = enum.auto()
    REFUSED = enum.auto()
    WOULD_REFUSE = enum.auto()


# Each of these is reported by a log line and an event. A redacted list is not:
# clients read such lists all the time, and it is no attack.
REPORTED = frozenset(
    (Outcome.BREAK_GLASS, Outcome.REFUSED, Outcome.WOULD_REFUSE))


class Mode(enum.StrEnum):
    """What to do with a call that must be refused."""

    ENFORCE = enum.auto()
    AUDIT = enum.auto()

    @property
    def refusal(self) -> Outcome:
        """The outcome of a call that must be refused."""
        return {Mode.ENFORCE: Outcome.REFUSED,
                Mode.AUDIT: Outcome.WOULD_REFUSE}[self]

    @property
    def redaction(self) -> Outcome:
        """The outcome of a call whose response must be redacted."""
        return {Mode.ENFORCE: Outcome.REDACTED,
                Mode.AUDIT: Outcome.WOULD_REFUSE}[self]

    @property
    def passing(self) -> frozenset[Outcome]:
        """The outcomes with which a call is passed on."""
        refused = {Mode.ENFORCE: {Outcome.REFUSED, Outcome.NOT_FOUND},
                   Mode.AUDIT: {Outcome.REFUSED}}[self]
        return frozenset(Outcome) - refused


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """The decision of the guard on a call.

    :ivar operation: the operation
    :ivar request_id: the service's id of the request, None if it has none
    :ivar principal: the caller, None if auth_token has not verified it
    :ivar kind: the kind of the resource
    :ivar resource_id: its id, None if it is not known
    :ivar database_instance: the marker's value, None if no managed resource
        was found
    :ivar resource_project_id: the id of the project that owns the resource,
        None if no managed resource was found
    :ivar resource_user_id: the id of the user who created the resource
    :ivar outcome: what the guard does with the call
    :ivar rule: the name of the policy rule that decided, None for none
    :ivar fault: the response to a refused call
    :ivar absent: what must look as if it did not exist, None for nothing
        (nova_trove_guard.core.absence)
    """

    operation: calls.Operation
    request_id: str | None
    principal: principals.Principal | None
    kind: str
    resource_id: str | None
    database_instance: str | None = None
    resource_project_id: str | None = None
    resource_user_id: str | None = None
    outcome: Outcome = Outcome.NOT_MANAGED
    rule: str | None = None
    fault: webob.exc.HTTPException | None = None
    absent: calls.Named | None = None

    def about(self, resource: resources.ManagedResource) -> typing.Self:
        """Return this decision, about a managed resource."""
        return dataclasses.replace(
            self, kind=resource.kind, resource_id=resource.id,
            database_instance=resource.database_instance,
            resource_project_id=resource.project_id,
            resource_user_id=resource.user_id)

    def with_outcome(
            self, outcome: Outcome, rule: str | None = None,
            fault: webob.exc.HTTPException | None = None,
            absent: calls.Named | None = None) -> typing.Self:
        """Return this decision, with an outcome."""
        return dataclasses.replace(
            self, outcome=outcome, rule=rule, fault=fault, absent=absent)


# Called with each decision. Never raises.
Observer: typing.TypeAlias = Callable[[Decision], None]
