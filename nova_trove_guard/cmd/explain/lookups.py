# SPDX-License-Identifier: Apache-2.0
"""Find out which resources are managed: by options, or in a service's API.

These replace the guard's own lookup, which reads the service's databases.
"""

from collections.abc import Callable, Collection, Iterator

from keystoneauth1 import adapter

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import resources
from nova_trove_guard.core import services


class Given:
    """A lookup by which all resources in a request are managed, or none are.

    :param shown: how the service's API shows managed resources
    :param is_managed: whether all or none are managed
    :param project_id: the id of the project that owns the resource
    :param user_id: the id of the user who created it
    :param database_instance: the marker's value
    """

    error = None

    def __init__(self, shown: wings.Shown, is_managed: bool, project_id: str,
                 user_id: str, database_instance: str) -> None:
        self._shown = shown
        self._is_managed = is_managed
        self._others = project_id, user_id, database_instance

    def find(self, named: Collection[calls.Named]) -> Iterator[
            tuple[calls.Named, services.Found]]:
        """Yield identifiers, each with the resources it leads to."""
        for each in named:
            if each.identifier is None:
                yield each, ()
            elif self._is_managed:
                # An identifier of another kind is not the resource's id.
                kind = self._shown.kind_of(each.target.kind)
                yield each, (resources.ManagedResource(
                    kind, each.identifier
                    if each.target.kind == kind else f'<{kind}>',
                    *self._others),)
            else:
                yield each, (None,)

    def confirm(self, call: calls.Call, resource: resources.ManagedResource,
                environ: documents.Environ) -> bool:
        """Return True: assume that a call that needs proof has it."""
        return True


class LookedUp:
    """A lookup in a service's API, with an admin's credentials.

    :param get_api: returns the API of a type in Keystone's catalog
    :param wing: the service
    :param metadata_key: the marker
    :ivar error: the exception of a lookup that failed, else None; the guard
        takes it for an error of the service, and refuses
    """

    def __init__(self, get_api: Callable[[str], adapter.Adapter],
                 wing: wings.Wing, metadata_key: str) -> None:
        self._get_api = get_api
        self._wing = wing
        self._metadata_key = metadata_key
        self.error: Exception | None = None

    def find(self, named: Collection[calls.Named]) -> Iterator[
            tuple[calls.Named, services.Found]]:
        """Yield identifiers, each with the resources it leads to."""
        for each in named:
            try:
                found = (self._resources(each.target.kind, each.identifier)
                         if each.identifier else ())
            except Exception as error:
                self.error = error
                raise
            yield each, found

    def confirm(self, call: calls.Call, resource: resources.ManagedResource,
                environ: documents.Environ) -> bool:
        """Check a call that needs proof as the guard in the service does."""
        prove = self._wing.confirm
        try:
            return prove is not None and prove(self._metadata_key)(
                call, resource, environ)
        except Exception as error:
            self.error = error
            raise

    def _resources(self, kind: str, identifier: str) -> services.Found:
        where = self._wing.shown
        if kind not in where.find:
            expected = ' or '.join(where.find)
            raise outcome.Refused(
                f'the request does not name a {expected} itself ({kind}): '
                f'give --managed or --unmanaged for the {self._wing.kind} to '
                f'which it leads'.replace('_', ' '))
        return where.find[kind](
            self._get_api(where.service_type), identifier,
            self._metadata_key)
