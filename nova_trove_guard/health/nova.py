# SPDX-License-Identifier: Apache-2.0
"""What the guard in Nova depends on to judge."""

from nova_trove_guard import health
from nova_trove_guard.nova import lookup
from nova_trove_guard.nova import policies

DEPENDENCIES = health.Dependencies(
    policies.enforcer, lookup.NovaLookup, policies.KIND)
