# SPDX-License-Identifier: Apache-2.0
"""Get the service's own response about a resource that does not exist.

A caller who may not see a managed resource must get the same response as if it
were not managed: in the service's words, and with the same precedence of
errors, as the service may check the body, the microversion or the action
before it looks for the resource. Only the service knows that order. So the
guard sends it the same request with an identifier that no resource can have,
and puts the caller's identifier back into the response. If the service shows
to anyone that a resource exists, but does nothing without a secret, the guard
sends a wrong secret instead.

So the call changes no resource, not even one that is created while the service
looks for it.
"""

from collections.abc import Collection
import io
import typing

from oslo_serialization import jsonutils
import webob

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import services


def ask(application: services.Application, call: calls.Call,
        named: calls.Named, environ: documents.Environ,
        ) -> tuple[webob.Response, bool]:
    """Call a service as if a resource that a call names did not exist.

    :param application: the service, behind the guard
    :param named: the identifier of the resource, in a Target that is_one
    :returns: the response, and whether it says that the resource does not
        exist, and not that the request has another fault
    """
    target, identifier = named.target, call.written(named)
    environ = dict(environ)
    if target.anywhere:
        # The body may also have it in other spellings: replace them all.
        _replace(environ, identifier or '', target.nonexistent,
                 frozenset(filter(None, call.identifiers(target))))
    elif target.secret is not None:
        if not documents.is_absent(call.document, target.secret):
            _send(environ, documents.with_value(
                call.document, target.secret, target.nonexistent))
    elif target.where is None:
        segments = environ['PATH_INFO'].split('/')
        segments[call.position] = target.nonexistent
        environ['PATH_INFO'] = '/'.join(segments)
    elif target.query is not None:
        document = documents.from_query(call.query, target.query)
        parameters = webob.Request(environ).GET
        parameters[target.query] = jsonutils.dumps(documents.with_value(
            document, target.where, target.nonexistent))
    else:
        _send(environ, documents.with_value(
            call.document, target.where, _without(
                call.document, target, identifier)))
    response = webob.Request(environ).get_response(application)
    sought = target.nonexistent.encode()
    is_not_found = (response.status_int == 404 and sought in response.body or
                    # Neutron's response for the tags of a resource that does
                    # not exist.
                    response.status_int == 500 and target.anywhere)
    # Faults are JSON: the identifier must be escaped as JSON escapes it.
    response.body = response.body.replace(
        sought, jsonutils.dumps(identifier)[1:-1].encode())
    return response, is_not_found


def _without(document: typing.Any, target: calls.Target,
             identifier: str | None) -> str:
    """Return the value of a Target without an identifier."""
    if target.separator is None:
        return target.nonexistent
    assert target.where is not None
    text, = documents.values_at(document, target.where)
    return target.separator.join(
        target.nonexistent if each == identifier else each
        for each in text.split(target.separator))


def _replace(environ: documents.Environ, identifier: str, other: str,
             in_body: Collection[str]) -> None:
    """Replace an identifier everywhere in path and body.

    :param in_body: all spellings to replace in the body
    """
    # Some services decode the path, some do not.
    for spelt in identifier, identifier.encode().decode('latin-1'):
        environ['PATH_INFO'] = environ['PATH_INFO'].replace(spelt, other)
    try:
        document = documents.parsed(documents.body(environ))
    except documents.Unreadable:
        return  # The service can't read the body, either.
    _send(environ, documents.replace_strings(document, in_body, other))


def _send(environ: documents.Environ, document: typing.Any) -> None:
    """Replace the body of a request by a JSON document."""
    body = jsonutils.dump_as_bytes(document)
    environ['wsgi.input'] = io.BytesIO(body)
    environ['CONTENT_LENGTH'] = str(len(body))
