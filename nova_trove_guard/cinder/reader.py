# SPDX-License-Identifier: Apache-2.0
"""Read what a request asks of Cinder, the way Cinder reads it.

``tests/unit/cinder/test_differential.py`` compares the two.
"""

from nova_trove_guard.cinder import operations
from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import routing

# Each of Cinder's routes also exists behind a /{project_id}
# (cinder.api.v3.router.ProjectMapper), and some behind any first segment.
_ROUTER = routing.Router(operations.ROUTES, '(?:/[0-9a-f-]+)?')
_is_read = _ROUTER.is_read


def read(environ: documents.Environ) -> calls.Call | None:
    """Return what a request asks that the guard has a say in.

    :param environ: the WSGI environ as it stands where Cinder's router gets it
    :returns: None for what passes: a plain read, or a request that does not
        end at a volume or what stems from one
    :raises OSError: when the client hangs up while its body is read
    :raises webob.exc.HTTPException: when a filter in front limits the body
    """
    path = environ['PATH_INFO']
    query = environ.get('QUERY_STRING', '')
    # Fast path: plain reads are by far the most common requests. What follows
    # gives the same result.
    if (environ['REQUEST_METHOD'] == 'GET' and _is_read(path)
            and '_method' not in query):
        return None
    # Routes' regular expressions end in '$', which also matches before a
    # final newline. Each of Cinder's routes also exists with a '.json' behind
    # it (cinder.api.openstack.wsgi.APIMapper).
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
    document, is_readable = documents.said(environ, operation.has_body)
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
    """Return whether the first segment may be a project.

    No project is called like a collection, but it is Cinder who refuses it.
    """
    return bool(segments) and (
        segments[0] not in _ROUTER.collections or
        segments[1:2] != [] and segments[1] in _ROUTER.collections)
