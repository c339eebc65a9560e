# SPDX-License-Identifier: Apache-2.0
"""Rules of what gives control of the guest in a managed server."""

from nova_trove_guard.core.policy import rules

RULES = rules.documented({
    'os-console-output': 'Read what the guest wrote to its console',
    'os-remote-consoles': 'Open a console',
    'os-consoles:index': 'List old consoles, with their passwords',
    'os-consoles:create': 'Open an old console',
    'os-consoles:show': 'Show an old console, with its password',
    'os-consoles:delete': 'Close an old console',
    'os-server-password:show': 'Show the administrator\'s password, encrypted',
    'os-server-password:clear': 'Forget the administrator\'s password',
    'os-admin-password': 'Set the administrator\'s password',
})
