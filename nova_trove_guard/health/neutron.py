# SPDX-License-Identifier: Apache-2.0
"""What the guard in Neutron depends on to judge."""

from nova_trove_guard import health
from nova_trove_guard.neutron import lookup
from nova_trove_guard.neutron import policies

DEPENDENCIES = health.Dependencies(
    policies.enforcer, lookup.NeutronLookup, 'port')
