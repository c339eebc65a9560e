# SPDX-License-Identifier: Apache-2.0
"""May they: the guard's oslo.policy rules and their enforcer."""

import contextlib

import nova.policies.base
from oslo_policy import policy

TROVE_ADMIN = 'trove_guard:trove_admin'
SERVICE_API = 'trove_guard:service_api'
CONTEXT_IS_ADMIN = 'context_is_admin'


def _service_rule(operation, description, *calls):
    return policy.DocumentedRuleDefault(
        name=f'trove_guard:{operation}',
        check_str=f'rule:{SERVICE_API}',
        description=f'{description} of a server of Trove\'s. Nova\'s own '
                    f'rule os_compute_api:{operation} holds as well.',
        operations=[{'method': method, 'path': path}
                    for method, path in calls])


RULES = (
    policy.RuleDefault(
        name=TROVE_ADMIN,
        check_str='role:trove_admin or service_roles:trove_admin',
        description='The Trove admin: the principal that may do everything '
                    'with a server of Trove\'s that Nova lets it do, and '
                    'the only one that may write the marker. By default '
                    'whoever has the role trove_admin on the user\'s token '
                    'or on a valid service token sent with it.'),
    policy.RuleDefault(
        name=SERVICE_API,
        check_str='role:service or role:admin',
        description='The services that drive servers: Neutron, Cinder and '
                    'Nova itself. As Nova\'s service_or_admin; role:service '
                    'alone keeps cloud admins out where all service users '
                    'have the role service.'),
    _service_rule(
        'os-server-external-events:create', 'Report an event',
        ('POST', '/os-server-external-events')),
    _service_rule(
        'os-assisted-volume-snapshots:create', 'Snapshot an attached volume',
        ('POST', '/os-assisted-volume-snapshots')),
    _service_rule(
        'os-assisted-volume-snapshots:delete',
        'Delete a snapshot of an attached volume',
        ('DELETE', '/os-assisted-volume-snapshots/{snapshot_id}')),
    _service_rule(
        'os-volumes-attachments:swap',
        'Swap an attached volume for another, as Cinder does to migrate it,',
        ('PUT', '/servers/{server_id}/os-volume_attachments/{volume_id}')),
    _service_rule(
        'os-console-auth-tokens',
        'Show to a console proxy where the console is',
        ('GET', '/os-console-auth-tokens/{console_token}')),
)


def list_rules():
    """Return the guard's rules, for oslo.policy's command line tools."""
    return list(RULES)


class PolicyUnreadable(Exception):
    """There is a mistake in Nova's policy file, or in its policy_dirs."""


class Enforcer:
    """Judges principals by the guard's rules and the operator's overrides.

    The overrides stand in Nova's own policy file (``[oslo_policy]
    policy_file`` and ``policy_dirs``), which is read again when it changes.
    They may refer to Nova's base rules, such as ``rule:context_is_admin``.

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :raises PolicyUnreadable: for a mistake in the policy file, so that
        nova-api does not start with it; the methods raise it, too, as long
        as one is there
    """

    def __init__(self, conf):
        self._conf = conf
        self._enforcer = self._new_enforcer()
        with self._as_unreadable():
            self._enforcer.load_rules()

    def _new_enforcer(self):
        enforcer = policy.Enforcer(self._conf)
        # Nova's enforcer warns about the deprecated forms of its rules.
        enforcer.suppress_deprecation_warnings = True
        enforcer.register_defaults(nova.policies.base.list_rules())
        enforcer.register_defaults(RULES)
        return enforcer

    @contextlib.contextmanager
    def _as_unreadable(self):
        try:
            yield
        except Exception as error:
            # oslo.policy would go on with the rules from before: a new
            # enforcer reads the file again, and fails until it is mended.
            self._enforcer = self._new_enforcer()
            raise PolicyUnreadable(
                f'{self._conf.oslo_policy.policy_file}, or one of the '
                f'policy_dirs: {error}') from error

    def is_trove_admin(self, principal):
        """Return whether a Principal is the Trove admin."""
        return self._authorize(TROVE_ADMIN, principal)

    def is_cloud_admin(self, principal):
        """Return whether a Principal is an admin in Nova's eyes."""
        return self._authorize(CONTEXT_IS_ADMIN, principal)

    def may(self, principal, operation):
        """Return whether a Principal may do an Operation on any server."""
        return (self.is_trove_admin(principal) or
                operation.service and
                self._authorize(f'trove_guard:{operation.name}', principal))

    def _authorize(self, rule, principal):
        with self._as_unreadable():
            return self._enforcer.authorize(
                rule, {}, principal.credentials())
