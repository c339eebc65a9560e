# SPDX-License-Identifier: Apache-2.0
"""oslo.policy's rules as functions.

oslo.policy asks the module inspect how many arguments a check takes, for each
check of a rule and each time (oslo_policy._checks._check): that costs ten
times what the checks do. Here it is asked once. What "and", "or", "not" and
"rule" mean is as there; all other checks are oslo.policy's own, or whoever's.
"""

import inspect

from oslo_policy import policy


def function(check, enforcer, name):
    """Return f(target, credentials), which returns whether a check is true.

    :param check: oslo_policy.policy.BaseCheck; no circle may lead to it
    :param enforcer: oslo_policy.policy.Enforcer, with its rules as they are
        to be
    :param name: of the rule that is judged
    """
    compiled = _COMPILED.get(type(check), _leaf)
    return compiled(check, enforcer, name)


def _and(check, enforcer, name):
    parts = [function(part, enforcer, name) for part in check.rules]
    return lambda target, credentials: all(
        part(target, credentials) for part in parts)


def _or(check, enforcer, name):
    parts = [function(part, enforcer, name) for part in check.rules]
    return lambda target, credentials: any(
        part(target, credentials) for part in parts)


def _not(check, enforcer, name):
    negated = function(check.rule, enforcer, name)
    return lambda target, credentials: not negated(target, credentials)


def _rule(check, enforcer, name):
    if check.match not in enforcer.rules:
        return lambda target, credentials: False
    referred = function(enforcer.rules[check.match], enforcer, name)

    def judge(target, credentials):
        try:
            return referred(target, credentials)
        except KeyError:
            return False

    return judge


def _leaf(check, enforcer, name):
    # Those of others may be older than the last argument.
    if len(inspect.getfullargspec(check.__call__).args) <= 4:
        return lambda target, credentials: check(target, credentials, enforcer)
    return lambda target, credentials: check(
        target, credentials, enforcer, name)


_COMPILED = {policy.AndCheck: _and, policy.OrCheck: _or,
             policy.NotCheck: _not, policy.RuleCheck: _rule}
