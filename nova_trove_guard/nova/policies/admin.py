# SPDX-License-Identifier: Apache-2.0
"""Rules of an administrator's interventions, and of what is not known."""

from oslo_policy import policy

from nova_trove_guard.core.policy import rules
from nova_trove_guard.nova import operations

RULES = [
    *rules.documented({
        'os-admin-actions:reset_state': 'Set the state of a server',
        'os-admin-actions:inject_network_info':
            'Inject network information into a server',
        'os-admin-actions:reset_network': 'Reset the network of a server',
    }),
    policy.DocumentedRuleDefault(
        name=rules.PREFIX + operations.UNKNOWN.name,
        check_str=f'rule:{rules.TROVE_ADMIN}',
        description='Ask for what the guard does not know, such as an action '
                    'of a newer Nova. It can be anything: do not open it.',
        operations=[{'method': '*', 'path': '/servers/{id}/*'},
                    {'method': '*', 'path': '/os-volumes_boot/{id}/*'}]),
]
