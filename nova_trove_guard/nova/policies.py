# SPDX-License-Identifier: Apache-2.0
"""The guard's rules in Nova, for Nova's process and oslo.policy's tools."""

import nova.policies
from oslo_config import cfg
from oslo_policy import policy

from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.nova import operations

KIND = 'server'


def list_rules() -> list[policy.RuleDefault]:
    """Return the guard's rules."""
    return [*rules.PRINCIPALS,
            *rules.from_operations(operations.documented(), KIND)]


def enforcer(conf: cfg.ConfigOpts) -> enforcement.Enforcer:
    """Return the enforcer of the guard's rules in a process of Nova.

    :raises enforcement.PolicyUnreadable: for a mistake in the policy file
    """
    return enforcement.Enforcer(conf, _defaults(), KIND)


def get_enforcer() -> policy.Enforcer:
    """Return an enforcer, for oslo.policy's command line tools.

    The tools read the configuration themselves: run them with ``--config-file
    /etc/nova/nova.conf``.
    """
    return enforcement.register_rules(policy.Enforcer(cfg.CONF), _defaults())


def _defaults() -> list[policy.RuleDefault]:
    """Return Nova's rules and the guard's, which may refer to Nova's."""
    return [*nova.policies.list_rules(), *list_rules()]
