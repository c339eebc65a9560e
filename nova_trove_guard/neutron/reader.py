# SPDX-License-Identifier: Apache-2.0
"""Parse requests to Neutron.

Neutron has two routers, one behind the other, for the same resources: Routes
(neutron.api.extensions.ExtensionMiddleware), which accepts method overrides,
and Pecan (neutron.pecan_wsgi), which follows the attributes of Python objects.
Together they accept many spellings of the same call. The guard parses only the
spelling that Neutron documents. Any other is operations.UNKNOWN: for it, the
guard looks up every string in path and body that may be an id.

``tests/unit/neutron/test_differential.py`` compares this with Neutron.
"""

from oslo_middleware import sizelimit

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import routing
from nova_trove_guard.neutron import identifiers
from nova_trove_guard.neutron import operations

# Neutron's pipeline does not limit bodies. This limit applies only to guarded
# calls and to forms.
MAX_BODY_BYTES = 1024 * 1024

_READS = frozenset(('GET', 'HEAD', 'OPTIONS'))
# In paths with these, the last item leads to a port, and not the first.
_OF_LAST_ITEM = frozenset(('port_forwardings', 'port_associations'))

_ROUTER = routing.Router(operations.ROUTES)


def read(environ: documents.Environ) -> calls.Call | None:
    """Return the call that a request makes, None if it may pass.

    :param environ: the WSGI environ, the same as the extensions filter gets it
    :returns: None for a read, and for a request that names neither a port nor
        a security group, nor a resource that leads to one
    :raises OSError: if the client disconnects before the end of the body
    :raises webob.exc.HTTPException: if the body is too large
    """
    method = environ['REQUEST_METHOD']
    # Fast path: reads are by far the most common requests. The full check
    # below gives the same result.
    if method == 'GET' and '_method' not in environ.get('QUERY_STRING', ''):
        return None
    path = environ['PATH_INFO']
    segments = path.removesuffix('.json').split('/')[1:]
    if operations.PREFIXES.issuperset(segments[:1]):
        del segments[:1]
    operation = _find(segments, method)
    unlimited = environ['wsgi.input']
    limited = sizelimit.LimitingReader(unlimited, MAX_BODY_BYTES)
    if not environ.get('webob.is_body_seekable'):
        environ['wsgi.input'] = limited
    override = routing.method_of(environ)
    if override != method:
        # Routes applies the override, Pecan does not.
        operation = operations.UNKNOWN
    if operation is routing.PASS or {method, override} <= _READS:
        if environ['wsgi.input'] is limited:
            environ['wsgi.input'] = unlimited
        return None
    document, is_readable = documents.read_body(environ, operation.has_body)
    if operation is operations.PORT_UPDATE and _is_binding(document):
        operation = operations.PORT_UPDATE_BINDING
    if operation is operations.UNKNOWN:
        document, is_readable = [identifiers.in_path(path), document], True
    position = (3 if len(segments) > 3 and segments[2] in _OF_LAST_ITEM
                else 1)
    return calls.Call(
        operation, segments[position] if len(segments) > position else None,
        position, segments[-1] if segments else '', document,
        environ.get('QUERY_STRING', ''), is_readable)


def _find(segments: list[str], method: str) -> calls.Operation:
    """Return the operation at a path, UNKNOWN if it is not in the table.

    Pecan treats a segment that is not an id as the name of an attribute:
    ``index``, or an empty segment, in the place of an id leads to the resource
    before it.
    """
    if (len(segments) > 1 and not identifiers.is_id(segments[1]) or
            segments[3:4] in ([''], ['index'])):
        return operations.UNKNOWN
    return _ROUTER.find(segments, method) or operations.UNKNOWN


def _is_binding(document: object) -> bool:
    """Return whether a body changes only the binding of a port."""
    if not isinstance(document, dict) or document.keys() != {'port'}:
        return False
    port = document['port']
    return isinstance(port, dict) and port.keys() <= operations.BINDING
