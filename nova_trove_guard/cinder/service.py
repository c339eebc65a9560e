# SPDX-License-Identifier: Apache-2.0
"""Cinder, as the guard needs to know it.

Cinder's own classes make its faults (``cinder.api.openstack.wsgi.Fault``), so
that clients see body, microversion headers and translation as of any fault of
Cinder's.
"""

from collections.abc import Iterable

from cinder.api.openstack import wsgi
from cinder import exception
from cinder.policies import backups
from cinder.policies import manageable_volumes
import webob.exc

from nova_trove_guard.cinder import policies
from nova_trove_guard.cinder import reader
from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import resources
from nova_trove_guard.core import services

_VERSION_HEADER = (
    f'HTTP_{wsgi.API_VERSION_REQUEST_HEADER.upper().replace("-", "_")}')

# In what words Cinder says that what a request names is not there, by kind.
_NOT_FOUND = {
    'volume': 'Volume {} could not be found.',
    'origin': 'Volume {} could not be found.',
    'backend_name': 'Volume {} could not be found.',
    'snapshot': 'Snapshot {} could not be found.',
    'backup': 'Backup {} could not be found.',
    'attachment': 'Volume attachment could not be found with filter: '
                  'attachment_id = {}.',
    'transfer': 'Transfer {} could not be found.',
    'group': 'Group {} could not be found.',
    'group_snapshot': 'GroupSnapshot {} could not be found.',
    'image': 'Image {} could not be found.',
}


# Cinder's own rules for operations that can't be asked about as if a volume
# were not there: what stands in the request is no identifier. Cinder asks
# them before it looks at that (VolumeManageController.create in
# cinder.api.contrib.volume_manage, API.import_record in cinder.backup.api).
_RULES = {
    'volume:backup_import': backups.IMPORT_POLICY,
    'volume:manage': manageable_volumes.MANAGE_POLICY,
}
# Cinder looks for the attachment in all projects and then, before its rule,
# for the volume in the caller's (AttachmentsController.complete).
_WITHOUT_RULE = frozenset(('volume:attachment_complete',))


class CinderService:
    """Cinder: see nova_trove_guard.core.services.Service."""

    kind = policies.KIND
    read = staticmethod(reader.read)

    def refuses(self, operation: calls.Operation,
                environ: documents.Environ) -> bool:
        """Return whether Cinder refuses before it looks at what is named.

        Its rule has no target there. Whatever else goes wrong with the rule
        is not taken for a refusal.
        """
        rule = _RULES.get(operation.name)
        context = environ.get('cinder.context')
        if rule is None or context is None:
            return False
        try:
            context.authorize(rule)
        except exception.PolicyNotAuthorized:
            return True
        return False

    def not_found(self, kind: str,
                  identifier: str | None) -> webob.exc.HTTPException:
        """Return what Cinder says of what does not exist.

        For the trail: the caller gets the answer of Cinder itself, which may
        find another fault with the request (nova_trove_guard.core.absence).
        """
        return webob.exc.HTTPNotFound(
            explanation=_NOT_FOUND[kind].format(identifier))

    def unauthorized(
            self, operation: calls.Operation,
            resource: resources.ManagedResource) -> webob.exc.HTTPException:
        """Return the refusal by a policy rule of Cinder's, in its words."""
        if operation.name in _WITHOUT_RULE:
            return self.not_found(resource.kind, resource.id)
        refusal = exception.PolicyNotAuthorized(
            action=_RULES.get(operation.name, operation.name))
        return webob.exc.HTTPForbidden(explanation=refusal.msg)

    def answer(self, fault: webob.exc.HTTPException,
               environ: documents.Environ,
               start_response: services.StartResponse) -> Iterable[bytes]:
        """Send a fault, as a WSGI application does."""
        # Of all headers, which Cinder would go through.
        versioned = wsgi.Request(
            {name: environ[name] for name in (_VERSION_HEADER,)
             if name in environ})
        try:
            versioned.set_api_version_request('')
        except (exception.CinderException, ValueError):
            pass  # Cinder's faults then have no version, either.
        wsgi.Request(environ).api_version_request = (
            versioned.api_version_request)
        answer: Iterable[bytes] = wsgi.Fault(fault)(environ, start_response)
        return answer
