# SPDX-License-Identifier: Apache-2.0
"""The guard's oslo.policy rules, in groups: one for each operation."""

from nova_trove_guard.core.policy import rules
from nova_trove_guard.nova.policies import admin
from nova_trove_guard.nova.policies import consoles
from nova_trove_guard.nova.policies import data
from nova_trove_guard.nova.policies import metadata
from nova_trove_guard.nova.policies import migrations
from nova_trove_guard.nova.policies import networks
from nova_trove_guard.nova.policies import servers
from nova_trove_guard.nova.policies import services
from nova_trove_guard.nova.policies import volumes

GROUPS = (rules, servers, data, consoles, metadata, networks, volumes,
          migrations, admin, services)


def list_rules():
    """Return all of the rules, for oslo.policy's command line tools."""
    return [rule for group in GROUPS for rule in group.RULES]
