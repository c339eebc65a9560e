# SPDX-License-Identifier: Apache-2.0
"""The service's own answer about a resource that does not exist.

A caller who may not see something managed must get the answer that they
would get if it were not managed: in the service's words, and with its
precedence, as it checks a body, a microversion or an action before it looks
for a server. Only the service knows that order. So it is asked: it gets the
same request with the identifier of something that can't exist, and in the
answer the caller finds the identifier that they sent. Where the service shows
to anyone that something exists, but does nothing without a secret, it gets a
wrong secret.

So nothing that exists is changed, even if it comes into being while the
service looks for it.
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
    """Ask a service as if something that a call names did not exist.

    :param application: the service, behind the guard
    :param named: of a Target that is_one
    :returns: the answer, and whether the service finds no other fault with
        the request than that
    """
    target, identifier = named.target, call.written(named)
    environ = dict(environ)
    if target.anywhere:
        # The body may have it in another spelling, too: none is left.
        _replace(environ, identifier or '', target.nonexistent,
                 frozenset(filter(None, call.identifiers(target))))
    elif target.secret is not None:
        if not documents.lacks(call.document, target.secret):
            _send(environ, documents.replaced(
                call.document, target.secret, target.nonexistent))
    elif target.where is None:
        segments = environ['PATH_INFO'].split('/')
        segments[call.position] = target.nonexistent
        environ['PATH_INFO'] = '/'.join(segments)
    elif target.query is not None:
        document = documents.in_query(call.query, target.query)
        parameters = webob.Request(environ).GET
        parameters[target.query] = jsonutils.dumps(documents.replaced(
            document, target.where, target.nonexistent))
    else:
        _send(environ, documents.replaced(
            call.document, target.where, _without(
                call.document, target, identifier)))
    response = webob.Request(environ).get_response(application)
    sought = target.nonexistent.encode()
    is_not_found = (response.status_int == 404 and sought in response.body or
                    # Neutron fails so for the tags of what is not there.
                    response.status_int == 500 and target.anywhere)
    # Faults are JSON, in which the identifier may be escaped.
    response.body = response.body.replace(
        sought, jsonutils.dumps(identifier)[1:-1].encode())
    return response, is_not_found


def _without(document: typing.Any, target: calls.Target,
             identifier: str | None) -> str:
    """Return what is to stand where a Target leads to an identifier."""
    if target.separator is None:
        return target.nonexistent
    assert target.where is not None
    text, = documents.below(document, target.where)
    return target.separator.join(
        target.nonexistent if each == identifier else each
        for each in text.split(target.separator))


def _replace(environ: documents.Environ, identifier: str, other: str,
             in_body: Collection[str]) -> None:
    """Put another identifier in the place of one, wherever it stands.

    :param in_body: all in whose place it is put there
    """
    # Services differ in whether they decode the path.
    for spelt in identifier, identifier.encode().decode('latin-1'):
        environ['PATH_INFO'] = environ['PATH_INFO'].replace(spelt, other)
    try:
        document = documents.parsed(documents.body(environ))
    except documents.Unreadable:
        return  # The service can't read it, either.
    _send(environ, documents.exchanged(document, in_body, other))


def _send(environ: documents.Environ, document: typing.Any) -> None:
    """Put another JSON body into an environ."""
    body = jsonutils.dump_as_bytes(document)
    environ['wsgi.input'] = io.BytesIO(body)
    environ['CONTENT_LENGTH'] = str(len(body))
