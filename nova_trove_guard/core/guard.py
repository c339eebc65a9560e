# SPDX-License-Identifier: Apache-2.0
"""The guard: a WSGI filter behind keystonemiddleware's auth_token.

1. Read what is asked, and of which resources (the wing's reader).
2. Identify the principal (principals).
3. Pass on what the principal may do with any resource (policy).
4. Find out whether the resources are managed (the wing's lookup).
5. Judge what the principal may do with these (policy).
6. Report the decision (reports).
7. Pass the request on untouched; or answer with a fault (faults), or as the
   service answers about what does not exist (absence).

The answers that pass are the service's own, but for lists that show what is
guarded (redaction).
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

    :param application: the WSGI application behind
    :param service: what that is
    :param lookup: tells managed resources from others
    :param enforcer: knows the rules
    :param metadata_key: the marker
    :param mode: what to do with a call that must be refused
    :param observers: get each decision
    :param confirm: tells whether a call that needs proof serves a managed
        resource; without it, there is no proof
    :param redactor: takes out of an answer what the caller may not see;
        without it, no list is sent that shows what is guarded
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
            # As where the service itself reads the body.
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
        return self._service.answer(decision.fault, environ, start_response)

    def _answer_as_absent(
            self, call: calls.Call, decision: Decision, absent: calls.Named,
            environ: documents.Environ,
            start_response: services.StartResponse) -> Iterable[bytes]:
        """Have the service answer, but keep the words of a refusal.

        Nova speaks otherwise of a server that is not there than of one that
        the caller may not see; Neutron does so only of some things.
        """
        response, is_not_found = absence.ask(
            self._application, call, absent, environ)
        has_other_words = (call.operation.shows_existence or
                           not absent.target.anywhere)
        if (decision.outcome is Outcome.REFUSED and is_not_found and
                has_other_words):
            return self._service.answer(
                decision.fault, environ, start_response)
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    def _redacted(self, undecided: Decision, principal: principals.Principal,
                  environ: documents.Environ,
                  ) -> tuple[services.Application, Decision]:
        """Have the service answer, without what the caller may not see."""
        answer = webob.Request(environ).get_response(self._application)
        try:
            if self._redactor is None:
                raise ValueError('There is nothing that reads this answer.')
            return answer, redaction.redact(
                answer, self._redactor, self._enforcer.judge(principal),
                undecided, self._mode)
        except Exception:
            LOG.exception('The guard could not read what %s shows. See below '
                          'for what failed; until it works again, no such '
                          'answer is sent.', undecided.operation.name)
            return answer, self._refuse(
                undecided, faults.unavailable(self._service.kind))

    def _decide(self, call: calls.Call,
                environ: documents.Environ) -> Decision:
        """Return the decision on a call, whatever fails."""
        undecided = Decision(
            operation=call.operation,
            request_id=environ.get(request_id.ENV_REQUEST_ID),
            principal=principals.identify(environ),
            kind=self._service.kind,
            resource_id=call.resource_id(self._service.kind))
        try:
            return self._judge(call, undecided, environ)
        except Exception:
            LOG.exception('The guard could not judge %s. See below for what '
                          'failed; until it works again, no such call is '
                          'allowed.', call.operation.name)
            return self._refuse(
                undecided, faults.unavailable(self._service.kind))

    def _judge(self, call: calls.Call, undecided: Decision,
               environ: documents.Environ) -> Decision:
        """Return the decision on a call, as far as it can be judged."""
        operation, principal = call.operation, undecided.principal
        writes_marker = call.writes_marker(self._metadata_key)
        if not (operation.targets or operation.is_redacted or writes_marker):
            return undecided

        if principal is None:
            LOG.error('%s is refused: keystonemiddleware\'s auth_token has '
                      'not verified who asks. Put the trove_guard filter '
                      'behind authtoken and keystonecontext in '
                      'api-paste.ini.', operation.name)
            return self._refuse(undecided, faults.unidentified())
        judge = self._enforcer.judge(principal)
        if judge.is_trove_admin():
            return undecided.with_outcome(Outcome.ALLOWED, rules.TROVE_ADMIN)
        if writes_marker:
            return self._refuse_marker(operation, undecided)
        if (operation.is_of_services and not operation.needs_proof and
                judge.may_with_any_resource(operation)):
            return undecided.with_outcome(
                Outcome.ALLOWED, rules.rule_of(operation))
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
        """Return the decision on a call: the first resource that decides."""
        allowed: resources.ManagedResource | None = None
        opened: resources.ManagedResource | None = None
        for each, found in self._lookup.find(named):
            if each.identifier is None and each.target.is_validated:
                continue  # The service refuses it.
            if not found and (each.identifier is None or
                              each.target.is_subject(self._service.kind)):
                return undecided.with_outcome(
                    Outcome.NOT_FOUND, absent=each,
                    fault=self._not_found(call, each))
            for resource in filter(None, found):
                decision = undecided.about(resource)
                if not call.is_readable:
                    # Whatever the rules: nobody can tell by which to judge.
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
                        rules.rule_of(call.operation))
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
            Outcome.ALLOWED, rules.rule_of(call.operation))

    def _may(self, call: calls.Call, resource: resources.ManagedResource,
             judge: enforcement.Judge, environ: documents.Environ) -> bool:
        """Return whether a call is allowed, and confirmed if need be."""
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
        """Refuse, but show no more than the caller may see."""
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
