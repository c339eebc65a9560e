# SPDX-License-Identifier: Apache-2.0
"""Rules of the volumes and shares of a managed server."""

from nova_trove_guard.core.policy import rules

RULES = rules.documented({
    'os-volumes-attachments:create':
        'Attach a volume to a server, or one of its volumes to another server',
    'os-volumes-attachments:update':
        'Change whether a volume is deleted with the server',
    'os-volumes-attachments:delete': 'Detach a volume from a server',
    'os-volumes:delete': 'Delete a volume of a server',
    'os-server-shares:create': 'Attach a share to a server',
    'os-server-shares:delete': 'Detach a share from a server',
})
