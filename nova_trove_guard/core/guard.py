# SPDX-License-Identifier: Apache-2.0
"""The guard: a paste filter in Nova's API pipelines, after keystonecontext.

In api-paste.ini::

    [filter:trove_guard]
    use = egg:nova-trove-guard#trove_guard

1. Read what is asked, and of which servers (operations).
2. Identify the principal (principal).
3. Pass on what the principal may do with any server (policy).
4. Find out whether the servers are managed (lookup).
5. Judge what the principal may do with these (policy).
6. Report the decision (audit, metrics).
7. Pass the request on untouched; or answer with a fault (faults), or as Nova
   answers about what does not exist (absence).
"""

from nova.api import openstack
from nova import exception
from oslo_config import cfg
from oslo_log import log as logging
from oslo_middleware import request_id
import webob
import webob.exc

from nova_trove_guard.core import absence
from nova_trove_guard.core import deadline
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core import principals
from nova_trove_guard.core.reports import audit
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.nova import faults
from nova_trove_guard.nova import lookup
from nova_trove_guard.nova import operations

LOG = logging.getLogger(__name__)


class TroveGuard:
    """Refuses what only the Trove admin may ask of a server of Trove's.

    :param application: the WSGI application behind
    :param metadata_key: the marker
    :param enforcer: nova_trove_guard.core.policy.enforcement.Enforcer
    :param lookup: nova_trove_guard.nova.lookup.Lookup
    :param mode: a key of nova_trove_guard.core.reports.audit.REFUSALS
    :param observers: functions to tell each core.reports.audit.Decision
    """

    def __init__(self, application, metadata_key, enforcer, lookup,
                 mode='enforce', observers=()):
        self._application = application
        self._metadata_key = metadata_key
        self._enforcer = enforcer
        self._lookup = lookup
        self._refusal = audit.REFUSALS[mode]
        self._passing = audit.PASSING[mode]
        self._observers = observers
        self._legacy_v2 = _is_legacy_v2(application)

    def __call__(self, environ, start_response):
        try:
            asked = operations.asked(environ)
        except webob.exc.HTTPException as too_large:
            # As where Nova reads the body: nova.api.openstack.wsgi.Resource.
            return too_large(environ, start_response)
        if asked is None:
            return self._application(environ, start_response)
        decision = self._decide(asked, environ)
        for tell in self._observers:
            tell(decision)
        if decision.outcome in self._passing:
            return self._application(environ, start_response)
        if decision.absent is not None:
            return self._answer_as_absent(
                asked, decision, environ, start_response)
        return self._answer(decision.fault, environ, start_response)

    def _answer_as_absent(self, asked, decision, environ, start_response):
        """Have Nova answer, but keep the words of a refusal.

        Nova speaks otherwise of a server that is not there than of one that
        the caller may not see.
        """
        response, is_not_found = absence.ask(
            self._application, asked, decision.absent, environ)
        if decision.outcome is audit.Outcome.REFUSED and is_not_found:
            return self._answer(decision.fault, environ, start_response)
        return response(environ, start_response)

    def _answer(self, fault, environ, start_response):
        return faults.answer(fault, environ, start_response, self._legacy_v2)

    def _decide(self, asked, environ):
        """Return the Decision on a request, whatever fails."""
        undecided = audit.Decision(
            operation=asked.operation.name,
            request_id=environ.get(request_id.ENV_REQUEST_ID),
            principal=principals.identify(environ),
            server_id=asked.server_id)
        try:
            return self._judge(asked, undecided, environ)
        except Exception:
            LOG.exception('The guard could not judge %s. See below for what '
                          'failed; until it works again, no such call is '
                          'allowed.', asked.operation.name)
            return self._refuse(undecided, faults.unavailable())

    def _judge(self, asked, undecided, environ):
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
        named = _named(asked)
        judge = self._enforcer.judge(principal)
        if judge.is_trove_admin():
            return undecided.ends(audit.Outcome.ALLOWED, rules.TROVE_ADMIN)
        if writes_marker:
            return self._refuse_marker(undecided)
        if operation.service:
            if judge.may_with_any_server(operation):
                return undecided.ends(audit.Outcome.ALLOWED,
                                      rules.rule_of(operation))
            if _nova_refuses(operation, environ):
                return undecided.ends(audit.Outcome.NOVA_REFUSES)
        if named is None:
            return self._refuse(undecided, faults.unreadable())
        return self._judge_servers(
            asked, self._lookup.find(named), judge, undecided)

    def _judge_servers(self, asked, found, judge, undecided):
        """Return the Decision on a request: the first server that decides."""
        managed, opened = None, None
        for each, servers in found:
            if each.identifier is None and each.target.is_validated:
                continue  # Nova refuses it.
            if not servers and (each.identifier is None or
                              each.target == operations.SERVER_IN_PATH):
                return undecided.ends(
                    audit.Outcome.NOT_FOUND,
                    fault=_not_found(asked, each.target), absent=each.target)
            for server in filter(None, servers):
                decision = undecided.about(server)
                if not asked.is_readable:
                    # Whatever the rules: nobody can tell by which to judge.
                    return self._refuse_visibly(
                        faults.unreadable(), asked, each.target, server,
                        judge, decision)
                if judge.may(asked.operation, server):
                    managed = managed or server
                elif judge.breaks_glass(server):
                    opened = opened or server
                else:
                    return self._refuse_visibly(
                        faults.forbidden(asked.operation, server), asked,
                        each.target, server, judge, decision,
                        rules.rule_of(asked.operation))
        if not (managed or opened):
            return undecided
        decision = undecided.about(opened or managed)
        if asked.changes_metadata(self._metadata_key):
            return self._refuse_marker(decision)
        if opened:
            return decision.ends(audit.Outcome.BREAK_GLASS, rules.BREAK_GLASS)
        return decision.ends(audit.Outcome.ALLOWED,
                             rules.rule_of(asked.operation))

    def _refuse_visibly(self, fault, asked, target, server, judge, decision,
                        rule=None):
        """Refuse, but show no more than the caller may see."""
        if (server.project_id == judge.principal.project_id or
                judge.is_cloud_admin()):
            return self._refuse(decision, fault, rule)
        hidden = _not_found(asked, target) if target.is_one and not (
            asked.operation.shows_servers) else faults.unauthorized(
                asked.operation)
        return self._refuse(decision, hidden, rule,
                            target if target.is_one else None)

    def _refuse_marker(self, decision):
        return self._refuse(
            decision, faults.marker_forbidden(self._metadata_key),
            rules.TROVE_ADMIN)

    def _refuse(self, decision, fault, rule=None, absent=None):
        return decision.ends(self._refusal, rule, fault, absent)


def filter_factory(global_conf, **local_conf):
    """Return the filter for paste.deploy.

    :param global_conf: the DEFAULT section of api-paste.ini; not used
    :param local_conf: options of the filter's own section, which take
        precedence over nova.conf's ``[trove_guard]``
    :returns: callable that wraps a WSGI application; it returns the very
        application while trove_managed_instances is off
    :raises ValueError: for an option that does not exist or has a bad value
    """
    settings = options.settings(cfg.CONF, local_conf)

    def guard(application):
        if not settings.trove_managed_instances:
            return application
        measures = metrics.of(settings)
        return TroveGuard(
            application, settings.metadata_key, enforcement.Enforcer(cfg.CONF),
            lookup.Lookup(settings.metadata_key, measures,
                          deadline.Deadline()),
            settings.mode,
            (*audit.observers(cfg.CONF, settings), *measures.observers))

    return guard


def _named(asked):
    """Return the list of all that a request acts on, None for unreadable."""
    try:
        return asked.named()
    except operations.Unreadable:
        return None


def _not_found(asked, target):
    identifier, = asked.identifiers(target)
    return faults.not_found(target.kind, identifier)


def _nova_refuses(operation, environ):
    """Return whether Nova refuses an operation before it looks at servers.

    Asked only where a caller may name as many servers as they like: nothing
    is looked up for those whom Nova refuses anyway. Its rule has no target
    there (ServerExternalEventsController.create in
    nova.api.openstack.compute.server_external_events). Whatever else goes
    wrong with the rule is not taken for a refusal.
    """
    context = environ.get('nova.context')
    if context is None or all(each.is_one for each in operation.targets):
        return False
    try:
        context.can(f'os_compute_api:{operation.name}', target={})
    except exception.Forbidden:
        return True
    return False


def _is_legacy_v2(application):
    """Return whether the legacy v2 filter stands behind in the pipeline."""
    while application is not None:
        if isinstance(application, openstack.LegacyV2CompatibleWrapper):
            return True
        application = getattr(application, 'application', None)
    return False
