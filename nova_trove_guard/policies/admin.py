# SPDX-License-Identifier: Apache-2.0
"""Rules of an administrator's interventions, and of what is not known."""

from oslo_policy import policy

from nova_trove_guard import operations
from nova_trove_guard.policies import base

RULES = [
    *base.documented({
        'os-admin-actions:reset_state': 'Set the state of a server',
        'os-admin-actions:inject_network_info':
            'Inject network information into a server',
        'os-admin-actions:reset_network': 'Reset the network of a server',
    }),
    policy.DocumentedRuleDefault(
        name=base.PREFIX + operations.UNKNOWN.name,
        check_str=f'rule:{base.TROVE_ADMIN}',
        description='Ask for what the guard does not know, such as an action '
                    'of a newer Nova. It can be anything: do not open it.',
        operations=[{'method': '*', 'path': '/servers/{id}/*'},
                    {'method': '*', 'path': '/os-volumes_boot/{id}/*'}]),
]
