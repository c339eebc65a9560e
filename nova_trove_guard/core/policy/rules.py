# SPDX-License-Identifier: Apache-2.0
"""The guard's oslo.policy rules.

Three rules are about principals. All others are made from a wing's table of
operations, one for each operation.
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
        description='The Trove admin: the principal that may do everything '
                    'with a managed resource that the service allows. Only '
                    'the Trove admin may create a resource with the marker, '
                    'write the marker or remove it; no other rule can allow '
                    'that. By default, anyone with the role trove_admin on '
                    'the user\'s token, or on a valid service token that is '
                    'sent with it.'),
    policy.RuleDefault(
        name=SERVICE_API,
        check_str='role:service',
        description='The services that drive managed resources: Neutron, '
                    'Cinder and Nova itself. Their users must have the role '
                    'service. Nova\'s own rule, service_or_admin, is wider: '
                    'set "role:service or role:admin" to allow cloud admins, '
                    'too.'),
    policy.RuleDefault(
        name=BREAK_GLASS,
        check_str='!',
        description='Break-glass: who may do, in an emergency and for a '
                    'limited time, what no other rule of the guard allows, '
                    'except what only the Trove admin may do. This rule is '
                    'checked last, and each use is logged and notified. It '
                    'must be an "and" that contains the time at which it '
                    'ends, such as "role:admin and '
                    'until:2026-12-01T18:00:00Z". Any other form allows '
                    'nobody.'),
)


def rule_name(operation: calls.Operation) -> str:
    """Return the name of the rule for an operation."""
    return (TROVE_ADMIN if operation.trove_admin_only else
            PREFIX + operation.name)


def from_operations(
        documented: Iterable[tuple[calls.Operation, str, str]], kind: str,
        ) -> list[policy.DocumentedRuleDefault]:
    """Return the rules for operations, sorted by name.

    The rule of an operation that other services use is checked before any
    lookup if it does not refer to the resource, as the default does not. If it
    refers to the resource, or does not allow the call, it is checked for each
    managed resource, as any other rule.

    :param documented: operation, method and path of each call
    :param kind: the service's name for the resources that are managed
    """
    paths: dict[calls.Operation, list[policy.Operation]] = {}
    for operation, method, path in documented:
        if not operation.trove_admin_only:
            paths.setdefault(operation, []).append(
                {'method': method, 'path': path})
    made = []
    for operation, where in paths.items():
        check, remark = f'rule:{TROVE_ADMIN}', ''
        if operation.used_by_services:
            check = f'rule:{SERVICE_API}'
            remark = ' The service\'s own rule applies, too.'
        made.append(policy.DocumentedRuleDefault(
            name=rule_name(operation), check_str=check, operations=where,
            description=f'{operation.description} (managed {kind}s only).'
                        f'{remark}'))
    return sorted(made, key=lambda rule: rule.name)
