# SPDX-License-Identifier: Apache-2.0
"""Let the guard judge a request, and explain its decision."""

from collections.abc import Callable, Iterable
import dataclasses
import difflib
import types
import typing

from oslo_serialization import jsonutils
import webob.exc

from nova_trove_guard.cmd import wings
from nova_trove_guard.core import calls
from nova_trove_guard.core import decisions
from nova_trove_guard.core import documents
from nova_trove_guard.core import guard
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import references
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core import principals
from nova_trove_guard.core import resources
from nova_trove_guard.core import services

Filter: typing.TypeAlias = Callable[[services.Application],
                                    services.Application]

# The reasons, which worded() completes with the words of a service.
NO_SAY = 'the guard passes it: it is a plain read, or names no {kind}'
_NOT_MANAGED = 'no {kind} that it acts on is managed'
_NOT_FOUND = 'there is no such {kind}: {service} itself responds'
_SERVICE_REFUSES = (
    '{service}\'s own rule refuses it: the guard does not look up the {kind}s')
_TOO_LARGE = ('the body is too large, or has too many lists and objects: the '
              'guard does not parse it')
_REDACTED = ('it passes, and what the rule does not let the principal see of '
             'managed {kind}s is removed from the response')
_TROVE_ADMIN = 'the principal is the Trove admin'
_RULE = 'the rule lets the principal pass'
_GLASS = 'only break-glass lets the principal pass'
_MARKER = 'only the Trove admin can write or remove the marker'
_NO_RULE = 'the rule does not let the principal pass'
# What to add for a call that needs proof, by reason.
_PROOF = {
    _RULE: ', and it is for the {kind}\'s own server (--managed assumes '
           'that)',
    _NO_RULE: ', or it is not for the {kind}\'s own server',
}

# Reasons by outcome, and by whether the Trove admin's own rule decided.
_PASSES = {
    (decisions.Outcome.NOT_MANAGED, False): _NOT_MANAGED,
    (decisions.Outcome.NOT_FOUND, False): _NOT_FOUND,
    (decisions.Outcome.SERVICE_REFUSES, False): _SERVICE_REFUSES,
    (decisions.Outcome.ALLOWED, True): _TROVE_ADMIN,
    (decisions.Outcome.ALLOWED, False): _RULE,
    (decisions.Outcome.BREAK_GLASS, False): _GLASS,
}
# Reasons by the status of the refusal; for 403 they depend on the rule.
_REFUSALS = {
    400: 'the request does not say what to do, or with which {kind}',
    404: 'the rule does not let the principal pass, and the principal must '
         'not see the {kind}: {service} responds as if it did not exist',
    503: 'could not check whether the {kind} is managed',
}
_FORBIDDEN: dict[str | None, str] = {
    None: 'the caller is not verified: the filter is in front of authtoken',
    rules.TROVE_ADMIN: _MARKER,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The guard's decision about a request, and the response.

    :ivar wing: the service
    :ivar call: the call, None if the guard passes the request unjudged
    :ivar decision: the decision, None if the guard made none
    :ivar status: the status of the response, None if it is the service's own
    :ivar message: the message of the response, empty if it is the service's
        own
    :ivar no_route: method and path if the service has no such route; None if
        it has one, or may have one
    """

    wing: wings.Wing
    call: calls.Call | None
    decision: decisions.Decision | None
    status: int | None
    message: str
    no_route: str | None = None

    @property
    def rule(self) -> str | None:
        """The name of the rule that judges it, None for none."""
        if self.decision is not None and self.decision.rule:
            return self.decision.rule
        if self.call is None or not (
                self.call.operation.targets or
                self.call.operation.is_redacted):
            return None
        return rules.rule_name(self.call.operation)

    @property
    def why(self) -> str:
        """The reason for the decision."""
        why = self._why
        if self.call is not None and self.call.operation.needs_proof:
            why += _PROOF.get(why, '')
        unknown = self._unknown
        if unknown is None:
            return worded(why, self.wing)
        if self.call is None:
            return unknown
        return f'{unknown}; {worded(why, self.wing)}'

    @property
    def _unknown(self) -> str | None:
        """The route or action that the service does not have, else None."""
        if self.no_route is not None:
            return f'{self.wing.api.service} has no route {self.no_route}'
        if (self.call is None or self.call.item != 'action' or
                not self.call.is_readable):
            return None
        actions = self.wing.routes.actions.get(self.call.operation.name)
        if actions is None:
            return None
        name, = self.call.document
        meant = difflib.get_close_matches(name, actions, 1)
        return (f'{self.wing.api.service} has no action {name!r}, as far as '
                f'the guard knows' + (
                    f' (did you mean {meant[0]}?)' if meant else ''))

    @property
    def _why(self) -> str:
        decision = self.decision
        if decision is None:
            if self.status is None:
                return NO_SAY
            return (_TOO_LARGE if self.status == 413
                    else 'auth_token does not accept the token')
        if (self.call is not None and self.call.operation.is_redacted and
                decision.outcome is decisions.Outcome.NOT_MANAGED):
            return _REDACTED
        by_trove_admin = decision.rule == rules.TROVE_ADMIN
        if (decision.outcome, by_trove_admin) in _PASSES:
            return _PASSES[decision.outcome, by_trove_admin]
        status = decision.fault.status_int if decision.fault else 0
        return _REFUSALS.get(status) or _FORBIDDEN.get(
            decision.rule, _NO_RULE)


class Behind:
    """An application behind the guard, which records that it was called."""

    reached = False

    def __call__(self, environ: documents.Environ,
                 start_response: services.StartResponse) -> list[bytes]:
        """Send an empty response: the service's own is not known here."""
        self.reached = True
        start_response('204 No Content', [])
        return []


class Evidence(services.Lookup, typing.Protocol):
    """A lookup that replaces the guard's own, and its checks of proofs."""

    def confirm(self, call: calls.Call, resource: resources.ManagedResource,
                environ: documents.Environ) -> bool:
        """Return whether a call that needs proof has it."""


def verdict(environ: documents.Environ, wing: wings.Wing,
            settings: options.Settings, enforcer: enforcement.Enforcer,
            evidence: Evidence, authenticate: Filter | None = None,
            ) -> Verdict:
    """Let the guard judge a request.

    :param environ: as the service's urlmap gets it, with either
        keystone.token_auth in it or tokens for `authenticate`
    :param authenticate: puts auth_token in front of an application
    """
    read: list[calls.Call | None] = []
    no_route: list[str] = []
    decided: list[decisions.Decision] = []
    answered: list[str] = []
    behind = Behind()
    service = wing.service(behind)
    application = guard.TroveGuard(
        behind, service, evidence, enforcer, settings.metadata_key,
        settings.mode, (decided.append,), evidence.confirm,
        # There is no response here that could be redacted.
        redactor=lambda content, may_show: content)

    def watched(environ: documents.Environ,
                start_response: services.StartResponse) -> Iterable[bytes]:
        if wing.routes.lack(environ):
            no_route.append(f'{environ["REQUEST_METHOD"]} '
                            f'{environ["PATH_INFO"]}')
        try:
            call = service.read(environ)
        except webob.exc.HTTPException as too_large:
            answer: Iterable[bytes] = too_large(environ, start_response)
            return answer
        read.append(call)
        principal = principals.identify(environ)
        # Only if it is needed: the context imports much of the service.
        if principal is not None and call is not None and (
                call.operation.needs_proof or not all(
                    target.is_one for target in call.operation.targets)):
            environ |= wing.context(principal)
        return application(environ, start_response)

    whole = authenticate(watched) if authenticate else watched
    body = b''.join(_mapped(whole, wing)(
        environ, lambda status, headers, *more: answered.append(status)))
    call, = read or (None,)
    decision, = decided or (None,)
    if behind.reached:
        return Verdict(wing, call, decision, None, '', *no_route)
    return Verdict(wing, call, decision, int(answered[0].split()[0]),
                   _message(body), *no_route)


def worded(why: str, wing: wings.Wing) -> str:
    """Return a reason in the words of a service."""
    return why.format(kind=wing.kind, service=wing.api.service)


def _mapped(application: services.Application,
            wing: wings.Wing) -> services.Application:
    """Return an application behind a urlmap like the service's own."""
    mapped = wing.urlmap()
    for version in wing.versions:
        mapped[version] = application

    def versioned(environ: documents.Environ,
                  start_response: services.StartResponse) -> Iterable[bytes]:
        path = environ['PATH_INFO']
        if not any(path == version or path.startswith(f'{version}/')
                   for version in wing.versions):
            environ['PATH_INFO'] = wing.versions[0] + path
        answer: Iterable[bytes] = mapped(environ, start_response)
        return answer

    return versioned


def _message(body: bytes) -> str:
    """Return the message of a service's fault, or of auth_token's."""
    try:
        fault, = jsonutils.loads(body).values()
        return str(fault['message'])
    except (ValueError, AttributeError, TypeError, KeyError):
        return body.decode(errors='replace')


def token_auth(principal: principals.Principal) -> documents.Environ:
    """Return what auth_token would add to an environ."""
    def token(user_id: str | None, project_id: str | None,
              roles: Iterable[str]) -> types.SimpleNamespace | None:
        return None if user_id is None else types.SimpleNamespace(
            user_id=user_id, project_id=project_id, role_names=list(roles),
            user_domain_id=None, project_domain_id=None, domain_id=None,
            system_scoped=False, is_admin_project=True)

    return {
        'keystone.token_auth': types.SimpleNamespace(
            user=token(principal.user_id, principal.project_id,
                       principal.roles),
            service=token(principal.service_user_id, None,
                          principal.service_roles)),
        'HTTP_X_IDENTITY_STATUS': 'Confirmed',
        'HTTP_X_SERVICE_IDENTITY_STATUS': 'Confirmed'}


def checks(rule: str, wing: wings.Wing) -> dict[str, str]:
    """Return the current check strings of a rule, and of those it refers to.

    :returns: check string by the rule's name
    :raises Exception: if the policy can't be read
    """
    enforcer = wing.get_enforcer()
    enforcer.load_rules()
    return {name: str(check) for name, check
            in references.reached(enforcer.rules, rule).items()}
