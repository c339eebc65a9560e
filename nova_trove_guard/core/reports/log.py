# SPDX-License-Identifier: Apache-2.0
"""Write one log line for each refusal, would-be refusal and break-glass.

It has no room for tokens, bodies or query strings: it is made of a Decision,
which has none.
"""

import urllib.parse

from oslo_log import log as logging

from nova_trove_guard.core import decisions

# Operators have this name in their files: it does not move with the module.
LOGGER = 'nova_trove_guard.reports'
LOG = logging.getLogger(LOGGER)


def report(decision: decisions.Decision) -> None:
    """Write the log line of a decision."""
    if decision.outcome not in decisions.REPORTED:
        return
    principal, fault = decision.principal, decision.fault
    fields: dict[str, str | None] = {
        'decision': decision.outcome,
        'request_id': decision.request_id,
        'user_id': principal.user_id if principal else None,
        'project_id': principal.project_id if principal else None,
        'service_user_id': (
            principal.service_user_id if principal else None),
        'operation': decision.operation.name,
        decision.kind: decision.resource_id,
        'database_instance': decision.database_instance,
        'rule': decision.rule,
        'status': str(fault.status_int) if fault else None,
    }
    LOG.warning(' '.join(f'{key}={_one_word(value)}'
                         for key, value in fields.items()))


def _one_word(value: str | None) -> str:
    # A marker from before the guard can be anything: a line break and another
    # decision, for example.
    return urllib.parse.quote(value, safe=':-') if value else '-'
