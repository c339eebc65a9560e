# SPDX-License-Identifier: Apache-2.0
"""The guard's answers; a wing sends them in the form of its service."""

from oslo_utils import uuidutils
import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import resources

RETRY_AFTER = 5  # seconds


def forbidden(operation: calls.Operation, resource: resources.ManagedResource,
              ) -> webob.exc.HTTPException:
    """Return the refusal of an operation on a managed resource."""
    instance = resource.database_instance
    if not uuidutils.is_uuid_like(instance):
        # Marked by anyone, before the guard was there.
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
    """Return the refusal of a request that writes the marker.

    :param form: what the marker is, such as ``metadata key``
    """
    return webob.exc.HTTPForbidden(
        explanation=f'The {kind} {form} {metadata_key} marks the '
                    f'{kind}s that Trove manages: only Trove may write it.')


def unidentified() -> webob.exc.HTTPException:
    """Return the refusal of a caller whom auth_token has not verified."""
    return webob.exc.HTTPForbidden(
        explanation='The identity of the caller is not verified.')


def unreadable() -> webob.exc.HTTPException:
    """Return the refusal of what does not say what it asks for."""
    return webob.exc.HTTPBadRequest(explanation='Malformed request body')


def unavailable(kind: str) -> webob.exc.HTTPException:
    """Return the refusal of what could not be judged."""
    return webob.exc.HTTPServiceUnavailable(
        explanation=f'It could not be determined whether Trove manages this '
                    f'{kind}. Try again later.',
        headers={'Retry-After': str(RETRY_AFTER)})
