# SPDX-License-Identifier: Apache-2.0
"""The guard: a WSGI filter behind keystonemiddleware's auth_token.

1. Parse the request: the operation, and the resources that it names (the
   wing's reader).
2. Identify the principal (principals).
3. Pass the request if policy allows the operation on any resource (policy).
4. Find out which of the resources are managed (the wing's lookup).
5. Check whether policy allows the operation on these (policy).
6. Report the decision (reports).
7. Pass the request on unchanged, or refuse it: with a fault (faults), or with
   the service's own response about a resource that does not exist (absence).

The guard changes no response of the service, except lists that show guarded
data (redaction).
"""

from collections.abc import Iterable, Sequence

from oslo_log import log as logging
from oslo_middleware import request_id
import webob
import webob.exc

from nova_trove_guard.core import absence
from nova_trove_guard.core import calls
from nova_trove_guard.core import decisions
from nova_trove_guard.core import documents
from nova_trove_guard.core import faults
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core import principals
from nova_trove_guard.core import redaction
from nova_trove_guard.core import resources
from nova_trove_guard.core import services

LOG = logging.getLogger(__name__)

Decision = decisions.Decision
Outcome = decisions.Outcome


class TroveGuard:
    """Refuse what only the Trove admin may do with a managed resource.

    :param application: the WSGI application behind the guard
    :param service: how that application reads requests and reports faults
    :param lookup: finds out which resources are managed
    :param enforcer: evaluates the policy rules
    :param metadata_key: the marker
    :param mode: what to do with a call that must be refused
    :param observers: called with each decision
    :param confirm: confirms that a call which needs proof serves a managed
        resource; None: no such call is confirmed
    :param redactor: removes from a response what the caller may not see;
        None: no response that shows guarded data is sent
    """

    def __init__(self, application: services.Application,
                 service: services.Service, lookup: services.Lookup,
                 enforcer: enforcement.Enforcer, metadata_key: str,
                 mode: decisions.Mode = decisions.Mode.ENFORCE,
                 observers: Iterable[decisions.Observer] = (),
                 confirm: services.Confirm | None = None,
                 redactor: services.Redactor | None = None) -> None:
        self._application = application
        self._service = service
        self._read = service.read
        self._lookup = lookup
        self._enforcer = enforcer
        self._metadata_key = metadata_key
        self._mode = mode
        self._passing = mode.passing
        self._observers = tuple(observers)
        self._confirm = confirm
        self._redactor = redactor

    def __call__(self, environ: documents.Environ,
                 start_response: services.StartResponse) -> Iterable[bytes]:
        try:
            call = self._read(environ)
        except webob.exc.HTTPException as too_large:
            # The service sends the same fault when it reads such a body.
            answer: Iterable[bytes] = too_large(environ, start_response)
            return answer
        if call is None:
            return self._application(environ, start_response)
        application = self._application
        decision = self._decide(call, environ)
        if (call.operation.is_redacted and decision.principal is not None and
                decision.outcome is Outcome.NOT_MANAGED):
            application, decision = self._redacted(
                decision, decision.principal, environ)
        for report in self._observers:
            report(decision)
        if decision.outcome in self._passing:
            return application(environ, start_response)
        if decision.absent is not None:
            return self._answer_as_absent(
                call, decision, decision.absent, environ, start_response)
        return self._service.send_fault(
            decision.fault, environ, start_response)

    def _answer_as_absent(
            self, call: calls.Call, decision: Decision, absent: calls.Named,
            environ: documents.Environ,
            start_response: services.StartResponse) -> Iterable[bytes]:
        """Return the service's response as if the resource did not exist.

        If that response is a "not found" and the call is refused, return the
        decision's fault where the service uses other words for a resource
        that the caller may not see than for one that does not exist. Nova
        does so for all resources, Neutron for some.
        """
        response, is_not_found = absence.ask(
            self._application, call, absent, environ)
        has_other_words = (call.operation.shows_existence or
                           not absent.target.anywhere)
        if (decision.outcome is Outcome.REFUSED and is_not_found and
                has_other_words):
            return self._service.send_fault(
                decision.fault, environ, start_response)
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    def _redacted(self, undecided: Decision, principal: principals.Principal,
                  environ: documents.Environ,
                  ) -> tuple[services.Application, Decision]:
        """Get the service's response, and remove what the caller may not see.
        """
        answer = webob.Request(environ).get_response(self._application)
        try:
            if self._redactor is None:
                raise ValueError('No redactor for this response.')
            return answer, redaction.redact(
                answer, self._redactor, self._enforcer.judge(principal),
                undecided, self._mode)
        except Exception:
            LOG.exception('The guard could not redact the response to %s. See '
                          'the error below; until it is fixed, no such '
                          'response is sent.', undecided.operation.name)
            return answer, self._refuse(
                undecided, faults.unavailable(self._service.kind))

    def _decide(self, call: calls.Call,
                environ: documents.Environ) -> Decision:
        """Return the decision on a call; refuse it if anything fails."""
        undecided = Decision(
            operation=call.operation,
            request_id=environ.get(request_id.ENV_REQUEST_ID),
            principal=principals.identify(environ),
            kind=self._service.kind,
            resource_id=call.resource_id(self._service.kind))
        try:
            return self._judge(call, undecided, environ)
        except Exception:
            LOG.exception('The guard could not judge %s. See the error below; '
                          'until it is fixed, no such call is allowed.',
                          call.operation.name)
            return self._refuse(
                undecided, faults.unavailable(self._service.kind))

    def _judge(self, call: calls.Call, undecided: Decision,
               environ: documents.Environ) -> Decision:
        """Return the decision on a call.

        :raises Exception: if the rules or the resources can't be read
        """
        operation, principal = call.operation, undecided.principal
        writes_marker = call.writes_marker(self._metadata_key)
        if not (operation.targets or operation.is_redacted or writes_marker):
            return undecided

        if principal is None:
            LOG.error('%s is refused: keystonemiddleware\'s auth_token has '
                      'not verified the caller. Put the trove_guard filter '
                      'behind authtoken and keystonecontext in '
                      'api-paste.ini.', operation.name)
            return self._refuse(undecided, faults.unidentified())
        judge = self._enforcer.judge(principal)
        if judge.is_trove_admin():
            return undecided.with_outcome(Outcome.ALLOWED, rules.TROVE_ADMIN)
        if writes_marker:
            return self._refuse_marker(operation, undecided)
        if (operation.used_by_services and not operation.needs_proof and
                judge.may_with_any_resource(operation)):
            return undecided.with_outcome(
                Outcome.ALLOWED, rules.rule_name(operation))
        if self._service.refuses(operation, environ):
            return undecided.with_outcome(Outcome.SERVICE_REFUSES)
        try:
            named = call.named()
        except documents.Unreadable:
            return self._refuse(undecided, faults.unreadable())
        return self._judge_resources(call, named, judge, undecided, environ)

    def _judge_resources(
            self, call: calls.Call, named: Sequence[calls.Named],
            judge: enforcement.Judge, undecided: Decision,
            environ: documents.Environ) -> Decision:
        """Return the decision on a call about resources.

        The first resource for which the call must be refused decides.
        """
        allowed: resources.ManagedResource | None = None
        opened: resources.ManagedResource | None = None
        for each, found in self._lookup.find(named):
            if each.identifier is None and each.target.is_validated:
                continue  # The service's JSON schema refuses the request.
            if not found and (each.identifier is None or
                              each.target.is_subject(self._service.kind)):
                return undecided.with_outcome(
                    Outcome.NOT_FOUND, absent=each,
                    fault=self._not_found(call, each))
            for resource in filter(None, found):
                decision = undecided.about(resource)
                if not call.is_readable:
                    # It is not known which rule applies.
                    return self._refuse_visibly(
                        faults.unreadable(), call, each, resource, judge,
                        decision)
                if self._may(call, resource, judge, environ):
                    allowed = allowed or resource
                elif judge.breaks_glass(resource):
                    opened = opened or resource
                else:
                    return self._refuse_visibly(
                        faults.forbidden(call.operation, resource), call,
                        each, resource, judge, decision,
                        rules.rule_name(call.operation))
        decisive = opened or allowed
        if decisive is None:
            return undecided
        decision = undecided.about(decisive)
        if call.may_change_marker(self._metadata_key):
            return self._refuse_marker(call.operation, decision)
        if opened:
            return decision.with_outcome(
                Outcome.BREAK_GLASS, rules.BREAK_GLASS)
        return decision.with_outcome(
            Outcome.ALLOWED, rules.rule_name(call.operation))

    def _may(self, call: calls.Call, resource: resources.ManagedResource,
             judge: enforcement.Judge, environ: documents.Environ) -> bool:
        """Return whether policy allows a call, and the proof if it needs one.
        """
        if not judge.may(call.operation, resource):
            return False
        if not call.operation.needs_proof:
            return True
        return self._confirm is not None and self._confirm(
            call, resource, environ)

    def _refuse_visibly(
            self, fault: webob.exc.HTTPException, call: calls.Call,
            named: calls.Named, resource: resources.ManagedResource,
            judge: enforcement.Judge, decision: Decision,
            rule: str | None = None) -> Decision:
        """Refuse a call, but never show a resource that the caller can't see.
        """
        if (resource.is_seen_by(judge.principal.project_id) or
                judge.is_cloud_admin()):
            return self._refuse(decision, fault, rule)
        if not named.target.is_one:
            return self._refuse(
                decision, self._service.unauthorized(call.operation, resource),
                rule)
        hidden = (self._service.unauthorized(call.operation, resource)
                  if call.operation.shows_existence else
                  self._not_found(call, named))
        return self._refuse(decision, hidden, rule, named)

    def _not_found(self, call: calls.Call,
                   named: calls.Named) -> webob.exc.HTTPException:
        return self._service.not_found(
            named.target.kind, call.written(named))

    def _refuse_marker(self, operation: calls.Operation,
                       decision: Decision) -> Decision:
        assert operation.marker_effect is not None
        return self._refuse(
            decision, faults.marker_forbidden(
                self._service.kind, operation.marker_effect.form,
                self._metadata_key), rules.TROVE_ADMIN)

    def _refuse(self, decision: Decision, fault: webob.exc.HTTPException,
                rule: str | None = None,
                absent: calls.Named | None = None) -> Decision:
        return decision.with_outcome(
            self._mode.refusal, rule, fault, absent)
