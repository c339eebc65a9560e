# SPDX-License-Identifier: Apache-2.0
"""What the guard in Cinder depends on to judge."""

from nova_trove_guard.cinder import lookup
from nova_trove_guard.cinder import policies
from nova_trove_guard import health

DEPENDENCIES = health.Dependencies(
    policies.enforcer, lookup.CinderLookup, policies.KIND)
