# SPDX-License-Identifier: Apache-2.0
"""Rules of the network interfaces and addresses of a managed server."""

from nova_trove_guard.core.policy import rules

RULES = rules.documented({
    'os-attach-interfaces:create': 'Attach an interface to a server',
    'os-attach-interfaces:delete': 'Detach an interface from a server',
    'os-floating-ips:add':
        'Give a server a floating IP, or take one from it for another server',
    'os-floating-ips:remove': 'Take a floating IP from a server',
    'os-floating-ips:delete': 'Release a floating IP that a server has',
    'os-multinic:add': 'Add a fixed address to a server',
    'os-multinic:remove': 'Remove a fixed address from a server',
    'os-security-groups:add': 'Add a security group to a server',
    'os-security-groups:remove': 'Remove a security group from a server',
})
