# SPDX-License-Identifier: Apache-2.0
"""Enforce the guard's oslo.policy rules."""

from collections.abc import Iterable
import copy
import itertools
import os
import threading
import time
import typing

from oslo_config import cfg
from oslo_log import log as logging
from oslo_policy import policy

from nova_trove_guard.core import calls
from nova_trove_guard.core.policy import references
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core.policy import validation
from nova_trove_guard.core import principals
from nova_trove_guard.core import resources

LOG = logging.getLogger(__name__)

SECONDS_BETWEEN_SEARCHES = 1
NOBODY = policy.RuleDefault('nobody', '!').check


class PolicyUnreadable(Exception):
    """The policy file, or a file in policy_dirs, has a mistake."""


class _Checked(policy.Enforcer):
    """Enforce rules as oslo.policy does, but fail if they have a mistake.

    :ivar snapshot: a copy with the rules as last read, which never changes.
        oslo.policy changes its own rules in place, so that another thread
        could see half of them.
    :ivar target_names: the names of resource attributes that a rule can refer
        to with %(...)s
    :ivar about_resources: the names of the rules that refer to a resource
    """

    snapshot: '_Checked'
    target_names: frozenset[str]
    about_resources: frozenset[str]

    def check_rules(self, raise_on_violation: bool = True) -> bool:
        """Check the rules. load_rules() calls this when it has read new ones.

        :raises PolicyUnreadable: for a mistake in the guard's rules
        """
        found = list(validation.mistakes(self, self.target_names))
        if found:
            raise PolicyUnreadable('; '.join(found))
        snapshot = copy.copy(self)
        snapshot.use_conf = False  # The snapshot must not read files.
        snapshot.rules = policy.Rules(self.rules)
        snapshot.about_resources = frozenset(validation.about_resources(self))
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
    """Load the guard's rules and the operator's overrides, and reload them.

    The overrides are in the service's own policy file (``[oslo_policy]
    policy_file`` and ``policy_dirs``), which is read again when it changes.
    They can refer to the service's rules, such as ``rule:context_is_admin``.

    oslo.policy searches for files and checks all of the service's rules each
    time that it loads rules. The guard does that once a second; in between, it
    only checks whether the policy file has changed.

    :param conf: the configuration of the service's process
    :param defaults: the service's rules and the guard's
    :param kinds: the service's names for the resources that are managed
    :raises PolicyUnreadable: for a mistake in the policy file, so that the
        service does not start with it
    """

    def __init__(self, conf: cfg.ConfigOpts,
                 defaults: Iterable[policy.RuleDefault], *kinds: str) -> None:
        self._conf = conf
        self._defaults = list(defaults)
        self._kinds = kinds
        self._lock = threading.Lock()
        self._reset()
        self._read()

    def judge(self, principal: principals.Principal) -> 'Judge':
        """Return a Judge of a principal, with the current rules.

        :raises PolicyUnreadable: as long as the policy file has a mistake
        """
        return Judge(principal, self._current())

    def check(self) -> None:
        """Check that the rules can be read, as judge() reads them.

        :raises PolicyUnreadable: as long as there is a mistake in the file
        """
        self._current()

    def _current(self) -> _Checked:
        """Return the enforcer of the rules as they are now."""
        with self._lock:
            return self._read()

    def _reset(self) -> None:
        self._enforcer = register_rules(_Checked(self._conf), self._defaults)
        self._enforcer.target_names = frozenset(itertools.chain.from_iterable(
            _target(resources.ManagedResource(kind, '', '', '', ''))
            for kind in self._kinds))
        self._changed: int | None = None
        self._search_at = 0.0

    def _read(self) -> _Checked:
        """Return the enforcer of the rules that are in the files now."""
        changed, now = self._time_of_change(), time.monotonic()
        if changed == self._changed and now < self._search_at:
            return self._enforcer.snapshot
        self._changed = None
        try:
            self._enforcer.load_rules()
        except Exception as error:
            # oslo.policy would continue with the old rules. A new enforcer
            # reads the file again, and fails until it is fixed.
            self._reset()
            raise PolicyUnreadable(
                f'{self._conf.oslo_policy.policy_file}, or one of the '
                f'policy_dirs: {error}') from error
        self._changed = changed
        self._search_at = now + SECONDS_BETWEEN_SEARCHES
        return self._enforcer.snapshot

    def _time_of_change(self) -> int:
        """Return when the policy file was changed, 0 if it does not exist."""
        try:
            return os.stat(self._enforcer.policy_path or '').st_mtime_ns
        except OSError:
            return 0


class Judge:
    """Check what a principal may do, by the rules of one moment.

    :param enforcer: a snapshot of the rules
    """

    def __init__(self, principal: principals.Principal,
                 enforcer: _Checked) -> None:
        self.principal = principal
        self._enforcer = enforcer
        # As nova.context.RequestContext and nova.policy.check_is_admin.
        self._credentials = principal.credentials() | {'is_admin': None}
        self._credentials['is_admin'] = self._allows(
            validation.CONTEXT_IS_ADMIN, {
                'project_id': principal.project_id,
                'user_id': principal.user_id})

    def checks(self, rule: str) -> dict[str, references.Check]:
        """Return a rule, and those that it refers to, by name."""
        return references.reached(self._enforcer.rules, rule)

    def is_trove_admin(self) -> bool:
        """Return whether the principal is the Trove admin."""
        return self._allows(rules.TROVE_ADMIN, {})

    def is_cloud_admin(self) -> bool:
        """Return whether the principal is an admin to the service."""
        return bool(self._credentials['is_admin'])

    def may_with_any_resource(self, operation: calls.Operation) -> bool:
        """Return whether an operation is allowed on any resource.

        A rule that refers to the resource never allows this. Without a
        resource each of its checks is false, and a "not" would make that true.
        """
        rule = rules.rule_name(operation)
        return (rule not in self._enforcer.about_resources and
                self._allows(rule, {}))

    def may(self, operation: calls.Operation,
            resource: resources.ManagedResource) -> bool:
        """Return whether an operation on a resource is allowed."""
        return self._allows(rules.rule_name(operation), _target(resource))

    def breaks_glass(self, resource: resources.ManagedResource) -> bool:
        """Return whether break-glass allows the principal to do anything."""
        return self._allows(rules.BREAK_GLASS, _target(resource))

    def _allows(self, rule: str, target: dict[str, typing.Any]) -> bool:
        return bool(self._enforcer.enforce(rule, target, self._credentials))


def _target(resource: resources.ManagedResource) -> dict[str, str]:
    """Return the values of ``%(...)s`` in a rule."""
    return {f'{resource.kind}_id': resource.id,
            'project_id': resource.project_id,
            'user_id': resource.user_id,
            'database_instance': resource.database_instance}


_E = typing.TypeVar('_E', bound=policy.Enforcer)


def register_rules(enforcer: _E, defaults: Iterable[policy.RuleDefault]) -> _E:
    """Register rules with an enforcer of oslo.policy, and return it."""
    # The service's own enforcer already warns about its deprecated rules.
    enforcer.suppress_deprecation_warnings = True
    enforcer.register_defaults(list(defaults))
    return enforcer
