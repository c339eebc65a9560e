# SPDX-License-Identifier: Apache-2.0
"""Parse requests to Nova, as Nova parses them.

``tests/unit/test_differential.py`` compares the two.
"""

import typing

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import routing
from nova_trove_guard.nova import operations

# Each of Nova's routes also exists below a /{project_id}
# (nova.api.openstack.ProjectMapper). No collection's name matches this.
_ROUTER = routing.Router(operations.ROUTES, '(?:/[0-9a-f-]+)?')
_is_read = _ROUTER.is_read
_SERVER_COLLECTIONS = frozenset(('servers', 'os-volumes_boot'))


def read(environ: documents.Environ) -> calls.Call | None:
    """Return the call that a request makes, None if it may pass.

    :param environ: the WSGI environ, the same as Nova's router gets it
    :returns: None for a plain read, and for a request that does not act on a
        server
    :raises OSError: if the client disconnects before the end of the body
    :raises webob.exc.HTTPException: if a filter in front of the guard limits
        the body
    """
    path = environ['PATH_INFO']
    query = environ.get('QUERY_STRING', '')
    # Fast path: plain reads are by far the most common requests. The full
    # check below gives the same result.
    if (environ['REQUEST_METHOD'] == 'GET' and _is_read(path)
            and '_method' not in query):
        return None
    # Routes' regular expressions end with '$', which also matches before a
    # final newline: DELETE /servers/{id}%0A deletes {id}.
    segments = path.removesuffix('\n').split('/')[1:]
    position = 2
    if segments and segments[0] not in _ROUTER.collections:
        del segments[0]
        position = 3
    if not segments or segments[0] not in _ROUTER.collections:
        return None
    operation = _ROUTER.find(segments, routing.method_of(environ))
    if operation is routing.PASS:
        return None
    identifier = segments[1] if len(segments) > 1 else None
    if operation is None:
        if identifier is None or segments[0] not in _SERVER_COLLECTIONS:
            return None
        operation = operations.UNKNOWN
    document, is_readable = documents.read_body(environ, operation.has_body)
    if operation is operations.ACTION:
        operation, is_readable = calls.action(
            document, operations.ACTIONS, operations.UNKNOWN)
    elif operation is operations.VOLUME_UPDATE:
        operation = _volume_update(document, segments[-1])
    return calls.Call(
        operation, identifier, position, segments[-1], document, query,
        is_readable)


def _volume_update(document: typing.Any, volume_id: str) -> calls.Operation:
    """Return the operation of a volume update, according to its body.

    If the body's volumeId is not that of the path, the update is a swap, at
    any microversion, and Nova checks its rule for swaps
    (nova.api.openstack.compute.volume_attachments.VolumeAttachmentController).
    """
    try:
        new_id, = documents.values_at(
            document, ('volumeAttachment', 'volumeId'))
    except documents.Unreadable:
        return operations.VOLUME_UPDATE
    return (operations.VOLUME_UPDATE if new_id == volume_id
            else operations.VOLUME_SWAP)
