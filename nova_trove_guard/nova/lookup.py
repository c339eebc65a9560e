# SPDX-License-Identifier: Apache-2.0
"""Is it Trove's: the look-up of a server, inside Nova's process."""

import dataclasses

import nova.compute.api
from nova import context as nova_context
from nova.db.main import api as main_db
from nova import exception
from nova.network import neutron
from nova import objects
from oslo_context import context as oslo_context



@dataclasses.dataclass(frozen=True, slots=True)
class ManagedServer:
    """A server that carries the marker.

    :ivar uuid: the server's id, as Nova's database has it
    :ivar project_id: the project that owns the server in Nova
    :ivar user_id: the user who asked Nova for the server
    :ivar database_instance: the id of the database instance (the marker's
        value, which may be empty)
    """

    uuid: str
    project_id: str
    user_id: str
    database_instance: str


class CellDown(Exception):
    """A cell's database does not answer."""


class Servers:
    """Tells managed servers from others.

    Looks up as the controllers of Nova do, so that there is no server that
    they find and this does not: building and not yet in a cell, in cell0, in
    any cell, soft-deleted, shelved, by an id in another spelling. The caller
    has no say in it: each look-up has an admin context of its own, as
    nova.compute.api.API re-targets the one that it is given to a cell.

    :param metadata_key: the marker
    :param metrics: nova_trove_guard.core.reports.metrics.Off or Statsd
    """

    def __init__(self, metadata_key, metrics):
        self._metadata_key = metadata_key
        self._measured_look_up = metrics.measured(self._look_up)
        self._compute = nova.compute.api.API()
        self._network = neutron.API()
        self._server_ids = {
            'server': lambda server_id: (server_id,),
            'volume': self._of_volume,
            'floating_ip': self._of_floating_ip,
            'floating_ip_address': self._of_floating_ip_address,
            'console_token': self._of_console_token,
        }

    def existing(self, named):
        """Return those of what a request names that may exist.

        Of hundreds of servers in one request, those that exist nowhere are
        found by a single statement, as Nova finds them
        (ServerExternalEventsController._get_instances_all_cells in
        nova.api.openstack.compute.server_external_events).

        :param named: list of nova_trove_guard.nova.operations.Named
        """
        server_ids = [each.identifier for each in named
                      if each.target.kind == 'server'
                      and each.identifier is not None]
        if len(server_ids) < 2:
            return named
        mapped = {
            mapping.instance_uuid for mapping in
            objects.InstanceMappingList.get_by_instance_uuids(
                nova_context.get_admin_context(), server_ids)}
        return [each for each in named if each.target.kind != 'server'
                or each.identifier is None or each.identifier in mapped]

    def find(self, named):
        """Return the servers that something leads to.

        :param named: nova.operations.Named, with an identifier
        :returns: list with a ManagedServer, or None for an unmanaged server,
            for each server that exists
        :raises Exception: whatever a database, a cell or Neutron that does
            not answer raises in Nova; never taken for "not managed"
        """
        callers_context = oslo_context.get_current()
        try:
            return self._measured_look_up(
                named.target.kind, named.identifier)
        finally:
            # Nova leaves the context of the cell with the thread
            # (nova.context.target_cell), and the log takes the request id
            # and the user from there.
            if callers_context is not None:
                callers_context.update_store()

    def _look_up(self, kind, identifier):
        """Return what an identifier leads to: see find()."""
        found = []
        for server_id in self._server_ids[kind](identifier):
            try:
                found.append(self._server(server_id))
            except exception.InstanceNotFound:
                pass
        return found

    def _server(self, server_id):
        instance = self._compute.get(
            nova_context.get_admin_context(), server_id)
        if self._metadata_key not in instance.metadata:
            return None
        return ManagedServer(instance.uuid, instance.project_id,
                             instance.user_id,
                             instance.metadata[self._metadata_key])

    def _of_volume(self, volume_id):
        """Return the ids of the servers that a volume is attached to.

        As nova.compute.api.API._get_bdm_by_volume_id, but for all of them.
        """
        return [mapping.instance_uuid for mappings in _from_each_cell(
                    main_db.block_device_mapping_get_all_by_volume_id,
                    volume_id)
                for mapping in mappings]

    def _of_floating_ip(self, floating_ip_id):
        context = nova_context.get_admin_context()
        try:
            floating_ip = self._network.get_floating_ip(
                context, floating_ip_id)
        except exception.NotFound:
            return ()
        port = floating_ip['port_details']
        return (port['device_id'],) if port else ()

    def _of_floating_ip_address(self, address):
        try:
            server_id = self._network.get_instance_id_by_floating_address(
                nova_context.get_admin_context(), address)
        except exception.NotFound:
            return ()
        return (server_id,) if server_id else ()

    def _of_console_token(self, token):
        """Return the ids of the servers whose console a token opens.

        See ConsoleAuthTokensController._show in
        nova.api.openstack.compute.console_auth_tokens.
        """
        return [console.instance_uuid for console in _from_each_cell(
            objects.ConsoleAuthToken.validate, token)]


def _from_each_cell(read, argument):
    """Return the results of a read in each cell in which there is one.

    :param read: callable (context, argument)
    :raises Exception: the first failure of a cell, but for "not found"
    """
    results = nova_context.scatter_gather_all_cells(
        nova_context.get_admin_context(), read, argument)
    found = []
    for cell, result in results.items():
        if result is nova_context.did_not_respond_sentinel:
            raise CellDown(f'cell {cell} does not respond')
        if not isinstance(result, Exception):
            found.append(result)
        elif not isinstance(result, exception.InvalidToken):
            raise result
    return found
