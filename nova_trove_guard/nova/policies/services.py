# SPDX-License-Identifier: Apache-2.0
"""Rules of the calls by which other services drive servers.

They are many. A rule that says nothing of the server, as the default does,
is judged before any server is looked up; where it does not allow the call, or
speaks of the server, it is judged for each managed server, as any other rule.
"""

from nova_trove_guard.core.policy import rules

RULES = rules.documented({
    'os-server-external-events:create': 'Report an event',
    'os-assisted-volume-snapshots:create': 'Snapshot an attached volume',
    'os-assisted-volume-snapshots:delete':
        'Delete a snapshot of an attached volume',
    'os-volumes-attachments:swap':
        'Swap an attached volume for another, as Cinder does to migrate it',
    'os-console-auth-tokens': 'Show to a console proxy where the console is',
}, check_str=f'rule:{rules.SERVICE_API}',
    remark='Nova\'s own rule holds as well.')
