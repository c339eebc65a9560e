# SPDX-License-Identifier: Apache-2.0
"""Neutron's faults and refusals."""

from collections.abc import Iterable

from neutron.api import api_common
import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import resources
from nova_trove_guard.core import services
from nova_trove_guard.neutron import policies
from nova_trove_guard.neutron import reader

# For these operations, Neutron returns "The resource could not be found." if
# the caller may not see the resource. If it does not exist, the message names
# it (neutron.api.v2.base.Controller._delete).
_HIDDEN = frozenset(('network:delete_security_group_rule',
                     'network:delete_local_ip_port_association'))


class PolicyNotAuthorized(webob.exc.HTTPForbidden):
    """The fault of a policy rule. Neutron sends the class's name as its type.
    """


class NeutronService:
    """Neutron: see nova_trove_guard.core.services.Service."""

    kind = policies.KIND
    read = staticmethod(reader.read)

    def refuses(self, operation: calls.Operation,
                environ: documents.Environ) -> bool:
        """Return False: Neutron's rules are not checked in advance."""
        return False

    def not_found(self, kind: str,
                  identifier: str | None) -> webob.exc.HTTPException:
        """Return the fault for a resource that does not exist.

        It is for logs and events. The caller gets the response of Neutron
        itself, which may report another fault (nova_trove_guard.core.absence).
        """
        return webob.exc.HTTPNotFound(
            explanation=f'{kind} {identifier} could not be found.')

    def unauthorized(
            self, operation: calls.Operation,
            resource: resources.ManagedResource) -> webob.exc.HTTPException:
        """Return the fault of one of Neutron's policy rules, in its words."""
        if operation.name in _HIDDEN:
            return webob.exc.HTTPNotFound(
                explanation='The resource could not be found.')
        rule = operation.name.removeprefix('network:').replace(
            ':all_tags', ':tags')
        return PolicyNotAuthorized(
            explanation=f'rule:{rule} is disallowed by policy')

    def send_fault(self, fault: webob.exc.HTTPException,
                   environ: documents.Environ,
                   start_response: services.StartResponse) -> Iterable[bytes]:
        """Send a fault in the form of Neutron's own, as a WSGI application.

        See convert_exception_to_http_exc in neutron.api.api_common.
        """
        converted = api_common.convert_exception_to_http_exc(fault, {}, None)
        answer: Iterable[bytes] = converted(environ, start_response)
        return answer
