# SPDX-License-Identifier: Apache-2.0
"""Read the JSON documents of a request: its body, or a query parameter.

The guard uses the same libraries as the services: WebOb for query string and
body, oslo.serialization for JSON. So encodings, repeated keys and the length
of a body mean the same to both.
"""

from collections.abc import Collection, Iterator, Sequence
import io
import re
import typing

from oslo_serialization import jsonutils
import webob
import webob.exc

Environ: typing.TypeAlias = dict[str, typing.Any]


class _Each:
    """A step in a chain of keys that leads to every item of a list."""


EACH: typing.Final = _Each()
Keys: typing.TypeAlias = Sequence[str | _Each]

# A filter in front of the guard limits bodies to 112 KiB by default, and
# Neutron's reader to 1 MiB. WebOb moves bodies of more than 10 KB to a file,
# which takes longer than all else that the guard does with them
# (webob.request.BaseRequest.request_body_tempfile_limit).
_IN_MEMORY = re.compile('[1-9][0-9]{0,5}')
# The most lists and objects in a body that is parsed. The guard and then the
# service parse it; each time, Python's garbage collector runs the longer the
# more there are, while all other callers wait. No body that a service accepts
# has nearly as many.
MAX_CONTAINERS = 5000
# WebOb sets one of these in the environ when a filter in front of the guard
# has read the body.
_READ_BY_WEBOB = frozenset(('webob.is_body_seekable', 'webob._body_file'))


class Unreadable(Exception):
    """A document does not have the form that the service accepts."""


def body(environ: Environ) -> bytes:
    """Return the whole body of a request, and leave a seekable copy of it.

    WebOb decides where the body ends (Content-Length, chunked transfer
    encoding), as in nova.api.openstack.wsgi.Resource.get_body. A body with a
    plain Content-Length is read without WebOb, which is slower.

    :raises OSError: if the client disconnects before the end
    :raises webob.exc.HTTPException: if a filter in front of the guard limits
        the body (oslo_middleware.sizelimit.LimitingReader)
    """
    length = environ.get('CONTENT_LENGTH', '')
    if (_IN_MEMORY.fullmatch(length) is None
            or not _READ_BY_WEBOB.isdisjoint(environ)):
        content: bytes = webob.BaseRequest(environ).body
        return content
    size = int(length)
    content = environ['wsgi.input'].read(size)
    if len(content) < size:
        raise OSError('The client disconnected before the end of the body.')
    environ['wsgi.input'] = io.BytesIO(content)
    environ['webob.is_body_seekable'] = True
    return content


def read_body(environ: Environ, parse: bool) -> tuple[typing.Any, bool]:
    """Return the parsed body of a request, and whether it could be parsed.

    The body is read even if it is not parsed, because the service reads the
    whole body before it dispatches. If the guard did not wait for it, a client
    that holds back the last byte could choose how long after the guard's
    lookup the service acts.

    :param parse: whether to parse it; if not, None is returned for it
    :raises OSError: if the client disconnects before the end
    :raises webob.exc.HTTPException: if a filter in front of the guard limits
        the body, or if it has too many lists and objects to be parsed
    """
    content = body(environ)
    if not parse:
        return None, True
    # Brackets in strings count, too.
    if content.count(b'[') + content.count(b'{') > MAX_CONTAINERS:
        raise webob.exc.HTTPRequestEntityTooLarge(
            explanation='The body has too many lists and objects.')
    try:
        return parsed(content), True
    except Unreadable:
        return None, False


def parsed(content: bytes) -> typing.Any:
    """Parse a JSON text as Nova does.

    See JSONDeserializer and action_peek in nova.api.openstack.wsgi.

    :raises Unreadable: if it is not JSON
    """
    try:
        return jsonutils.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error


def from_query(query: str, parameter: str) -> typing.Any:
    """Return the JSON document in a query parameter, parsed as Nova does.

    See AssistedVolumeSnapshotsController.delete in
    nova.api.openstack.compute.assisted_volume_snapshots.

    :raises Unreadable: if there is none
    """
    try:
        parameters = webob.Request({'QUERY_STRING': query}).GET
        return jsonutils.loads(parameters[parameter])
    except (KeyError, ValueError, RecursionError) as error:
        raise Unreadable from error


def values_at(document: typing.Any, keys: Keys,
              kind: type = str) -> Iterator[typing.Any]:
    """Yield the values to which a chain of keys leads in a document.

    :param kind: the type that each value must have
    :raises Unreadable: if the document has another form
    """
    if not keys:
        if not isinstance(document, kind):
            raise Unreadable
        yield document
        return
    key, *rest = keys
    if isinstance(key, _Each):
        if not isinstance(document, list):
            raise Unreadable
        items: Sequence[typing.Any] = document
    elif isinstance(document, dict) and key in document:
        items = (document[key],)
    else:
        raise Unreadable
    for item in items:
        yield from values_at(item, rest, kind)


def is_absent(document: typing.Any, keys: Keys) -> bool:
    """Return whether a chain of keys leads to nothing, or to a null."""
    for key in keys:
        if not isinstance(document, dict):
            return True
        document = document.get(key)
    return document is None


def with_value(document: typing.Any, keys: Keys, value: str) -> typing.Any:
    """Return a copy of a document in which a chain of keys has another value.
    """
    if not keys:
        return value
    key, *rest = keys
    return document | {key: with_value(document[key], rest, value)}


def strings(document: typing.Any,
            keys: Collection[str] | None = None) -> Iterator[str]:
    """Yield all strings in a document, at any depth.

    :param keys: yield only the strings below one of these keys; None for all
    """
    # No recursion: a hostile document may be as deep as the parser accepts.
    left = [(document, keys is None)]
    while left:
        value, is_below = left.pop()
        if isinstance(value, dict):
            left.extend((below, is_below or keys is not None and key in keys)
                        for key, below in value.items())
        elif isinstance(value, list):
            left.extend((below, is_below) for below in value)
        elif is_below and isinstance(value, str):
            yield value


def replace_strings(document: typing.Any, some: Collection[str],
                    other: str) -> typing.Any:
    """Return a copy of a document in which one string replaces some."""
    if isinstance(document, dict):
        return {key: replace_strings(value, some, other)
                for key, value in document.items()}
    if isinstance(document, list):
        return [replace_strings(value, some, other) for value in document]
    if isinstance(document, str) and document in some:
        return other
    return document
