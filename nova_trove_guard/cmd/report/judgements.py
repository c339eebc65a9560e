# SPDX-License-Identifier: Apache-2.0
"""Judge calls in the log by a policy, with the guard's own enforcer.

The steps are those of the guard that depend on the policy, in the same order
(nova_trove_guard.core.guard.TroveGuard). If a step needs something that the
log does not have, the verdict is NOT_JUDGED, never a guess.
"""

from collections.abc import Iterator
import dataclasses
import enum
import os

from oslo_config import cfg
from oslo_policy import opts
from oslo_policy import policy

from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import calls
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import references
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core.policy import until
from nova_trove_guard.core.policy import validation
from nova_trove_guard.core import principals
from nova_trove_guard.core.reports import log
from nova_trove_guard.core import resources

_LOGGED = frozenset(('user_id', 'project_id', 'roles', 'service_user_id',
                     'service_roles', 'is_admin'))
# What a rule can check of the principal, but a log line does not have.
_NOT_LOGGED = frozenset(
    field.name for field in dataclasses.fields(principals.Principal)
) - _LOGGED
# The checks that read only the principal and the resource.
_SELF_CONTAINED: tuple[type, ...] = (until.Until, *(
    type(policy.RuleDefault('', text).check)
    for text in ('@', '!', 'role:reader', 'user_id:nobody', 'rule:other')))


class PolicyVerdict(enum.StrEnum):
    """The verdict of a policy on a call."""

    PASSES = 'policy_passes'
    REFUSES = 'policy_refuses'
    NOT_JUDGED = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason.

    :ivar why: for NOT_JUDGED: why the log line is not enough
    """

    verdict: PolicyVerdict
    why: str = ''


PASSES = Judgement(PolicyVerdict.PASSES)
REFUSES = Judgement(PolicyVerdict.REFUSES)


def _not_judged(why: str) -> Judgement:
    return Judgement(PolicyVerdict.NOT_JUDGED, why)


class PolicyJudge:
    """Judge calls in the log by a policy.

    A check of the kind ``until`` is judged by the current time.

    :param wing: the service that logged the calls
    :param enforcer: enforces the policy
    """

    def __init__(self, wing: wings.Wing,
                 enforcer: enforcement.Enforcer) -> None:
        self._wing = wing
        self._enforcer = enforcer
        self._operations = wing.operations()
        judge = enforcer.judge(principals.Principal('', None, ()))
        # What a rule depends on that is not logged, by the rule's name.
        self._lacking = {
            rule: sorted(set(_not_logged(judge, rule)))
            for rule in (rules.TROVE_ADMIN, rules.BREAK_GLASS,
                         *map(rules.rule_name, self._operations.values()))}

    def judge(self, entry: log.Entry) -> Judgement:
        """Judge a call."""
        if entry.kind not in self._wing.shown.find:
            return _not_judged(f'not a call to {self._wing.api.service}')
        if entry.user_id is None:
            return REFUSES  # auth_token has not verified the caller.
        if entry.roles is None or entry.service_roles is None:
            return _not_judged(
                'no roles in the line: an earlier release wrote it')
        judge = self._enforcer.judge(entry.principal)
        why_not = self._why_not(rules.TROVE_ADMIN)
        if why_not:
            return why_not
        if judge.is_trove_admin():
            return PASSES
        if entry.rule == rules.TROVE_ADMIN:
            return REFUSES  # It changes the marker.
        operation = self._operations.get(entry.operation)
        if operation is None:
            return _not_judged('an operation that this release does not know')
        return self._judge_operation(entry, operation, judge)

    def _judge_operation(self, entry: log.Entry, operation: calls.Operation,
                         judge: enforcement.Judge) -> Judgement:
        rule = rules.rule_name(operation)
        why_not = self._why_not(rule)
        if why_not:
            return why_not
        for_any = judge.may_with_any_resource(operation)
        if (for_any and operation.used_by_services and
                not operation.needs_proof):
            return PASSES
        if entry.is_malformed:
            return REFUSES
        if entry.database_instance is None:
            return _not_judged(
                f'the guard could not find out whether the {entry.kind} is '
                f'managed')
        resource = resources.ManagedResource(
            entry.kind, entry.resource_id or '',
            entry.resource_project_id or '', entry.resource_user_id or '',
            entry.database_instance)
        may = judge.may(operation, resource)
        if not may or operation.needs_proof:
            why_not = self._why_not(rules.BREAK_GLASS)
            if why_not:
                return why_not
            if not judge.breaks_glass(resource):
                return REFUSES if not may else _not_judged(
                    'the service must also confirm what the call is for')
        return self._judge_passing(entry, operation, for_any)

    def _judge_passing(self, entry: log.Entry, operation: calls.Operation,
                       for_any: bool) -> Judgement:
        """Judge a call that the policy allows with the logged resource."""
        if operation.marker_effect is not None:
            return _not_judged('the line does not show whether the call '
                               'changes the marker')
        names_one = len(operation.targets) == 1 and (
            operation.targets[0].is_subject(entry.kind))
        if not names_one and not for_any:
            return _not_judged(
                'the call can act on more than the line shows, and the '
                'rule depends on each resource')
        return PASSES

    def _why_not(self, rule: str) -> Judgement | None:
        """Return NOT_JUDGED if a rule depends on what is not logged."""
        lacking = self._lacking[rule]
        return _not_judged(f'{rule} depends on {", ".join(lacking)}, which '
                           f'is not logged') if lacking else None


def _not_logged(judge: enforcement.Judge, name: str) -> Iterator[str]:
    """Yield what a rule depends on that is not logged."""
    for rule in judge.checks(name).values():
        for check in references.leaves(rule):
            kind = getattr(check, 'kind', None)
            if kind == 'is_admin':  # Nova has a check of its own for it.
                if name != validation.CONTEXT_IS_ADMIN:
                    yield from _not_logged(judge, validation.CONTEXT_IS_ADMIN)
            elif not isinstance(check, _SELF_CONTAINED):
                yield str(check)
            elif kind in _NOT_LOGGED:
                yield str(kind)


def create(path: str, service_type: str) -> PolicyJudge:
    """Return a PolicyJudge for a policy file.

    :param path: of the file
    :param service_type: one of wings.PACKAGES
    :raises outcome.Refused: if there is a mistake in the file
    :raises OSError: if it can't be read
    """
    files.read(path)
    wing = wings.load(service_type)
    conf = cfg.ConfigOpts()
    opts.set_defaults(conf)
    # No other files of this host: neither nova.conf nor policy.d.
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override('policy_file', os.path.abspath(path), 'oslo_policy')
    conf.set_override('policy_dirs', [], 'oslo_policy')
    try:
        return PolicyJudge(wing, wing.enforcer(conf))
    except enforcement.PolicyUnreadable as error:
        # Its own message also names policy_dirs, which are not in use here.
        raise outcome.Refused(f'{path}: {error.__cause__}') from error
