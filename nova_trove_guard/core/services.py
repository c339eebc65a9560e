# SPDX-License-Identifier: Apache-2.0
"""The interface of a wing: what the guard needs to know of one service."""

from collections.abc import Callable, Collection, Iterable
import typing

import webob.exc

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import resources

# WSGI's types (PEP 3333).
StartResponse: typing.TypeAlias = Callable[..., typing.Any]
Application: typing.TypeAlias = Callable[
    [documents.Environ, StartResponse], Iterable[bytes]]

# The resources to which an identifier leads: each existing one, as None if it
# is not managed.
Found: typing.TypeAlias = Collection[resources.ManagedResource | None]

# Returns whether a call that needs proof serves a managed resource. Raises an
# exception if the service that knows it does not respond.
Confirm: typing.TypeAlias = Callable[
    [calls.Call, resources.ManagedResource, documents.Environ], bool]


class Redactor(typing.Protocol):
    """Remove from a response what it shows of managed resources."""

    def __call__(self, content: bytes, may_show: Callable[
            [resources.ManagedResource], bool]) -> bytes:
        """Return the body of a response, redacted where that is necessary.

        :param content: the body
        :param may_show: called for each managed resource in it; returns
            whether the caller may see the resource
        :raises Exception: if the body can't be read, or a lookup fails; the
            response is then not sent
        """


class Lookup(typing.Protocol):
    """Find out which resources are managed."""

    def find(self, named: Collection[calls.Named]) -> Iterable[
            tuple[calls.Named, Found]]:
        """Yield identifiers, in order, each with the resources it leads to.

        An identifier that leads to nothing managed may be left out, unless
        the guard must know whether the resource exists
        (calls.Target.is_subject).

        :raises Exception: if a database or a service does not respond; this
            must never be taken for "not managed"
        """


class Service(typing.Protocol):
    """Read requests and send faults as one service does.

    :ivar kind: the service's name for the resources that are managed
    """

    kind: str

    def read(self, environ: documents.Environ) -> calls.Call | None:
        """Return the call that a request makes, None if it may pass.

        :raises webob.exc.HTTPException: as the service raises it when it
            reads the body
        """

    def refuses(self, operation: calls.Operation,
                environ: documents.Environ) -> bool:
        """Return whether the service refuses a call without any lookup.

        This is checked only for operations that can name any number of
        resources, or that name them by other things than ids. The guard looks
        up nothing for a caller whom the service refuses anyway.
        """

    def not_found(self, kind: str,
                  identifier: str | None) -> webob.exc.HTTPException:
        """Return the service's fault for a resource that does not exist.

        :param kind: the kind of the calls.Target
        :param identifier: as it is written in the request
        """

    def unauthorized(
            self, operation: calls.Operation,
            resource: resources.ManagedResource) -> webob.exc.HTTPException:
        """Return the service's fault for a call that its policy refuses."""

    def send_fault(self, fault: webob.exc.HTTPException,
                   environ: documents.Environ,
                   start_response: StartResponse) -> Iterable[bytes]:
        """Send a fault in the service's own form, as a WSGI application."""
