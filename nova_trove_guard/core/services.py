# SPDX-License-Identifier: Apache-2.0
"""What a wing provides: one service, as the guard needs to know it."""

from collections.abc import Callable, Collection, Iterable
import typing

import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import resources

# They are those of WSGI (PEP 3333).
StartResponse: typing.TypeAlias = Callable[..., typing.Any]
Application: typing.TypeAlias = Callable[
    [documents.Environ, StartResponse], Iterable[bytes]]

# What an identifier leads to: for each resource that exists, a managed one or
# None for one that is not managed.
Found: typing.TypeAlias = Collection[resources.ManagedResource | None]

# Tells whether a call that needs proof serves a managed resource; raises what
# a service that can't be asked raises.
Confirm: typing.TypeAlias = Callable[
    [calls.Call, resources.ManagedResource, documents.Environ], bool]



class Redactor(typing.Protocol):
    """Take out of an answer what it shows of managed resources."""

    def __call__(self, content: bytes, may_show: Callable[
            [resources.ManagedResource], bool]) -> bytes:
        """Return the body of an answer, or the same without some of it.

        :param content: the body
        :param may_show: asked of each managed resource in it
        :raises Exception: what can't be read or looked up; the answer is not
            sent then
        """


class Lookup(typing.Protocol):
    """Tell managed resources from others."""

    def find(self, named: Collection[calls.Named]) -> Iterable[
            tuple[calls.Named, Found]]:
        """Yield what a request names, with what it leads to, in its order.

        What leads to nothing managed may be left out, unless a call on what
        does not exist must be known (calls.Target.is_subject).

        :raises Exception: whatever a database or a service that does not
            respond raises; never taken for "not managed"
        """


class Service(typing.Protocol):
    """Know how a service reads requests and how it answers them.

    :ivar kind: what it calls the resources that are managed
    """

    kind: str

    def read(self, environ: documents.Environ) -> calls.Call | None:
        """Return what a request asks, None for what the guard lets pass.

        :raises webob.exc.HTTPException: as the service itself does when it
            reads the body
        """

    def refuses(self, operation: calls.Operation,
                environ: documents.Environ) -> bool:
        """Return whether the service refuses before it looks at resources.

        Only found out where a caller may name as many as they like: nothing
        is looked up for a caller whom the service refuses anyway.
        """

    def not_found(self, kind: str,
                  identifier: str | None) -> webob.exc.HTTPException:
        """Return what the service says of what does not exist.

        :param kind: that of its calls.Target
        :param identifier: as it stands in the request
        """

    def unauthorized(
            self, operation: calls.Operation,
            resource: resources.ManagedResource) -> webob.exc.HTTPException:
        """Return the refusal by the service of what exists for the caller."""

    def answer(self, fault: webob.exc.HTTPException,
               environ: documents.Environ,
               start_response: StartResponse) -> Iterable[bytes]:
        """Send a fault in the service's own form, as a WSGI application."""
