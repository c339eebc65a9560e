# SPDX-License-Identifier: Apache-2.0
"""Nova, as the guard needs to know it.

Nova's own classes make its faults (``nova.api.openstack.wsgi.Fault``), so that
clients see body, microversion headers and translation as of any fault of
Nova's; the request id comes from Nova's compute_req_id filter, up in the
pipeline.
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

# In what words Nova says that what a request names is not there, by kind.
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

    :param application: what is behind the guard in the pipeline
    """

    kind = policies.KIND
    read = staticmethod(reader.read)

    def __init__(self, application: services.Application) -> None:
        self._is_legacy_v2 = _is_legacy_v2(application)

    def refuses(self, operation: calls.Operation,
                environ: documents.Environ) -> bool:
        """Return whether Nova refuses an operation before it looks at servers.

        Its rule has no target there (ServerExternalEventsController.create in
        nova.api.openstack.compute.server_external_events). Whatever else goes
        wrong with the rule is not taken for a refusal.
        """
        context = environ.get('nova.context')
        if (context is None or not operation.is_of_services or
                all(each.is_one for each in operation.targets)):
            return False
        try:
            context.can(f'os_compute_api:{operation.name}', target={})
        except exception.Forbidden:
            return True
        return False

    def not_found(self, kind: str,
                  identifier: str | None) -> webob.exc.HTTPException:
        """Return what Nova says of what does not exist.

        For the trail: the caller gets the answer of Nova itself, which may
        find another fault with the request (nova_trove_guard.core.absence).
        """
        return webob.exc.HTTPNotFound(
            explanation=_NOT_FOUND[kind].format(identifier))

    def unauthorized(
            self, operation: calls.Operation,
            resource: resources.ManagedResource) -> webob.exc.HTTPException:
        """Return the refusal by a policy rule of Nova's, in its own words."""
        refusal = exception.PolicyNotAuthorized(
            action=f'os_compute_api:{operation.name}')
        return webob.exc.HTTPForbidden(explanation=refusal.format_message())

    def answer(self, fault: webob.exc.HTTPException,
               environ: documents.Environ,
               start_response: services.StartResponse) -> Iterable[bytes]:
        """Send a fault, as a WSGI application does."""
        # Of all headers, which Nova would go through.
        versioned = wsgi.Request({name: environ[name] for name
                                  in _VERSION_HEADERS if name in environ})
        # The legacy v2 API's answers have no microversion headers
        # (nova.api.openstack.LegacyV2CompatibleWrapper).
        if not self._is_legacy_v2:
            try:
                versioned.set_api_version_request()
            except (exception.InvalidAPIVersionString,
                    exception.InvalidGlobalAPIVersion):
                pass  # Nova's faults then have none either
        wsgi.Request(environ).api_version_request = (
            versioned.api_version_request)
        answer: Iterable[bytes] = wsgi.Fault(fault)(environ, start_response)
        return answer


def _is_legacy_v2(application: services.Application | None) -> bool:
    """Return whether the legacy v2 filter stands behind in the pipeline."""
    while application is not None:
        if isinstance(application, openstack.LegacyV2CompatibleWrapper):
            return True
        application = getattr(application, 'application', None)
    return False
