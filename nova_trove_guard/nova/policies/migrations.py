# SPDX-License-Identifier: Apache-2.0
"""Rules of moving a managed server from host to host."""

from nova_trove_guard.core.policy import rules

RULES = rules.documented({
    'os-migrate-server:migrate': 'Migrate a server to another host, cold',
    'os-migrate-server:migrate_live': 'Migrate a server to another host, live',
    'servers:migrations:force_complete': 'Force a live migration to complete',
    'servers:migrations:delete': 'Abort a live migration',
    'os-evacuate': 'Evacuate a server from a failed host',
})
