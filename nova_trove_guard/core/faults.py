# SPDX-License-Identifier: Apache-2.0
"""The guard's faults. A wing sends them in the form of its service."""

from oslo_utils import uuidutils
import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import resources

RETRY_AFTER = 5  # seconds


def forbidden(operation: calls.Operation, resource: resources.ManagedResource,
              ) -> webob.exc.HTTPException:
    """Return the fault for an operation on a managed resource."""
    instance = resource.database_instance
    if not uuidutils.is_uuid_like(instance):
        # Before the guard was installed, anyone could write the marker.
        instance = '<instance>'
    kind = resource.kind.replace('_', ' ').capitalize()
    message = (f'{kind} {resource.id} is managed by '
               f'Trove as database instance {instance}: {operation.name} is '
               f'not allowed.')
    if operation.instead:
        message += f' Use: {operation.instead.format(instance)}'
    else:
        message += ' Trove has no command for it; ask your cloud operator.'
    return webob.exc.HTTPForbidden(explanation=message)


def marker_forbidden(kind: str, form: str,
                     metadata_key: str) -> webob.exc.HTTPException:
    """Return the fault for a request that writes or removes the marker.

    :param form: what the marker is, such as ``metadata key``
    """
    return webob.exc.HTTPForbidden(
        explanation=f'The {kind} {form} {metadata_key} marks the '
                    f'{kind}s that Trove manages: only Trove may write it.')


def unidentified() -> webob.exc.HTTPException:
    """Return the fault for a caller whom auth_token has not verified."""
    return webob.exc.HTTPForbidden(
        explanation='The identity of the caller is not verified.')


def unreadable() -> webob.exc.HTTPException:
    """Return the fault for a request whose body can't be read."""
    return webob.exc.HTTPBadRequest(explanation='Malformed request body')


def unavailable(kind: str) -> webob.exc.HTTPException:
    """Return the fault for a call that the guard could not judge."""
    return webob.exc.HTTPServiceUnavailable(
        explanation=f'It could not be determined whether Trove manages this '
                    f'{kind}. Try again later.',
        headers={'Retry-After': str(RETRY_AFTER)})
