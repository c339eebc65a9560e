# SPDX-License-Identifier: Apache-2.0
"""What all of the guard's rules have in common, and those about principals."""

from oslo_policy import policy

from nova_trove_guard.nova import operations

PREFIX = 'trove_guard:'
TROVE_ADMIN = f'{PREFIX}trove_admin'
SERVICE_API = f'{PREFIX}service_api'
BREAK_GLASS = f'{PREFIX}break_glass'

# They write the marker, or shed it, whatever else they ask for: there is no
# rule that could open them.
TROVE_ADMIN_ONLY = frozenset(('servers:create', 'server-metadata:update_all'))


def rule_of(operation):
    """Return the name of the rule that judges an Operation."""
    if operation.name in TROVE_ADMIN_ONLY:
        return TROVE_ADMIN
    return PREFIX + operation.name


def documented(descriptions, check_str=f'rule:{TROVE_ADMIN}', remark=''):
    """Return the rules of a group of operations.

    :param descriptions: dict of what each does, by the operation's name
    :param check_str: the default of all of them
    :param remark: what else there is to say of each
    :returns: list of oslo_policy.policy.DocumentedRuleDefault
    """
    paths = {}
    for operation, method, path in operations.calls():
        paths.setdefault(operation.name, []).append(
            {'method': method, 'path': path})
    return [
        policy.DocumentedRuleDefault(
            name=PREFIX + name, check_str=check_str,
            description=f'{description} (managed servers only). {remark}',
            operations=paths[name])
        for name, description in descriptions.items()]


RULES = [
    policy.RuleDefault(
        name=TROVE_ADMIN,
        check_str='role:trove_admin or service_roles:trove_admin',
        description='The Trove admin: the principal that may do everything '
                    'with a managed server that Nova lets it do, and the '
                    'only one that may create a server with the marker, '
                    'write the marker or take it away; no other rule can '
                    'open that. By default whoever has the role trove_admin '
                    'on the user\'s token or on a valid service token sent '
                    'with it.'),
    policy.RuleDefault(
        name=SERVICE_API,
        check_str='role:service',
        description='The services that drive servers: Neutron, Cinder and '
                    'Nova itself, whose users must have the role service. '
                    'Nova\'s own rule, service_or_admin, is wider: with '
                    '"role:service or role:admin" cloud admins pass, too.'),
    policy.RuleDefault(
        name=BREAK_GLASS,
        check_str='!',
        description='Break-glass: who may do what no other rule of the guard '
                    'allows, but for what only the Trove admin may, in an '
                    'emergency and for a time. It is judged last, and each '
                    'use is logged and notified. It must be an "and" with '
                    'the time in it at which it ends, such as "role:admin '
                    'and until:2026-12-01T18:00:00Z"; anything else lets '
                    'nobody pass.'),
]
