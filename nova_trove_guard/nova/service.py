# SPDX-License-Identifier: Apache-2.0
"""Nova's faults and refusals.

Nova's own class creates the faults (``nova.api.openstack.wsgi.Fault``), so
that clients get the same body, microversion headers and translation as with
any fault of Nova. Nova's compute_req_id filter, earlier in the pipeline, adds
the request id.
"""

from collections.abc import Iterable

from nova.api import openstack
from nova.api.openstack import wsgi
from nova import exception
import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import resources
from nova_trove_guard.core import services
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import reader

_VERSION_HEADERS = tuple(
    f'HTTP_{name.upper().replace("-", "_")}' for name in (
        wsgi.API_VERSION_REQUEST_HEADER,
        wsgi.LEGACY_API_VERSION_REQUEST_HEADER))

# Nova's messages for a resource that does not exist, by kind.
_NOT_FOUND = {
    'server': 'Instance {} could not be found.',
    'floating_ip': 'Floating IP not found for ID {}',
    'floating_ip_address': 'floating IP not found',
    'volume': 'Volume {} could not be found.',
    'cinder_volume': 'Volume {} could not be found.',
    'console_token': 'Token not found',
}


class NovaService:
    """Nova: see nova_trove_guard.core.services.Service.

    :param application: the application behind the guard in the pipeline
    """

    kind = policies.KIND
    read = staticmethod(reader.read)

    def __init__(self, application: services.Application) -> None:
        self._is_legacy_v2 = _is_legacy_v2(application)

    def refuses(self, operation: calls.Operation,
                environ: documents.Environ) -> bool:
        """Return whether Nova refuses an operation before it looks at servers.

        Nova's rule for it has no target (ServerExternalEventsController.create
        in nova.api.openstack.compute.server_external_events). Any other
        failure of the rule does not count as a refusal.
        """
        context = environ.get('nova.context')
        if (context is None or not operation.used_by_services or
                all(each.is_one for each in operation.targets)):
            return False
        try:
            context.can(f'os_compute_api:{operation.name}', target={})
        except exception.Forbidden:
            return True
        return False

    def not_found(self, kind: str,
                  identifier: str | None) -> webob.exc.HTTPException:
        """Return Nova's fault for a resource that does not exist.

        It is for logs and events. The caller gets the response of Nova itself,
        which may report another fault (nova_trove_guard.core.absence).
        """
        return webob.exc.HTTPNotFound(
            explanation=_NOT_FOUND[kind].format(identifier))

    def unauthorized(
            self, operation: calls.Operation,
            resource: resources.ManagedResource) -> webob.exc.HTTPException:
        """Return the fault of one of Nova's policy rules, in Nova's words."""
        refusal = exception.PolicyNotAuthorized(
            action=f'os_compute_api:{operation.name}')
        return webob.exc.HTTPForbidden(explanation=refusal.format_message())

    def send_fault(self, fault: webob.exc.HTTPException,
                   environ: documents.Environ,
                   start_response: services.StartResponse) -> Iterable[bytes]:
        """Send a fault, as a WSGI application does."""
        # Only these headers: Nova would iterate over all of them.
        versioned = wsgi.Request({name: environ[name] for name
                                  in _VERSION_HEADERS if name in environ})
        # The legacy v2 API's responses have no microversion headers
        # (nova.api.openstack.LegacyV2CompatibleWrapper).
        if not self._is_legacy_v2:
            try:
                versioned.set_api_version_request()
            except (exception.InvalidAPIVersionString,
                    exception.InvalidGlobalAPIVersion):
                pass  # Nova's own faults then have no such headers, either.
        wsgi.Request(environ).api_version_request = (
            versioned.api_version_request)
        answer: Iterable[bytes] = wsgi.Fault(fault)(environ, start_response)
        return answer


def _is_legacy_v2(application: services.Application | None) -> bool:
    """Return whether the legacy v2 filter is behind the guard."""
    while application is not None:
        if isinstance(application, openstack.LegacyV2CompatibleWrapper):
            return True
        application = getattr(application, 'application', None)
    return False
