# SPDX-License-Identifier: Apache-2.0
"""Nova's own answer about a server, volume or address that does not exist.

A caller who may not see something managed must get the answer that they
would get if it were not managed: in Nova's words, and with Nova's precedence,
as Nova finds fault with a body, a microversion or an action before it looks
for a server. Only Nova knows that order. So it is asked: Nova gets the same
request with the identifier of something that can't exist, and in the answer
the caller finds the identifier that they sent.

So nothing that exists is changed, even if it comes into being while Nova looks
for it.
"""

import io

from oslo_serialization import jsonutils
import webob

from nova_trove_guard.nova import operations

# No service makes it: theirs are random UUIDs (RFC 9562, version 4).
NOWHERE = '00000000-0000-0000-0000-000000000000'
# No floating IP can have it: "this host on this network" (RFC 1122).
_NO_ADDRESS = '0.0.0.0'

_NONEXISTENT = {'floating_ip_address': _NO_ADDRESS}


def ask(application, asked, target, environ):
    """Ask Nova as if what a Target of a request names did not exist.

    :param application: Nova, behind the guard
    :param asked: nova_trove_guard.nova.operations.Asked
    :param target: the Target, which leads to one identifier
    :returns: the answer (webob.Response), and whether Nova finds no other
        fault with the request than that
    """
    identifier, = asked.identifiers(target)
    nonexistent = _NONEXISTENT.get(target.kind, NOWHERE)
    environ = dict(environ)
    if target.where is operations.PATH:
        segments = environ['PATH_INFO'].split('/')
        segments[asked.position] = nonexistent
        environ['PATH_INFO'] = '/'.join(segments)
    elif target.query is not None:
        document = operations.query_document(asked.query, target.query)
        request = webob.Request(environ)
        parameters = request.GET
        parameters[target.query] = jsonutils.dumps(
            _replaced(document, target.where, nonexistent))
    else:
        body = jsonutils.dump_as_bytes(
            _replaced(asked.document, target.where, nonexistent))
        environ['wsgi.input'] = io.BytesIO(body)
        environ['CONTENT_LENGTH'] = str(len(body))
    response = webob.Request(environ).get_response(application)
    body, sought = response.body, nonexistent.encode()
    # Nova's faults are JSON, in which the identifier may be escaped.
    response.body = body.replace(
        sought, jsonutils.dumps(identifier)[1:-1].encode())
    return response, response.status_int == 404 and sought in body


def _replaced(document, keys, value):
    """Return a copy of a document with another value below a chain of keys."""
    if not keys:
        return value
    key, *rest = keys
    return document | {key: _replaced(document[key], rest, value)}
