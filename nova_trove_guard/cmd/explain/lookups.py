# SPDX-License-Identifier: Apache-2.0
"""Which servers are managed: as it is given, or as Nova's API says.

In place of nova_trove_guard.nova.lookup.NovaLookup, which asks Nova's
databases.
"""

from collections.abc import Collection, Iterator

from keystoneauth1 import adapter
from keystoneauth1 import exceptions

from nova_trove_guard.cmd import outcome
from nova_trove_guard.core import calls
from nova_trove_guard.core import resources
from nova_trove_guard.core import services
from nova_trove_guard.nova import policies

# Where a request names no server that it acts on, or by no valid id.
ANY = '<server>'


class Given:
    """Whatever a request acts on is managed, or nothing is.

    :param is_managed: which of them
    :param project_id: the id of the project that owns the server
    :param user_id: the id of the user who made it
    :param database_instance: the marker's value
    """

    error = None

    def __init__(self, is_managed: bool, project_id: str, user_id: str,
                 database_instance: str) -> None:
        self._is_managed = is_managed
        self._others = project_id, user_id, database_instance

    def find(self, named: Collection[calls.Named]) -> Iterator[
            tuple[calls.Named, services.Found]]:
        """Yield what a request names, with what it leads to."""
        for each in named:
            if each.identifier is None:
                yield each, ()
            elif self._is_managed:
                yield each, (resources.ManagedResource(
                    policies.KIND, each.identifier
                    if each.target.kind == policies.KIND else ANY,
                    *self._others),)
            else:
                yield each, (None,)


class LookedUp:
    """Servers as Nova's API shows them to an admin.

    :param nova: the Compute API
    :param metadata_key: the marker
    :ivar error: what went wrong, None for nothing: the guard takes it for
        Nova's, and refuses
    """

    def __init__(self, nova: adapter.Adapter, metadata_key: str) -> None:
        self._nova = nova
        self._metadata_key = metadata_key
        self.error: Exception | None = None

    def find(self, named: Collection[calls.Named]) -> Iterator[
            tuple[calls.Named, services.Found]]:
        """Yield what a request names, with what it leads to."""
        for each in named:
            try:
                found = (self._servers(each.target.kind, each.identifier)
                         if each.identifier else ())
            except Exception as error:
                self.error = error
                raise
            yield each, found

    def _servers(self, kind: str, identifier: str) -> services.Found:
        if kind != policies.KIND:
            raise outcome.Refused(
                f'the request names a {kind}, not a server: say with '
                f'--managed or --unmanaged what server that leads to')
        try:
            shown = self._nova.get(f'/servers/{identifier}').json()['server']
        except exceptions.NotFound:
            return ()
        if self._metadata_key not in shown['metadata']:
            return (None,)
        return (resources.ManagedResource(
            policies.KIND, shown['id'], shown['tenant_id'], shown['user_id'],
            shown['metadata'][self._metadata_key]),)
