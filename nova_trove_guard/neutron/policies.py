# SPDX-License-Identifier: Apache-2.0
"""The guard's rules in Neutron, for its process and oslo.policy's tools."""

from neutron.conf import policies
from oslo_config import cfg
from oslo_policy import policy

from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.neutron import operations

# The common name of ports and security groups in descriptions of rules.
KIND = 'resource'
KINDS = ('port', 'security_group')

_SERVICE_API = policy.RuleDefault(
    name=rules.SERVICE_API,
    check_str='role:service or service_roles:service',
    description='The service that binds managed ports to their servers: Nova. '
                'By default, a user with the role service, which Nova\'s own '
                'user ([neutron] in nova.conf) must have, or a request with a '
                'valid service token that has the role. This rule opens no '
                'port, security group or floating IP, because Nova\'s old API '
                'for these forwards calls of tenants with such a token.')


def list_rules() -> list[policy.RuleDefault]:
    """Return the guard's rules."""
    return [*(_SERVICE_API if rule.name == rules.SERVICE_API else rule
              for rule in rules.PRINCIPALS),
            *rules.from_operations(operations.documented(), KIND)]


def enforcer(conf: cfg.ConfigOpts) -> enforcement.Enforcer:
    """Return the enforcer of the guard's rules in a process of Neutron.

    :raises enforcement.PolicyUnreadable: for a mistake in the policy file
    """
    return enforcement.Enforcer(conf, _defaults(), *KINDS)


def get_enforcer() -> policy.Enforcer:
    """Return an enforcer, for oslo.policy's command line tools.

    The tools read the configuration themselves: run them with ``--config-file
    /etc/neutron/neutron.conf``.
    """
    return enforcement.register_rules(policy.Enforcer(cfg.CONF), _defaults())


def _defaults() -> list[policy.RuleDefault]:
    """Return Neutron's rules and the guard's, which may refer to Neutron's."""
    return [*policies.list_rules(), *list_rules()]
