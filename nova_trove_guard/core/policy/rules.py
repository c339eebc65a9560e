# SPDX-License-Identifier: Apache-2.0
"""The guard's oslo.policy rules: those about principals, and one a row.

A wing's table of operations makes all rules but the first three.
"""

from collections.abc import Iterable

from oslo_policy import policy

from nova_trove_guard.core import calls

PREFIX = 'trove_guard:'
TROVE_ADMIN = f'{PREFIX}trove_admin'
SERVICE_API = f'{PREFIX}service_api'
BREAK_GLASS = f'{PREFIX}break_glass'

PRINCIPALS = (
    policy.RuleDefault(
        name=TROVE_ADMIN,
        check_str='role:trove_admin or service_roles:trove_admin',
        description='The Trove admin: the principal that can do everything '
                    'with a managed resource that the service lets it do, and '
                    'the only one that can create a resource with the marker, '
                    'write the marker or take it away; no other rule can open '
                    'that. By default anyone with the role trove_admin on the '
                    'user\'s token or on a valid service token sent with '
                    'it.'),
    policy.RuleDefault(
        name=SERVICE_API,
        check_str='role:service',
        description='The services that drive managed resources: Neutron, '
                    'Cinder and Nova itself, whose users must have the role '
                    'service. Nova\'s own rule, service_or_admin, is wider: '
                    'with "role:service or role:admin" cloud admins pass, '
                    'too.'),
    policy.RuleDefault(
        name=BREAK_GLASS,
        check_str='!',
        description='Break-glass: who can do, in an emergency and for a time, '
                    'what no other rule of the guard allows, but for what '
                    'only the Trove admin can do. It is judged last, and each '
                    'use is logged and notified. It must be an "and" with the '
                    'time in it at which it ends, such as "role:admin and '
                    'until:2026-12-01T18:00:00Z"; with anything else, nobody '
                    'passes.'),
)


def rule_of(operation: calls.Operation) -> str:
    """Return the name of the rule that judges an operation."""
    return (TROVE_ADMIN if operation.is_trove_admins else
            PREFIX + operation.name)


def of_operations(
        documented: Iterable[tuple[calls.Operation, str, str]], kind: str,
        ) -> list[policy.DocumentedRuleDefault]:
    """Return the rules that judge operations, by name.

    A rule of a call by which other services drive resources is judged before
    anything is looked up, if it says nothing of the resource, as the default
    does. Where it does not allow the call, or speaks of the resource, it is
    judged for each managed resource, as any other rule.

    :param documented: operation, method and path of each call
    :param kind: what the service calls the resources that are managed
    """
    paths: dict[calls.Operation, list[policy.Operation]] = {}
    for operation, method, path in documented:
        if not operation.is_trove_admins:
            paths.setdefault(operation, []).append(
                {'method': method, 'path': path})
    made = []
    for operation, where in paths.items():
        check, remark = f'rule:{TROVE_ADMIN}', ''
        if operation.is_of_services:
            check = f'rule:{SERVICE_API}'
            remark = ' The service\'s own rule holds as well.'
        made.append(policy.DocumentedRuleDefault(
            name=rule_of(operation), check_str=check, operations=where,
            description=f'{operation.description} (managed {kind}s only).'
                        f'{remark}'))
    return sorted(made, key=lambda rule: rule.name)
