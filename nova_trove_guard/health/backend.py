# SPDX-License-Identifier: Apache-2.0
"""The back end ``nova_trove_guard`` of oslo.middleware's healthcheck.

In the section of the healthcheck application in api-paste.ini::

    backends = disable_by_file, nova_trove_guard

A load balancer then takes an API process out of service if its guard cannot
judge: because the guard is not in its place in the pipelines, or because the
policy file or the database cannot be read. In audit mode the guard refuses
nothing, and the process stays in service.

The back end cannot reach the guards of its process, because paste.deploy does
not give applications access to each other. So it creates its own enforcer and
lookup from the same configuration. It reads the api-paste.ini only once, when
it is loaded: paste.deploy creates the pipelines of this process from the same
file at that time, and later changes to the file do not affect them.
"""

import dataclasses
import enum
from importlib import metadata
import os
import pathlib
import threading
import time
import typing

from oslo_config import cfg
from oslo_log import log as logging
from oslo_middleware.healthcheck import pluginbase

from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.core import calls
from nova_trove_guard.core import deadline
from nova_trove_guard.core import decisions
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core import services
from nova_trove_guard import health

LOG = logging.getLogger(__name__)

PACKAGE = 'nova-trove-guard'
# How long a check waits for the database, and how long its result is valid.
# HAProxy checks every 2 s, and waits no longer than that for a response.
SECONDS = 1


class Reason(enum.StrEnum):
    """The reasons in responses, which anyone may read."""

    NOT_SET_UP = 'TROVE GUARD NOT SET UP'
    MISPLACED = 'TROVE GUARD NOT IN ITS PLACE'
    POLICY = 'TROVE GUARD POLICY UNREADABLE'
    DATABASE = 'TROVE GUARD DATABASE UNREACHABLE'


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Why the guard cannot judge.

    :ivar reason: what is wrong
    :ivar details: for operators
    """

    reason: Reason
    details: str


class TroveGuardHealthcheck(pluginbase.HealthcheckBaseExtension):
    """Check whether the guard of this process can judge.

    A check takes at most a second, and all checks together run at most one SQL
    statement a second.

    :param oslo_conf: the configuration of the healthcheck application
    :param conf: its section of api-paste.ini, and what paste.deploy adds
    """

    def __init__(self, oslo_conf: cfg.ConfigOpts,
                 conf: dict[str, typing.Any]) -> None:
        super().__init__(oslo_conf, conf)
        self._about = [f'{PACKAGE} {metadata.version(PACKAGE)}']
        self._mode = decisions.Mode.ENFORCE
        self._means: _Means | None = None
        self._lasting: Problem | None = None
        self._logged: Reason | None = None
        try:
            self._set_up(conf)
        except Exception as error:
            # Do not raise it: oslo.middleware would continue without this
            # back end, and report this process as healthy.
            self._lasting = Problem(Reason.NOT_SET_UP, str(error))

    def healthcheck(self, server_port: int) -> pluginbase.HealthcheckResult:
        """Return whether this process can be in service, and why not.

        :param server_port: not used
        """
        problem = self._lasting
        if problem is None and self._means is not None:
            problem = self._means.problem()
        self._log(problem)
        details = ', '.join([*self._about, f'process {os.getpid()}'])
        if problem is not None:
            details += f': {problem.details}'
        if problem is None or self._mode is decisions.Mode.AUDIT:
            return pluginbase.HealthcheckResult(True, 'OK', details)
        return pluginbase.HealthcheckResult(
            False, problem.reason.value, details)

    def _set_up(self, conf: dict[str, typing.Any]) -> None:
        """Set up what a check needs, as the guards of this process do.

        :raises Exception: if that fails, for any reason
        """
        if '__file__' not in conf:
            raise ValueError('it is not loaded from an api-paste.ini')
        text = pathlib.Path(conf['__file__']).read_text()
        service = pipelines.api_of(text).service
        self._about.append(service)
        # As the filters do.
        settings = options.settings(
            cfg.CONF, pipelines.settings(text), service.lower())
        if not settings.trove_managed_instances:
            self._about.append('off')
            return
        self._mode = settings.mode
        self._about.append(f'mode {self._mode}')
        wrong = [f'{finding.place}: {finding.state}'
                 for finding in pipelines.check(text)
                 if finding.state is not pipelines.State.PRESENT]
        if wrong:
            self._lasting = Problem(
                Reason.MISPLACED, f'{conf["__file__"]}: {"; ".join(wrong)}')
            return
        dependencies = health.load(service.lower())
        self._means = _Means(
            dependencies.enforcer(cfg.CONF),
            dependencies.lookup(
                settings.metadata_key, metrics.Off(),
                deadline.Deadline(SECONDS, threads=1)),
            # No resource has this id.
            calls.Named(calls.Target(dependencies.kind), calls.NIL_UUID))

    def _log(self, problem: Problem | None) -> None:
        """Log a problem when it begins, and when it ends."""
        reason = problem.reason if problem else None
        if reason is self._logged:
            return
        self._logged = reason
        if problem is None:
            LOG.warning('The guard can judge again.')
        else:
            LOG.error('The guard cannot judge: %s: %s',
                      problem.reason.value, problem.details)


class _Means:
    """The policy and the database that a guard needs to judge.

    Anyone may call a healthcheck, at any rate: all callers within a second
    share one lookup, so that no caller waits for the lookups of others.

    :param enforcer: enforces the policy
    :param lookup: reads the database
    :param named: what to look up
    """

    def __init__(self, enforcer: enforcement.Enforcer,
                 lookup: services.Lookup, named: calls.Named) -> None:
        self._enforcer = enforcer
        self._lookup = lookup
        self._named = named
        self._lock = threading.Lock()
        self._database: Problem | None = None
        self._look_up_at = 0.0

    def problem(self) -> Problem | None:
        """Return why the guard cannot judge, None if it can."""
        try:
            self._enforcer.check()
        except enforcement.PolicyUnreadable as error:
            return Problem(Reason.POLICY, str(error))
        with self._lock:
            if time.monotonic() >= self._look_up_at:
                self._database = self._look_up()
                self._look_up_at = time.monotonic() + SECONDS
            return self._database

    def _look_up(self) -> Problem | None:
        try:
            for _ in self._lookup.find([self._named]):
                pass
        except Exception as error:
            # Without its message, which may have the connection's password.
            return Problem(Reason.DATABASE, type(error).__name__)
        return None
