# SPDX-License-Identifier: Apache-2.0
"""The guard's rules in Neutron, for its process and oslo.policy's tools."""

from neutron.conf import policies
from oslo_config import cfg
from oslo_policy import policy

from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.neutron import operations

# What stands for ports and security groups alike.
KIND = 'resource'
KINDS = ('port', 'security_group')

_SERVICE_API = policy.RuleDefault(
    name=rules.SERVICE_API,
    check_str='role:service or service_roles:service',
    description='The service that binds managed ports to their servers: Nova. '
                'By default a user with the role service, as Nova\'s own '
                '([neutron] of nova.conf) must have it, or a request with a '
                'valid service token that has it. It opens no port, security '
                'group or floating IP: Nova\'s old API for these hands on '
                'what tenants ask for, with such a token.')


def list_rules() -> list[policy.RuleDefault]:
    """Return the guard's rules."""
    return [*(_SERVICE_API if rule.name == rules.SERVICE_API else rule
              for rule in rules.PRINCIPALS),
            *rules.of_operations(operations.documented(), KIND)]


def enforcer(conf: cfg.ConfigOpts) -> enforcement.Enforcer:
    """Return what enforces the guard's rules in a process of Neutron's.

    :raises enforcement.PolicyUnreadable: for a mistake in the policy file
    """
    return enforcement.Enforcer(conf, _defaults(), *KINDS)


def get_enforcer() -> policy.Enforcer:
    """Return an enforcer, for oslo.policy's command line tools.

    They have read the configuration already: give them ``--config-file
    /etc/neutron/neutron.conf``.
    """
    return enforcement.registered(policy.Enforcer(cfg.CONF), _defaults())


def _defaults() -> list[policy.RuleDefault]:
    """Return Neutron's rules, which the guard's can refer to, and its own."""
    return [*policies.list_rules(), *list_rules()]
