# SPDX-License-Identifier: Apache-2.0
"""Parse requests to Cinder, as Cinder parses them.

``tests/unit/cinder/test_differential.py`` compares the two.
"""

from nova_trove_guard.cinder import operations
from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import routing

# Each of Cinder's routes also exists below a /{project_id}
# (cinder.api.v3.router.ProjectMapper), and some below any first segment.
_ROUTER = routing.Router(operations.ROUTES, '(?:/[0-9a-f-]+)?')
_is_read = _ROUTER.is_read


def read(environ: documents.Environ) -> calls.Call | None:
    """Return the call that a request makes, None if it may pass.

    :param environ: the WSGI environ, the same as Cinder's router gets it
    :returns: None for a plain read, and for a request that acts neither on a
        volume nor on a resource made from one
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
    # final newline. Each of Cinder's routes also exists with the suffix
    # '.json' (cinder.api.openstack.wsgi.APIMapper).
    segments = path.removesuffix('\n').removesuffix('.json').split('/')[1:]
    method = routing.method_of(environ)
    position = 2
    operation = _ROUTER.find(segments, method)
    if operation is None and _is_behind_project(segments):
        del segments[0]
        position = 3
        operation = _ROUTER.find(segments, method)
    if (operation is routing.PASS or not segments
            or segments[0] not in _ROUTER.collections):
        return None
    identifier = segments[1] if len(segments) > 1 else None
    if operation is None:
        if identifier is None or segments[0] not in operations.UNKNOWN:
            return None
        operation = operations.UNKNOWN[segments[0]]
    document, is_readable = documents.read_body(environ, operation.has_body)
    if operation is operations.ACTION:
        operation, is_readable = calls.action(
            document, operations.ACTIONS[segments[0]],
            operations.UNKNOWN[segments[0]])
        if operation is routing.PASS:
            return None
    return calls.Call(
        operation, identifier, position, segments[-1], document, query,
        is_readable)


def _is_behind_project(segments: list[str]) -> bool:
    """Return whether the first segment may be a project's id.

    No id equals the name of a collection, but Cinder's router also accepts
    such a path: Cinder refuses it only later.
    """
    return bool(segments) and (
        segments[0] not in _ROUTER.collections or
        segments[1:2] != [] and segments[1] in _ROUTER.collections)
