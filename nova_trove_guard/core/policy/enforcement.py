# SPDX-License-Identifier: Apache-2.0
"""May they: the enforcer of the guard's oslo.policy rules."""

import copy
import os
import threading
import time

import nova.policies
from oslo_config import cfg
from oslo_log import log as logging
from oslo_policy import policy

from nova_trove_guard.core.policy import rules
from nova_trove_guard.core.policy import validation
from nova_trove_guard.nova import policies

LOG = logging.getLogger(__name__)

SECONDS_BETWEEN_SEARCHES = 1
NOBODY = policy.RuleDefault('nobody', '!').check


class PolicyUnreadable(Exception):
    """There is a mistake in Nova's policy file, or in its policy_dirs."""


class _Checked(policy.Enforcer):
    """Enforce rules as oslo.policy does, but do not go on with a mistake.

    :ivar snapshot: a copy with the rules as they were last read. It stays as
        it is: oslo.policy changes its own rules in place, and another thread
        would judge by half of them.
    :ivar about_servers: names of the rules that speak of the server, in a
        %(...)s
    """

    snapshot = None
    about_servers = frozenset()

    def check_rules(self, raise_on_violation=True):
        """Check the rules, which load_rules() does whenever they are new.

        :raises PolicyUnreadable: for a mistake in the guard's rules
        """
        found = list(validation.mistakes(self))
        if found:
            raise PolicyUnreadable('; '.join(found))
        snapshot = copy.copy(self)
        snapshot.use_conf = False  # It reads no files.
        snapshot.rules = policy.Rules(self.rules)
        snapshot.about_servers = frozenset(validation.about_servers(self))
        break_glass = self.rules[rules.BREAK_GLASS]
        why_not = validation.endless(break_glass)
        if why_not:
            snapshot.rules[rules.BREAK_GLASS] = NOBODY
            if str(break_glass) != str(NOBODY):
                LOG.error('The rule %s lets nobody pass: %s.',
                          rules.BREAK_GLASS, why_not)
        self.snapshot = snapshot
        return True


class Enforcer:
    """Knows the guard's rules and the operator's overrides.

    The overrides stand in Nova's own policy file (``[oslo_policy]
    policy_file`` and ``policy_dirs``), which is read again when it changes.
    They may refer to Nova's rules, such as ``rule:context_is_admin``.

    oslo.policy searches for files and goes through all of Nova's rules each
    time that it is asked. That is done once a second; in between, only a
    change of the policy file is looked for.

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :raises PolicyUnreadable: for a mistake in the policy file, so that
        nova-api does not start with it
    """

    def __init__(self, conf):
        self._conf = conf
        self._lock = threading.Lock()
        self._enforcer = _enforcer(_Checked, conf)
        self._changed = self._search_at = None
        self._read()

    def judge(self, principal):
        """Return the Judge of a Principal, by the rules as they are now.

        :raises PolicyUnreadable: as long as there is a mistake in the file
        """
        with self._lock:
            snapshot = self._read()
        return Judge(principal, snapshot)

    def _read(self):
        """Return the enforcer of the rules that are in the files."""
        changed, now = self._time_of_change(), time.monotonic()
        if changed == self._changed and now < self._search_at:
            return self._enforcer.snapshot
        self._changed = None
        try:
            self._enforcer.load_rules()
        except Exception as error:
            # oslo.policy would go on with the rules from before: a new
            # enforcer reads the file again, and fails until it is mended.
            self._enforcer = _enforcer(_Checked, self._conf)
            raise PolicyUnreadable(
                f'{self._conf.oslo_policy.policy_file}, or one of the '
                f'policy_dirs: {error}') from error
        self._changed = changed
        self._search_at = now + SECONDS_BETWEEN_SEARCHES
        return self._enforcer.snapshot

    def _time_of_change(self):
        """Return when the policy file was changed, 0 while there is none."""
        try:
            return os.stat(self._enforcer.policy_path or '').st_mtime_ns
        except OSError:
            return 0


class Judge:
    """Judges what a Principal may, by the rules of one moment.

    :param principal: the Principal
    :param enforcer: the rules: _Checked.snapshot
    """

    def __init__(self, principal, enforcer):
        self.principal = principal
        self._enforcer = enforcer
        # As nova.context.RequestContext and nova.policy.check_is_admin.
        self._credentials = principal.credentials() | {'is_admin': None}
        self._credentials['is_admin'] = self._allows(
            validation.CONTEXT_IS_ADMIN, {'project_id': principal.project_id,
                                        'user_id': principal.user_id})

    def is_trove_admin(self):
        """Return whether the Principal is the Trove admin."""
        return self._allows(rules.TROVE_ADMIN, {})

    def is_cloud_admin(self):
        """Return whether the Principal is an admin in Nova's eyes."""
        return self._credentials['is_admin']

    def may_with_any_server(self, operation):
        """Return whether an Operation is allowed, whichever the server is.

        Never by a rule that speaks of the server: what is false of no server,
        as all is, would be true behind a "not".
        """
        rule = rules.rule_of(operation)
        return (rule not in self._enforcer.about_servers and
                self._allows(rule, {}))

    def may(self, operation, server):
        """Return whether the Principal may do an Operation.

        :param server: the ManagedServer
        """
        return self._allows(rules.rule_of(operation), _target(server))

    def breaks_glass(self, server):
        """Return whether the Principal may do anything, in an emergency."""
        return self._allows(rules.BREAK_GLASS, _target(server))

    def _allows(self, rule, target):
        return self._enforcer.enforce(rule, target, self._credentials)


def _target(server):
    """Return what ``%(...)s`` stand for in a rule: validation.SERVER_NAMES."""
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
