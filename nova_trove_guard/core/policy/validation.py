# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the guard's rules in a policy file.

oslo.policy takes most mistakes for a check that is false, and only warns. It
fails open, though, behind a ``not``, and where a rule has no value.
"""

import ast
import dataclasses
import difflib

from oslo_policy import policy

from nova_trove_guard.core.policy import rules
from nova_trove_guard.core.policy import until
from nova_trove_guard.core import principals

# Nova's, by which the guard tells who may see every server.
CONTEXT_IS_ADMIN = 'context_is_admin'

# What a rule may say of the principal, and as %(...)s of the server.
_PRINCIPAL_NAMES = frozenset(
    ('is_admin', *(field.name
                   for field in dataclasses.fields(principals.Principal))))
SERVER_NAMES = frozenset((
    'server_id', 'project_id', 'user_id', 'database_instance'))


def _kind_of(text):
    """Return the class of check that oslo.policy makes of a text."""
    return type(policy.RuleDefault('', text).check)


# What oslo.policy makes of whatever kind of check it does not know.
_GENERIC = _kind_of('user_id:nobody')
# Its checks in which %(...)s stand for something.
_FORMATTED = (_GENERIC, _kind_of('role:reader'), _kind_of('http://localhost'))


def mistakes(enforcer):
    """Yield (str) what is wrong with the rules by which the guard judges.

    Rules that are only Nova's are Nova's to judge.

    :param enforcer: oslo_policy.policy.Enforcer with its files loaded
    """
    ours = judged(enforcer)
    for name in enforcer.file_rules:
        if name.startswith(rules.PREFIX) and name not in ours:
            meant = difflib.get_close_matches(name, ours, 1)
            yield f'there is no rule {name}' + (
                f'; {meant[0]}?' if meant else '')
    seen = set()
    for name in ours:
        yield from _below(enforcer, name, (), seen)


def judged(enforcer):
    """Return the names (list) of the rules by which the guard judges."""
    return [CONTEXT_IS_ADMIN, *(name for name in enforcer.registered_rules
                                if name.startswith(rules.PREFIX))]


def about_servers(enforcer):
    """Yield the names of the rules that speak of the server, in a %(...)s.

    :param enforcer: oslo_policy.policy.Enforcer without mistakes
    """
    for name in judged(enforcer):
        if any('%' in check.match for check in _reached(enforcer, name)):
            yield name


def _reached(enforcer, name):
    """Yield the checks of a rule, and of those that it refers to."""
    for check in _leaves(enforcer.rules[name]):
        if isinstance(check, policy.RuleCheck):
            yield from _reached(enforcer, check.match)
        elif isinstance(check, policy.Check):
            yield check


def endless(check):
    """Return (str) why a break-glass rule has no end, None if it has one."""
    if not isinstance(check, policy.AndCheck):
        return f'it is no "and" with an until in it: {check}'
    ends = [part for part in check.rules if isinstance(part, until.Until)]
    if not ends:
        return f'there is no until right in its "and": {check}'
    for end in ends:
        if end.end is None:
            return f'{end} is no time with a time zone'
    return None


def _below(enforcer, name, path, seen):
    """Yield what is wrong with a rule, and with those that it refers to.

    :param path: the names of the rules that led to it
    :param seen: names of rules that need no further look; grows
    """
    if name in path:
        yield f'{" -> ".join((*path, name))} is a circle'
        return
    if name in seen:
        return
    seen.add(name)
    if name in enforcer.file_rules:
        yield from _in_text(name, enforcer.file_rules[name].check_str)
    for check in _leaves(enforcer.rules[name]):
        if isinstance(check, policy.RuleCheck):
            if check.match in enforcer.rules:
                yield from _below(enforcer, check.match, (*path, name), seen)
            else:
                yield f'{name} refers to rule:{check.match}: there is none'
        elif (isinstance(check, until.Until) and check.end is None and
              name != rules.BREAK_GLASS):
            yield f'{name} has no time with a time zone in {check}'
        else:
            yield from _in_check(name, check)


def _in_check(name, check):
    """Yield what can be neither true nor false in a check of a rule."""
    if isinstance(check, _GENERIC) and not (
            check.kind in _PRINCIPAL_NAMES or _is_literal(check.kind)):
        meant = difflib.get_close_matches(
            check.kind, (*_PRINCIPAL_NAMES, 'role', 'rule', 'until'), 1)
        yield (f'{name}: nothing is known of a {check.kind} in {check}' +
               (f'; {meant[0]}?' if meant else ''))
    if isinstance(check, _FORMATTED):
        try:
            check.match % dict.fromkeys(SERVER_NAMES, '')
        except KeyError as error:
            unknown, = error.args
            yield (f'{name}: %({unknown})s in {check} means nothing; there '
                   f'are {", ".join(sorted(SERVER_NAMES))}')
        except (TypeError, ValueError):
            yield f'{name}: {check} is no %(...)s'


def _is_literal(kind):
    """Return whether a check compares a literal: ``True:%(...)s``."""
    try:
        ast.literal_eval(kind)
    except (ValueError, SyntaxError):
        return False
    return True


def _in_text(name, text):
    """Yield what oslo.policy made of a rule without saying so."""
    if not isinstance(text, str) or not text.strip():
        yield f'{name} says nothing; "@" is for everybody, "!" for nobody'
        return
    # What it can't parse becomes a "!".
    written = text.replace('(', ' ').replace(')', ' ').split().count('!')
    made = [str(check) for check in _leaves(
        policy.RuleDefault(name, text).check)].count('!')
    if made != written:
        yield f'{name} can\'t be understood: {text}'


def _leaves(check):
    """Yield the checks of which a rule consists."""
    parts = getattr(check, 'rules', None) or (
        [check.rule] if isinstance(check, policy.NotCheck) else None)
    if parts is None:
        yield check
        return
    for part in parts:
        yield from _leaves(part)
