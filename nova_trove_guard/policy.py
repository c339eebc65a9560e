# SPDX-License-Identifier: Apache-2.0
"""May they: the enforcer of the guard's oslo.policy rules."""

import contextlib
import threading

import nova.policies
from oslo_config import cfg
from oslo_log import log as logging
from oslo_policy import policy

from nova_trove_guard import policies
from nova_trove_guard.policies import base
from nova_trove_guard.policies import mistakes

LOG = logging.getLogger(__name__)


class PolicyUnreadable(Exception):
    """There is a mistake in Nova's policy file, or in its policy_dirs."""


class _Checked(policy.Enforcer):
    """oslo.policy's enforcer, but one that does not go on with a mistake."""

    glass_can_break = False

    def check_rules(self, raise_on_violation=True):
        """Check the rules, which load_rules() does whenever they are new.

        :raises PolicyUnreadable: for a mistake in the guard's rules
        """
        found = list(mistakes.mistakes(self))
        if found:
            raise PolicyUnreadable('; '.join(found))
        break_glass = self.rules[base.BREAK_GLASS]
        why_not = mistakes.endless(break_glass)
        if why_not and str(break_glass) != '!':
            LOG.error('The rule %s lets nobody pass: %s.', base.BREAK_GLASS,
                      why_not)
        self.glass_can_break = why_not is None
        return True


class Enforcer:
    """Judges principals by the guard's rules and the operator's overrides.

    The overrides stand in Nova's own policy file (``[oslo_policy]
    policy_file`` and ``policy_dirs``), which is read again when it changes.
    They may refer to Nova's rules, such as ``rule:context_is_admin``.

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :raises PolicyUnreadable: for a mistake in the policy file, so that
        nova-api does not start with it; the methods raise it, too, as long
        as one is there
    """

    def __init__(self, conf):
        self._conf = conf
        # oslo.policy changes its rules in place when it reads a file anew:
        # another thread would judge by half of them.
        self._lock = threading.Lock()
        self._enforcer = _enforcer(_Checked, conf)
        with self._as_unreadable():
            self._enforcer.load_rules()

    @contextlib.contextmanager
    def _as_unreadable(self):
        try:
            yield
        except Exception as error:
            # oslo.policy would go on with the rules from before: a new
            # enforcer reads the file again, and fails until it is mended.
            self._enforcer = _enforcer(_Checked, self._conf)
            raise PolicyUnreadable(
                f'{self._conf.oslo_policy.policy_file}, or one of the '
                f'policy_dirs: {error}') from error

    def is_trove_admin(self, principal):
        """Return whether a Principal is the Trove admin."""
        return self._authorize(base.TROVE_ADMIN, principal, {})

    def is_cloud_admin(self, principal):
        """Return whether a Principal is an admin in Nova's eyes."""
        return self._authorize(mistakes.CONTEXT_IS_ADMIN, principal, {})

    def may(self, principal, operation, server=None):
        """Return whether a Principal may do an Operation.

        :param server: the ManagedServer, None for whichever it is
        """
        target = {} if server is None else _target(server)
        return self._authorize(base.rule_of(operation), principal, target)

    def breaks_glass(self, principal, server):
        """Return whether a Principal may do anything, in an emergency."""
        return self._authorize(base.BREAK_GLASS, principal, _target(server))

    def _authorize(self, rule, principal, target):
        with self._lock, self._as_unreadable():
            allowed = self._enforcer.authorize(
                rule, target, principal.credentials())
            return allowed and (rule != base.BREAK_GLASS or
                                self._enforcer.glass_can_break)


def _target(server):
    """Return what ``%(...)s`` stand for in a rule."""
    return {'server_id': server.uuid,
            'project_id': server.project_id,
            'user_id': server.user_id,
            'database_instance': server.database_instance}


def _enforcer(kind, conf):
    enforcer = kind(conf)
    # Nova's enforcer warns about the deprecated forms of its rules.
    enforcer.suppress_deprecation_warnings = True
    enforcer.register_defaults(nova.policies.list_rules())
    enforcer.register_defaults(policies.list_rules())
    return enforcer


def get_enforcer():
    """Return an enforcer, for oslo.policy's command line tools.

    They have read the configuration already: give them ``--config-file
    /etc/nova/nova.conf``.
    """
    return _enforcer(policy.Enforcer, cfg.CONF)
