# SPDX-License-Identifier: Apache-2.0
"""Rules of the life of a managed server."""

from nova_trove_guard.core.policy import rules

RULES = rules.documented({
    'servers:update': 'Change the name, description, addresses or host name',
    'servers:delete': 'Delete a server',
    'os-deferred-delete:force': 'Delete a server at once and for good',
    'os-deferred-delete:restore': 'Restore a soft-deleted server',
    'servers:start': 'Start a server',
    'servers:stop': 'Stop a server',
    'servers:reboot': 'Reboot a server',
    'os-pause-server:pause': 'Pause a server',
    'os-pause-server:unpause': 'Unpause a server',
    'os-suspend-server:suspend': 'Suspend a server',
    'os-suspend-server:resume': 'Resume a suspended server',
    'os-shelve:shelve': 'Shelve a server',
    'os-shelve:shelve_offload': 'Remove a shelved server from its host',
    'os-shelve:unshelve': 'Restore a shelved server',
    'servers:resize': 'Give a server another flavor',
    'servers:confirm_resize': 'Confirm a resize or migration',
    'servers:revert_resize': 'Revert a resize or migration',
    'servers:rebuild': 'Rebuild a server from an image, without new metadata',
    'os-rescue': 'Boot a server from a rescue image',
    'os-unrescue': 'Boot a rescued server from its own disk again',
    'os-lock-server:lock': 'Lock a server',
    'os-lock-server:unlock': 'Unlock a server, which Trove keeps locked',
})
