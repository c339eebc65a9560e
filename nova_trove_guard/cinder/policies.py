# SPDX-License-Identifier: Apache-2.0
"""The guard's rules in Cinder, for Cinder's process and oslo.policy's tools.
"""

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
                'its servers. By default, a request with a valid service '
                'token that has the role service, as Nova sends it with the '
                'user\'s token ([service_user] send_service_user_token in '
                'nova.conf), or a user with the roles service and admin, such '
                'as Nova\'s own user. This rule allows no call by which a '
                'tenant copies data.')


def list_rules() -> list[policy.RuleDefault]:
    """Return the guard's rules."""
    return [*(_SERVICE_API if rule.name == rules.SERVICE_API else rule
              for rule in rules.PRINCIPALS),
            *rules.from_operations(operations.documented(), KIND)]


def enforcer(conf: cfg.ConfigOpts) -> enforcement.Enforcer:
    """Return the enforcer of the guard's rules in a process of Cinder.

    :raises enforcement.PolicyUnreadable: for a mistake in the policy file
    """
    return enforcement.Enforcer(conf, _defaults(), KIND)


def get_enforcer() -> policy.Enforcer:
    """Return an enforcer, for oslo.policy's command line tools.

    The tools read the configuration themselves: run them with ``--config-file
    /etc/cinder/cinder.conf``.
    """
    return enforcement.register_rules(policy.Enforcer(cfg.CONF), _defaults())


def _defaults() -> list[policy.RuleDefault]:
    """Return Cinder's rules and the guard's, which may refer to Cinder's."""
    return [*cinder.policies.list_rules(), *list_rules()]
