# SPDX-License-Identifier: Apache-2.0
"""Cinder's faults and refusals.

Cinder's own class creates the faults (``cinder.api.openstack.wsgi.Fault``), so
that clients get the same body, microversion headers and translation as with
any fault of Cinder.
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

# Cinder's messages for a resource that does not exist, by kind.
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


# Cinder's own rules for operations that the guard can't send to Cinder as if
# the volume did not exist, because the request contains no plain identifier.
# Cinder checks these rules before it looks for the volume
# (VolumeManageController.create in cinder.api.contrib.volume_manage,
# API.import_record in cinder.backup.api).
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
        """Return whether Cinder refuses a call before it looks for the volume.

        Cinder's rule for it has no target. Any other failure of the rule does
        not count as a refusal.
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
        """Return Cinder's fault for a resource that does not exist.

        It is for logs and events. The caller gets the response of Cinder
        itself, which may report another fault (nova_trove_guard.core.absence).
        """
        return webob.exc.HTTPNotFound(
            explanation=_NOT_FOUND[kind].format(identifier))

    def unauthorized(
            self, operation: calls.Operation,
            resource: resources.ManagedResource) -> webob.exc.HTTPException:
        """Return the fault of one of Cinder's policy rules, in Cinder's words.
        """
        if operation.name in _WITHOUT_RULE:
            return self.not_found(resource.kind, resource.id)
        refusal = exception.PolicyNotAuthorized(
            action=_RULES.get(operation.name, operation.name))
        return webob.exc.HTTPForbidden(explanation=refusal.msg)

    def send_fault(self, fault: webob.exc.HTTPException,
                   environ: documents.Environ,
                   start_response: services.StartResponse) -> Iterable[bytes]:
        """Send a fault, as a WSGI application does."""
        # Only this header: Cinder would iterate over all of them.
        versioned = wsgi.Request(
            {name: environ[name] for name in (_VERSION_HEADER,)
             if name in environ})
        try:
            versioned.set_api_version_request('')
        except (exception.CinderException, ValueError):
            pass  # Cinder's own faults then have no version, either.
        wsgi.Request(environ).api_version_request = (
            versioned.api_version_request)
        answer: Iterable[bytes] = wsgi.Fault(fault)(environ, start_response)
        return answer
