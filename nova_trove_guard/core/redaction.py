# SPDX-License-Identifier: Apache-2.0
"""Redact lists that show guarded data: the only responses the guard changes.

A request for such a list names no resource, so only the response shows which
resources it is about. The guard passes the request, and removes from the
response what the caller may not see of managed resources.
"""

import webob

from nova_trove_guard.core import decisions
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core import resources
from nova_trove_guard.core import services

Outcome = decisions.Outcome


def redact(answer: webob.Response, redactor: services.Redactor,
           judge: enforcement.Judge, undecided: decisions.Decision,
           mode: decisions.Mode) -> decisions.Decision:
    """Remove from a response what the caller may not see.

    :param redactor: can read and change the response
    :param undecided: the decision so far, with the operation
    :param mode: in audit mode, the response is not changed
    :returns: the decision about the first resource that is redacted, else
        about the first that is shown by break-glass, else about the first
        that is shown
    :raises Exception: if the response can't be read, or a lookup fails
    """
    if answer.status_int != 200 or not answer.body:
        return undecided  # Not a list, but a fault, for example.
    found: dict[Outcome, decisions.Decision] = {}

    def may_show(resource: resources.ManagedResource) -> bool:
        rule = rules.rule_name(undecided.operation)
        if judge.may(undecided.operation, resource):
            outcome = Outcome.ALLOWED
        elif judge.breaks_glass(resource):
            outcome, rule = Outcome.BREAK_GLASS, rules.BREAK_GLASS
        else:
            outcome = mode.redaction
        found.setdefault(outcome, undecided.about(resource).with_outcome(
            outcome, rule))
        return outcome is not Outcome.REDACTED

    content = answer.body
    redacted = redactor(content, may_show)
    if redacted != content:
        answer.body = redacted
    return next(
        (found[outcome] for outcome in (
            mode.redaction, Outcome.BREAK_GLASS, Outcome.ALLOWED)
         if outcome in found), undecided)
