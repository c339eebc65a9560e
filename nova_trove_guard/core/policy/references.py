# SPDX-License-Identifier: Apache-2.0
"""Walk through a rule and the rules that it refers to."""

from collections.abc import Iterator, Mapping
import typing

from oslo_policy import policy

# A parsed rule: oslo_policy._checks.BaseCheck, which has no public name.
Check: typing.TypeAlias = typing.Any


def leaves(check: Check) -> Iterator[Check]:
    """Yield the parts of a check that are no "and", "or" or "not"."""
    parts = getattr(check, 'rules', None) or (
        [check.rule] if isinstance(check, policy.NotCheck) else None)
    if parts is None:
        yield check
        return
    for part in parts:
        yield from leaves(part)


def reached(rules: Mapping[str, Check],
            name: str) -> dict[str, Check]:
    """Return a rule and all that it refers to, also indirectly, by name.

    :param rules: all rules
    :param name: a rule's name; a rule that does not exist is left out
    """
    found: dict[str, Check] = {}
    ahead = [name]
    while ahead:
        name = ahead.pop(0)
        if name in rules and name not in found:
            found[name] = rules[name]
            ahead += [check.match for check in leaves(rules[name])
                      if isinstance(check, policy.RuleCheck)]
    return found
