# SPDX-License-Identifier: Apache-2.0
"""The guard: a paste filter in Nova's API pipelines, after keystonecontext.

In api-paste.ini::

    [filter:trove_guard]
    use = egg:nova-trove-guard#trove_guard

A request's way: what is asked, of which server (operations) - who asks
(principal) - may they anyway (policy) - is the server Trove's (servers; what
is remembered: cache) - may they with this one (policy) - tell whoever watches
(audit, metrics) - pass on untouched, or a fault (faults).
"""

from nova.api import openstack
from oslo_config import cfg
from oslo_log import log as logging
import webob

from nova_trove_guard import audit
from nova_trove_guard import cache
from nova_trove_guard import faults
from nova_trove_guard import memcached
from nova_trove_guard import metrics
from nova_trove_guard import operations
from nova_trove_guard import opts
from nova_trove_guard.policies import base
from nova_trove_guard import policy
from nova_trove_guard import principal as principals
from nova_trove_guard import servers

LOG = logging.getLogger(__name__)


class TroveGuard:
    """Refuses what only the Trove admin may ask of a server of Trove's.

    :param application: the WSGI application behind
    :param metadata_key: the marker
    :param enforcer: nova_trove_guard.policy.Enforcer
    :param servers: nova_trove_guard.servers.Servers
    :param mode: a key of nova_trove_guard.audit.REFUSALS
    :param observers: functions to tell each nova_trove_guard.audit.Decision
    """

    def __init__(self, application, metadata_key, enforcer, servers,
                 mode='enforce', observers=()):
        self._application = application
        self._metadata_key = metadata_key
        self._enforcer = enforcer
        self._servers = servers
        self._refusal = audit.REFUSALS[mode]
        self._observers = observers
        self._legacy_v2 = _is_legacy_v2(application)

    def __call__(self, environ, start_response):
        asked = operations.asked(environ)
        if asked is None:
            return self._application(environ, start_response)
        decision = self._decide(asked, environ)
        for tell in self._observers:
            tell(decision)
        if decision.outcome is audit.Outcome.REFUSED:
            return self._answer(decision.fault, environ, start_response)
        if decision.outcome is audit.Outcome.NOT_MANAGED:
            return self._application(environ, start_response)
        return self._pass_on(asked, decision, environ, start_response)

    def _answer(self, fault, environ, start_response):
        return faults.answer(fault, environ, start_response, self._legacy_v2)

    def _pass_on(self, asked, decision, environ, start_response):
        """Pass on what may change whether a server is Trove's."""
        change = self._servers.changing(
            asked.server_id, asked.writes_metadata(self._metadata_key))
        if change is None:
            return self._application(environ, start_response)
        request, answer = webob.Request(environ), None
        try:
            with change:
                answer = request.get_response(self._application)
        except memcached.Unavailable as error:
            LOG.error('%s changes the server %s, but others may go on to '
                      'believe what they remember of it: %s',
                      decision.operation, asked.server_id, error)
            if self._refusal is audit.Outcome.REFUSED:
                return self._answer(faults.unavailable(), environ,
                                    start_response)
            if answer is None:
                answer = request.get_response(self._application)
        return answer(environ, start_response)

    def _decide(self, asked, environ):
        """Return the Decision on a request, whatever fails."""
        undecided = audit.Decision(
            operation=asked.operation.name,
            # oslo_middleware.request_id.ENV_REQUEST_ID
            request_id=environ.get('openstack.request_id'),
            principal=principals.identify(environ),
            server_id=asked.server_id)
        try:
            return self._judge(asked, undecided)
        except Exception:
            LOG.exception('The guard could not judge %s. See below for what '
                          'failed; until it works again, no such call is '
                          'allowed.', asked.operation.name)
            return self._refuse(undecided, faults.unavailable())

    def _judge(self, asked, undecided):
        """Return the Decision on a request, as far as it can be judged."""
        operation, principal = asked.operation, undecided.principal
        writes_marker = asked.writes_metadata(self._metadata_key)
        if not (operation.targets or writes_marker):
            return undecided

        if principal is None:
            LOG.error('Nobody may do %s: keystonemiddleware\'s auth_token has '
                      'not verified who asks. Put the trove_guard filter '
                      'behind authtoken and keystonecontext in '
                      'api-paste.ini.', operation.name)
            return self._refuse(undecided, faults.unidentified())
        identifiers = _identifiers(asked)
        recalled = self._servers.recall(identifiers or ())
        # Whoever asks, and whatever the rules.
        if recalled.all_others(identifiers) and not writes_marker:
            return undecided
        judge = self._enforcer.judge(principal)
        if judge.is_trove_admin():
            return undecided.ends(audit.Outcome.ALLOWED, base.TROVE_ADMIN)
        if writes_marker:
            return self._refuse_marker(undecided)
        rule = base.rule_of(operation)
        if operation.service and judge.may(operation):
            return undecided.ends(audit.Outcome.ALLOWED, rule)

        if identifiers is None:
            return self._refuse(undecided, faults.unreadable())
        managed = self._servers.managed(identifiers, recalled)
        if not managed:
            return undecided
        # Whatever the rules: nobody can tell by which to judge it.
        if not asked.is_readable:
            return self._refuse(undecided.about(managed[0]),
                                faults.unreadable())
        closed = [server for server in managed
                  if not judge.may(operation, server)]
        decision = undecided.about((closed or managed)[0])
        for server in closed:
            if not judge.breaks_glass(server):
                return self._refuse(undecided.about(server),
                                    _refusal(asked, judge, server), rule)
        if asked.changes_metadata(self._metadata_key):
            return self._refuse_marker(decision)
        if closed:
            return decision.ends(audit.Outcome.BREAK_GLASS, base.BREAK_GLASS)
        return decision.ends(audit.Outcome.ALLOWED, rule)

    def _refuse_marker(self, decision):
        return self._refuse(
            decision, faults.marker_forbidden(self._metadata_key),
            base.TROVE_ADMIN)

    def _refuse(self, decision, fault, rule=None):
        return decision.ends(self._refusal, rule, fault)


def filter_factory(global_conf, **local_conf):
    """Return the filter for paste.deploy.

    :param global_conf: the DEFAULT section of api-paste.ini; not used
    :param local_conf: options of the filter's own section, which take
        precedence over nova.conf's ``[trove_guard]``
    :returns: callable that wraps a WSGI application; it returns the very
        application while trove_managed_instances is off
    :raises ValueError: for an option that does not exist or has a bad value
    """
    settings = opts.settings(cfg.CONF, local_conf)

    def guard(application):
        if not settings.trove_managed_instances:
            return application
        measures = metrics.of(settings)
        return TroveGuard(
            application, settings.metadata_key, policy.Enforcer(cfg.CONF),
            servers.Servers(
                settings.metadata_key, measures,
                cache.of(cfg.CONF, settings, servers.ManagedServer)),
            settings.mode,
            (*audit.observers(cfg.CONF, settings), *measures.observers))

    return guard


def _identifiers(asked):
    """Return the list of all that a request acts on, None for unreadable."""
    try:
        return list(asked.identifiers())
    except operations.Unreadable:
        return None


def _refusal(asked, judge, server):
    """Return the fault of a refusal, which depends on what they may see."""
    if (server.project_id != judge.principal.project_id and
            not judge.is_cloud_admin()):
        return faults.hidden(asked)
    return faults.forbidden(asked.operation, server)


def _is_legacy_v2(application):
    """Return whether the legacy v2 filter stands behind in the pipeline."""
    while application is not None:
        if isinstance(application, openstack.LegacyV2CompatibleWrapper):
            return True
        application = getattr(application, 'application', None)
    return False
