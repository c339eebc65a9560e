# SPDX-License-Identifier: Apache-2.0
"""What managed servers and their locks look like in Nova.

This module imports neither Trove nor Nova: ``nova-trove-guard drift`` runs
where neither is installed.
"""

# The first microversion in which a lock has a reason, and in which `locked`
# filters a list (nova.api.openstack.compute.rest_api_version_history).
REASON_MICROVERSION = '2.73'
# The first microversion in which a new server can have tags.
TAG_MICROVERSION = '2.52'

# The tag of every server that Trove 26 creates
# (trove.taskmanager.models.FreshInstanceTasks._create_server).
TAG = 'trove_instance'

# The statuses of servers that can't be locked yet, or not any more.
BUILDING = 'BUILD'
DELETED = frozenset(('DELETED', 'SOFT_DELETED'))

_REASON = 'Trove: database instance '


def reason(instance_id: str | None) -> str:
    """Return the reason for the lock of a database instance's server.

    :param instance_id: None if it is not known
    """
    return _REASON + (instance_id or 'unknown')


def is_trove_reason(text: str) -> bool:
    """Return whether the reason for a lock is one that reason() returns."""
    return text.startswith(_REASON)
