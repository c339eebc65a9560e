# SPDX-License-Identifier: Apache-2.0
"""Which servers are managed: as it is given, or as Nova's API tells.

In place of nova_trove_guard.nova.lookup.Lookup, which looks into Nova's
databases.
"""

from keystoneauth1 import exceptions

from nova_trove_guard.cmd import outcome
from nova_trove_guard.nova import lookup

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

    def __init__(self, is_managed, project_id, user_id, database_instance):
        self._is_managed = is_managed
        self._others = project_id, user_id, database_instance

    def find(self, named):
        """Yield what a request names, with its servers: see lookup.Lookup."""
        for each in named:
            yield each, each.identifier and [self._is_managed and (
                lookup.ManagedServer(
                    each.identifier if each.target.kind == 'server' else ANY,
                    *self._others)) or None]


class LookedUp:
    """Servers as Nova's API shows them to an admin.

    :param nova: keystoneauth1 Adapter of the Compute API
    :param metadata_key: the marker
    :ivar error: what went wrong, None for nothing: the guard takes it for
        Nova's, and refuses
    """

    def __init__(self, nova, metadata_key):
        self._nova = nova
        self._metadata_key = metadata_key
        self.error = None

    def find(self, named):
        """Yield what a request names, with its servers: see lookup.Lookup."""
        for each in named:
            try:
                yield each, each.identifier and self._servers(
                    each.target.kind, each.identifier)
            except Exception as error:
                self.error = error
                raise

    def _servers(self, kind, identifier):
        if kind != 'server':
            raise outcome.Refused(
                f'the request names a {kind}, not a server: tell with '
                f'--managed or --unmanaged what server that leads to')
        try:
            shown = self._nova.get(f'/servers/{identifier}').json()['server']
        except exceptions.NotFound:
            return []
        if self._metadata_key not in shown['metadata']:
            return [None]
        return [lookup.ManagedServer(
            shown['id'], shown['tenant_id'], shown['user_id'],
            shown['metadata'][self._metadata_key])]
