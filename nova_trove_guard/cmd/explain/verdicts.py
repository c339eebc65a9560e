# SPDX-License-Identifier: Apache-2.0
"""What the guard makes of a request, by the guard itself, and why."""

import dataclasses
import re
import types

from nova.api.openstack import urlmap
from nova import context as nova_context
from oslo_serialization import jsonutils

from nova_trove_guard.core import guard
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core import principals
from nova_trove_guard.core.reports import audit
from nova_trove_guard.nova import operations

_REFERENCE = re.compile(r'\brule:([^\s()]+)')
# Where a composite of Nova's has its APIs; the first is for paths without.
_VERSIONS = ('/v2.1', '/v2')
_VERSION = re.compile(r'/v2(\.1)?(/|$)')

NO_SAY = 'the guard has no say in it: it is a plain read, or names no server'
_NOT_MANAGED = 'no server that it acts on is managed'
_NOT_FOUND = 'there is no such server: Nova answers that itself'
_NOVA_REFUSES = 'Nova\'s own rule refuses it: the guard looks no server up'
_TROVE_ADMIN = 'the principal is the Trove admin'
_RULE = 'the rule lets the principal pass'
_GLASS = 'nothing but break-glass lets the principal pass'
_MARKER = ('only the Trove admin may: it writes the marker, or may take it '
           'away')
_NO_RULE = 'the rule does not let the principal pass'

# Why, by outcome and whether the Trove admin's own rule decided.
_PASSES = {
    (audit.Outcome.NOT_MANAGED, False): _NOT_MANAGED,
    (audit.Outcome.NOT_FOUND, False): _NOT_FOUND,
    (audit.Outcome.NOVA_REFUSES, False): _NOVA_REFUSES,
    (audit.Outcome.ALLOWED, True): _TROVE_ADMIN,
    (audit.Outcome.ALLOWED, False): _RULE,
    (audit.Outcome.BREAK_GLASS, False): _GLASS,
}
# Why, by the status of the refusal; 403 is told by the rule.
_REFUSALS = {
    400: 'it does not say what it asks, or of which server',
    404: 'the rule does not let the principal pass, which may not even know '
         'that the server is there: Nova answers as if it were not',
    503: 'it can\'t be told whether the server is managed',
}
_FORBIDDEN = {
    None: 'nobody is verified: the filter stands in front of authtoken',
    rules.TROVE_ADMIN: _MARKER,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request.

    :ivar asked: operations.Asked, None where the guard has no say
    :ivar decision: audit.Decision, None where it was not even asked
    :ivar status: the status (int) of the answer, None where it is Nova's
    :ivar message: the message of the answer, '' where it is Nova's
    """

    asked: operations.Asked | None
    decision: audit.Decision | None
    status: int | None
    message: str

    @property
    def rule(self):
        """The name of the rule that judges it, None for none."""
        if self.decision is not None and self.decision.rule:
            return self.decision.rule
        if self.asked is None or not self.asked.operation.targets:
            return None
        return rules.rule_of(self.asked.operation)

    @property
    def why(self):
        """Why the decision is as it is."""
        decision = self.decision
        if decision is None:
            return NO_SAY if self.status is None else (
                'auth_token does not take the token')
        by_trove_admin = decision.rule == rules.TROVE_ADMIN
        if (decision.outcome, by_trove_admin) in _PASSES:
            return _PASSES[decision.outcome, by_trove_admin]
        status = decision.fault.status_int
        return _REFUSALS.get(status) or _FORBIDDEN.get(
            decision.rule, _NO_RULE)


class Behind:
    """What stands behind the guard: it takes note that it was reached."""

    reached = False

    def __call__(self, environ, start_response):
        """Answer nothing: what Nova would answer, nobody knows."""
        self.reached = True
        start_response('204 No Content', [])
        return []


def verdict(environ, settings, enforcer, servers, authenticate=None):
    """Return the Verdict on a request.

    :param environ: the WSGI environ as Nova's urlmap gets it, with either
        keystone.token_auth in it or tokens for `authenticate`
    :param settings: nova_trove_guard.core.options.Settings
    :param enforcer: nova_trove_guard.core.policy.enforcement.Enforcer
    :param servers: what tells managed servers, as
        nova_trove_guard.nova.lookup.Servers
    :param authenticate: what makes of a WSGI application one with auth_token
        in front
    """
    asked, decisions, answer = [], [], []
    behind = Behind()
    application = guard.TroveGuard(
        behind, settings.metadata_key, enforcer, servers, settings.mode,
        (decisions.append,))

    def watched(environ, start_response):
        asked.append(operations.asked(environ))
        principal = principals.identify(environ)
        if principal is not None:
            # As Nova's filter keystonecontext.
            environ['nova.context'] = nova_context.RequestContext(
                overwrite=False, **principal.credentials())
        return application(environ, start_response)

    body = b''.join(_mapped((authenticate or (lambda same: same))(watched))(
        environ, lambda status, headers, *more: answer.append(status)))
    decision = decisions[0] if decisions else None
    if behind.reached:
        status, message = None, ''
    else:
        status, message = int(answer[0].split()[0]), _message(body)
    return Verdict(asked[0] if asked else None, decision, status, message)


def _mapped(application):
    """Return an application behind a urlmap like Nova's own."""
    mapped = urlmap.URLMap()
    for version in _VERSIONS:
        mapped[version] = application

    def versioned(environ, start_response):
        if not _VERSION.match(environ['PATH_INFO']):
            environ['PATH_INFO'] = _VERSIONS[0] + environ['PATH_INFO']
        return mapped(environ, start_response)

    return versioned


def _message(body):
    """Return the message of a fault in Nova's form, or in auth_token's."""
    try:
        fault, = jsonutils.loads(body).values()
        return fault['message']
    except (ValueError, AttributeError, TypeError, KeyError):
        return body.decode(errors='replace')


def token_auth(principal):
    """Return what auth_token would leave in an environ (dict).

    :param principal: nova_trove_guard.core.principals.Principal
    """
    def token(user_id, project_id, roles):
        return user_id and types.SimpleNamespace(
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


def checks(rule):
    """Return the current check strings of a rule, and of those it refers to.

    :param rule: its name
    :returns: dict of check string by the rule's name
    :raises Exception: if the policy can't be read
    """
    enforcer = enforcement.get_enforcer()
    enforcer.load_rules()
    found, ahead = {}, [rule]
    while ahead:
        name = ahead.pop(0)
        if name in enforcer.rules and name not in found:
            found[name] = str(enforcer.rules[name])
            ahead += _REFERENCE.findall(found[name])
    return found
