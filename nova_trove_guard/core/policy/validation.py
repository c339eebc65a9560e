# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the guard's rules in a policy file.

oslo.policy takes most mistakes for a check that is false, and only warns. It
fails open, though, behind a ``not``, and where a rule has no value.
"""

import ast
from collections.abc import Collection, Iterator
import dataclasses
import difflib
import typing

from oslo_policy import policy

from nova_trove_guard.core.policy import references
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core.policy import until
from nova_trove_guard.core import principals

# The service's own, by which the guard knows who can see everything.
CONTEXT_IS_ADMIN = 'context_is_admin'

# What a rule can say of the principal.
_PRINCIPAL_NAMES = frozenset(
    ('is_admin', *(field.name
                   for field in dataclasses.fields(principals.Principal))))


def _kind_of(text: str) -> typing.Any:
    """Return the class of check that oslo.policy makes of a text."""
    return type(policy.RuleDefault('', text).check)


# What oslo.policy makes of whatever kind of check it does not know.
_GENERIC = _kind_of('user_id:nobody')
# Its checks in which %(...)s stand for something.
_FORMATTED = (_GENERIC, _kind_of('role:reader'), _kind_of('http://localhost'))


def mistakes(enforcer: policy.Enforcer,
             target_names: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the rules by which the guard judges.

    Rules that are only the service's are for the service to judge.

    :param enforcer: has its files loaded
    :param target_names: what a rule can say of a resource, in a %(...)s
    """
    ours = judged(enforcer)
    for name in enforcer.file_rules:
        if name.startswith(rules.PREFIX) and name not in ours:
            meant = difflib.get_close_matches(name, ours, 1)
            yield f'there is no rule {name}' + (
                f'; {meant[0]}?' if meant else '')
    seen: set[str] = set()
    for name in ours:
        yield from _below(enforcer, name, (), seen, target_names)


def judged(enforcer: policy.Enforcer) -> list[str]:
    """Return the names of the rules by which the guard judges."""
    return [CONTEXT_IS_ADMIN, *(name for name in enforcer.registered_rules
                                if name.startswith(rules.PREFIX))]


def about_resources(enforcer: policy.Enforcer) -> Iterator[str]:
    """Yield the names of the rules that speak of the resource, in a %(...)s.

    :param enforcer: its rules have no mistakes
    """
    for name in judged(enforcer):
        if any('%' in check.match
               for rule in references.reached(enforcer.rules, name).values()
               for check in references.leaves(rule)
               if isinstance(check, policy.Check)):
            yield name


def endless(check: references.Check) -> str | None:
    """Return why a break-glass rule has no end, None if it has one."""
    if not isinstance(check, policy.AndCheck):
        return f'it is no "and" with an until in it: {check}'
    ends = [part for part in check.rules if isinstance(part, until.Until)]
    if not ends:
        return f'there is no until right in its "and": {check}'
    for end in ends:
        if end.end is None:
            return f'{end} is no time with a time zone'
    return None


def _below(enforcer: policy.Enforcer, name: str, path: tuple[str, ...],
           seen: set[str], target_names: Collection[str]) -> Iterator[str]:
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
    for check in references.leaves(enforcer.rules[name]):
        if isinstance(check, policy.RuleCheck):
            if check.match in enforcer.rules:
                yield from _below(enforcer, check.match, (*path, name), seen,
                                  target_names)
            else:
                yield f'{name} refers to rule:{check.match}: there is none'
        elif (isinstance(check, until.Until) and check.end is None and
              name != rules.BREAK_GLASS):
            yield f'{name} has no time with a time zone in {check}'
        else:
            yield from _in_check(name, check, target_names)


def _in_check(name: str, check: references.Check,
              target_names: Collection[str]) -> Iterator[str]:
    """Yield what can be neither true nor false in a check of a rule."""
    if isinstance(check, _GENERIC) and not (
            check.kind in _PRINCIPAL_NAMES or _is_literal(check.kind)):
        meant = difflib.get_close_matches(
            check.kind, (*_PRINCIPAL_NAMES, 'role', 'rule', 'until'), 1)
        yield (f'{name}: nothing is known of a {check.kind} in {check}' +
               (f'; {meant[0]}?' if meant else ''))
    if isinstance(check, _FORMATTED):
        try:
            check.match % dict.fromkeys(target_names, '')
        except KeyError as error:
            unknown, = error.args
            yield (f'{name}: %({unknown})s in {check} means nothing; there '
                   f'are {", ".join(sorted(target_names))}')
        except (TypeError, ValueError):
            yield f'{name}: {check} is no %(...)s'


def _is_literal(kind: str) -> bool:
    """Return whether a check compares a literal: ``True:%(...)s``."""
    try:
        ast.literal_eval(kind)
    except (ValueError, SyntaxError):
        return False
    return True


def _in_text(name: str, text: object) -> Iterator[str]:
    """Yield what oslo.policy made of a rule without saying so."""
    if not isinstance(text, str) or not text.strip():
        yield f'{name} says nothing; "@" is for everybody, "!" for nobody'
        return
    # What it can't parse becomes a "!".
    written = text.replace('(', ' ').replace(')', ' ').split().count('!')
    made = [str(check) for check in references.leaves(
        policy.RuleDefault(name, text).check)].count('!')
    if made != written:
        yield f'{name} can\'t be understood: {text}'
