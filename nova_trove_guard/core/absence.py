# SPDX-License-Identifier: Apache-2.0
"""The service's own answer about a resource that does not exist.

A caller who may not see something managed must get the answer that they
would get if it were not managed: in the service's words, and with its
precedence, as it checks a body, a microversion or an action before it looks
for a server. Only the service knows that order. So it is asked: it gets the
same request with the identifier of something that can't exist, and in the
answer the caller finds the identifier that they sent.

So nothing that exists is changed, even if it comes into being while the
service looks for it.
"""

import io

from oslo_serialization import jsonutils
import webob

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import services


def ask(application: services.Application, call: calls.Call,
        target: calls.Target, environ: documents.Environ,
        ) -> tuple[webob.Response, bool]:
    """Ask a service as if what a Target of a call names did not exist.

    :param application: the service, behind the guard
    :param target: leads to one identifier
    :returns: the answer, and whether the service finds no other fault with
        the request than that
    """
    identifier, = call.identifiers(target)
    environ = dict(environ)
    if target.where is None:
        segments = environ['PATH_INFO'].split('/')
        segments[call.position] = target.nonexistent
        environ['PATH_INFO'] = '/'.join(segments)
    elif target.query is not None:
        document = documents.in_query(call.query, target.query)
        parameters = webob.Request(environ).GET
        parameters[target.query] = jsonutils.dumps(documents.replaced(
            document, target.where, target.nonexistent))
    else:
        body = jsonutils.dump_as_bytes(documents.replaced(
            call.document, target.where, target.nonexistent))
        environ['wsgi.input'] = io.BytesIO(body)
        environ['CONTENT_LENGTH'] = str(len(body))
    response = webob.Request(environ).get_response(application)
    sought = target.nonexistent.encode()
    is_not_found = response.status_int == 404 and sought in response.body
    # Faults are JSON, in which the identifier may be escaped.
    response.body = response.body.replace(
        sought, jsonutils.dumps(identifier)[1:-1].encode())
    return response, is_not_found
