# SPDX-License-Identifier: Apache-2.0
"""The guard's rules in Cinder, for its process and oslo.policy's tools."""

import cinder.policies
from oslo_config import cfg
from oslo_policy import policy

from nova_trove_guard.cinder import operations
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules

KIND = 'volume'

_SERVICE_API = policy.RuleDefault(
    name=rules.SERVICE_API,
    check_str='service_roles:service or (role:service and role:admin)',
    description='The service that drives managed volumes: Nova, on behalf of '
                'its servers. By default a request with a valid service token '
                'that has the role service, as Nova sends it with the user\'s '
                'token ([service_user] send_service_user_token of nova.conf), '
                'or a user with both roles, as Nova\'s own is. It opens '
                'nothing that copies data by a tenant\'s will.')


def list_rules() -> list[policy.RuleDefault]:
    """Return the guard's rules."""
    return [*(_SERVICE_API if rule.name == rules.SERVICE_API else rule
              for rule in rules.PRINCIPALS),
            *rules.of_operations(operations.documented(), KIND)]


def enforcer(conf: cfg.ConfigOpts) -> enforcement.Enforcer:
    """Return what enforces the guard's rules in a process of Cinder's.

    :raises enforcement.PolicyUnreadable: for a mistake in the policy file
    """
    return enforcement.Enforcer(conf, _defaults(), KIND)


def get_enforcer() -> policy.Enforcer:
    """Return an enforcer, for oslo.policy's command line tools.

    They have read the configuration already: give them ``--config-file
    /etc/cinder/cinder.conf``.
    """
    return enforcement.registered(policy.Enforcer(cfg.CONF), _defaults())


def _defaults() -> list[policy.RuleDefault]:
    """Return Cinder's rules, which the guard's can refer to, and its own."""
    return [*cinder.policies.list_rules(), *list_rules()]
