# SPDX-License-Identifier: Apache-2.0
"""Lists that show what is guarded: the only answers that the guard changes.

Such a request names no resource, so only the answer tells which ones it is
about. It passes; what the caller may not see of managed resources is taken out
of the answer.
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
    """Take out of an answer what the caller may not see.

    :param redactor: knows what is in the answer
    :param undecided: has the operation
    :param mode: in audit mode, the answer stays as it is
    :returns: the decision: about the first resource that is hidden, or else
        shown by break-glass, or else shown
    :raises Exception: for what can't be read or looked up
    """
    if answer.status_int != 200 or not answer.body:
        return undecided  # It lists nothing.
    found: dict[Outcome, decisions.Decision] = {}

    def may_show(resource: resources.ManagedResource) -> bool:
        rule = rules.rule_of(undecided.operation)
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
