# SPDX-License-Identifier: Apache-2.0
"""Rules of what copies the data out of a managed server."""

from nova_trove_guard.core.policy import rules

RULES = rules.documented({
    'servers:create_image': 'Make an image of a server',
    'os-create-backup': 'Make backup images of a server',
    'servers:trigger_crash_dump': 'Have the guest dump its memory',
    'os-volumes:snapshots:create': 'Snapshot a volume of a server',
})
