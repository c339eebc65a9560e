# SPDX-License-Identifier: Apache-2.0
"""Find mistakes in the guard's rules in a policy file.

oslo.policy treats most mistakes as a check that is false, and only warns. That
fails open behind a ``not``, and so does a rule without a value.
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

# The service's own rule for who can see everything.
CONTEXT_IS_ADMIN = 'context_is_admin'

# The attributes of the principal that a rule can refer to.
_PRINCIPAL_NAMES = frozenset(
    ('is_admin', *(field.name
                   for field in dataclasses.fields(principals.Principal))))


def _kind_of(text: str) -> typing.Any:
    """Return the class of check into which oslo.policy parses a text."""
    return type(policy.RuleDefault('', text).check)


# The class of checks of an unknown kind.
_GENERIC = _kind_of('user_id:nobody')
# The classes of checks that replace %(...)s.
_FORMATTED = (_GENERIC, _kind_of('role:reader'), _kind_of('http://localhost'))


def mistakes(enforcer: policy.Enforcer,
             target_names: Collection[str]) -> Iterator[str]:
    """Yield a message for each mistake in the rules that the guard uses.

    Rules that only the service uses are not checked.

    :param enforcer: has its files loaded
    :param target_names: the names that a rule can use in a %(...)s
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
    """Return the names of the rules that the guard uses."""
    return [CONTEXT_IS_ADMIN, *(name for name in enforcer.registered_rules
                                if name.startswith(rules.PREFIX))]


def about_resources(enforcer: policy.Enforcer) -> Iterator[str]:
    """Yield the names of the rules that refer to the resource with %(...)s.

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
        return f'it is not an "and" that contains an until: {check}'
    ends = [part for part in check.rules if isinstance(part, until.Until)]
    if not ends:
        return f'its "and" does not directly contain an until: {check}'
    for end in ends:
        if end.end is None:
            return f'{end} is not a time with a time zone'
    return None


def _below(enforcer: policy.Enforcer, name: str, path: tuple[str, ...],
           seen: set[str], target_names: Collection[str]) -> Iterator[str]:
    """Yield the mistakes in a rule, and in the rules that it refers to.

    :param path: the names of the rules that led to it
    :param seen: the names of the rules that were checked; grows
    """
    if name in path:
        yield f'{" -> ".join((*path, name))} is a circular reference'
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
                yield (f'{name} refers to rule:{check.match}, which does not '
                       'exist')
        elif (isinstance(check, until.Until) and check.end is None and
              name != rules.BREAK_GLASS):
            yield f'{name}: {check} is not a time with a time zone'
        else:
            yield from _in_check(name, check, target_names)


def _in_check(name: str, check: references.Check,
              target_names: Collection[str]) -> Iterator[str]:
    """Yield the mistakes in a check of a rule."""
    if isinstance(check, _GENERIC) and not (
            check.kind in _PRINCIPAL_NAMES or _is_literal(check.kind)):
        meant = difflib.get_close_matches(
            check.kind, (*_PRINCIPAL_NAMES, 'role', 'rule', 'until'), 1)
        yield (f'{name}: unknown attribute {check.kind} in {check}' +
               (f'; {meant[0]}?' if meant else ''))
    if isinstance(check, _FORMATTED):
        try:
            check.match % dict.fromkeys(target_names, '')
        except KeyError as error:
            unknown, = error.args
            yield (f'{name}: unknown name %({unknown})s in {check}; known are '
                   f'{", ".join(sorted(target_names))}')
        except (TypeError, ValueError):
            yield f'{name}: malformed %(...)s in {check}'


def _is_literal(kind: str) -> bool:
    """Return whether a check compares a literal: ``True:%(...)s``."""
    try:
        ast.literal_eval(kind)
    except (ValueError, SyntaxError):
        return False
    return True


def _in_text(name: str, text: object) -> Iterator[str]:
    """Yield the mistakes in a rule that oslo.policy does not report."""
    if not isinstance(text, str) or not text.strip():
        yield (f'{name} is empty; write "@" to allow everybody, "!" to allow '
               'nobody')
        return
    # oslo.policy replaces what it can't parse by a "!".
    written = text.replace('(', ' ').replace(')', ' ').split().count('!')
    made = [str(check) for check in references.leaves(
        policy.RuleDefault(name, text).check)].count('!')
    if made != written:
        yield f'{name} can\'t be parsed: {text}'
