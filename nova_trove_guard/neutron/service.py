# SPDX-License-Identifier: Apache-2.0
"""Neutron, as the guard needs to know it."""

from collections.abc import Iterable

from neutron.api import api_common
import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import resources
from nova_trove_guard.core import services
from nova_trove_guard.neutron import policies
from nova_trove_guard.neutron import reader

# Of these, Neutron says that "the resource could not be found" to those who
# may not see it, and how it is called where there is none
# (neutron.api.v2.base.Controller._delete).
_HIDDEN = frozenset(('network:delete_security_group_rule',
                     'network:delete_local_ip_port_association'))


class PolicyNotAuthorized(webob.exc.HTTPForbidden):
    """The refusal by a policy rule; Neutron's faults say what they are."""


class NeutronService:
    """Neutron: see nova_trove_guard.core.services.Service."""

    kind = policies.KIND
    read = staticmethod(reader.read)

    def refuses(self, operation: calls.Operation,
                environ: documents.Environ) -> bool:
        """Return that Neutron is not asked."""
        return False

    def not_found(self, kind: str,
                  identifier: str | None) -> webob.exc.HTTPException:
        """Return that something does not exist.

        For the trail: the caller gets the answer of Neutron itself, which may
        find another fault with the request (nova_trove_guard.core.absence).
        """
        return webob.exc.HTTPNotFound(
            explanation=f'{kind} {identifier} could not be found.')

    def unauthorized(
            self, operation: calls.Operation,
            resource: resources.ManagedResource) -> webob.exc.HTTPException:
        """Return the refusal by a policy rule of Neutron's, in its words."""
        if operation.name in _HIDDEN:
            return webob.exc.HTTPNotFound(
                explanation='The resource could not be found.')
        rule = operation.name.removeprefix('network:').replace(
            ':all_tags', ':tags')
        return PolicyNotAuthorized(
            explanation=f'rule:{rule} is disallowed by policy')

    def answer(self, fault: webob.exc.HTTPException,
               environ: documents.Environ,
               start_response: services.StartResponse) -> Iterable[bytes]:
        """Send a fault, as a WSGI application does.

        In the form of Neutron's own: see convert_exception_to_http_exc in
        neutron.api.api_common.
        """
        converted = api_common.convert_exception_to_http_exc(fault, {}, None)
        answer: Iterable[bytes] = converted(environ, start_response)
        return answer
