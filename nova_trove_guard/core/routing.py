# SPDX-License-Identifier: Apache-2.0
"""Find the operation for the path and method of a request."""

from collections.abc import Iterable, Mapping, Sequence
import re
import typing

import routes.middleware
import webob

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents

# The guard passes these calls: plain reads, and calls that act on no resource.
PASS = calls.Operation('pass')
Routes: typing.TypeAlias = Mapping[str, Mapping[str, calls.Operation]]


class Router:
    """Match paths against a table of routes.

    :param table: operation by route and method. In every route, fixed
        segments alternate with variables such as ``{id}``. A fixed segment in
        the place of a variable, as in ``/volumes/detail``, takes precedence
    :param prefix: regular expression of an optional prefix of every route
    :ivar collections: the first segments of all routes
    :ivar is_read: returns whether a GET of a path is a plain read
    """

    def __init__(self, table: Routes, prefix: str = '') -> None:
        segments = {route: route.split('/')[1:] for route in table}
        self._methods = {_shape(segments[route]): methods
                         for route, methods in table.items()
                         if not _is_fixed(segments[route])}
        self._fixed = {(*segments[route], method): operation
                       for route, methods in table.items()
                       if _is_fixed(segments[route])
                       for method, operation in methods.items()}
        self.collections = frozenset(first for first, *_ in segments.values())
        self.is_read = re.compile(prefix + _expression([
            segments[route] for route, methods in table.items()
            if methods.get('GET') is PASS])).fullmatch

    def find(self, segments: Sequence[str],
             method: str) -> calls.Operation | None:
        """Return the operation at a path, None if it is not in the table.

        :param segments: the segments of the path
        """
        return (self._fixed.get((*segments, method)) or
                self._methods.get(_shape(segments), {}).get(method))


def _is_fixed(segments: Sequence[str]) -> bool:
    """Return whether a fixed segment is in the place of a variable."""
    return not all(segment.startswith('{') for segment in segments[1::2])


def _shape(segments: Sequence[str]) -> tuple[int | str, ...]:
    """Return the key of a path: its length and fixed segments."""
    return len(segments), *segments[::2]


def _expression(branches: Iterable[Sequence[str]]) -> str:
    """Return a regular expression that matches routes, given as segments.

    It contains common beginnings once, so that it matches the last route as
    fast as the first.
    """
    branches = list(branches)
    tails: dict[str, list[Sequence[str]]] = {}
    for segment, *tail in filter(None, branches):
        name = '[^/]*' if segment.startswith('{') else re.escape(segment)
        tails.setdefault(name, []).append(tail)
    if not tails:
        return ''
    alternatives = '|'.join(
        f'/{name}{_expression(below)}' for name, below in tails.items())
    return f'(?:{alternatives})' + '?' * ([] in branches)


def method_of(environ: documents.Environ) -> str:
    """Return the method by which Routes routes a request.

    ``GET /servers/{id}?_method=DELETE`` deletes a server, because Nova's
    router accepts method overrides
    (routes.middleware.RoutesMiddleware.__call__). WebOb parses them here, as
    it does there, so that no other spelling is missed.
    """
    method: str = environ['REQUEST_METHOD']
    if '_method' in environ.get('QUERY_STRING', ''):
        variables = 'GET'
    elif method == 'POST' and routes.middleware.is_form_post(environ):
        variables = 'POST'
    else:
        return method
    try:
        override = getattr(webob.Request(environ), variables).get('_method')
    except UnicodeDecodeError:
        return method
    return override.upper() if override else method
