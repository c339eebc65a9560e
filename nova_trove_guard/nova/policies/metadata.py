# SPDX-License-Identifier: Apache-2.0
"""Rules of the metadata and tags of a managed server."""

from nova_trove_guard.core.policy import rules

RULES = rules.documented({
    'server-metadata:create': 'Add metadata, but for the marker',
    'server-metadata:update': 'Change metadata, but for the marker',
    'server-metadata:delete': 'Delete metadata, but for the marker',
    'os-server-tags:update': 'Add a tag',
    'os-server-tags:update_all': 'Replace all tags',
    'os-server-tags:delete': 'Delete a tag',
    'os-server-tags:delete_all': 'Delete all tags',
})
