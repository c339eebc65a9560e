# SPDX-License-Identifier: Apache-2.0
"""Find out, in Nova's databases, whether a server is managed.

A lookup runs two SQL statements through Nova's own models, engines and cell
cache: one for the server's cell, and one in that cell, for the server and its
marker. ``nova.compute.api.API.get``, which Nova's controllers use, runs four
and builds objects from the rows; it is used only for a server that is in no
cell yet.

A volume or snapshot that has no server is looked up in Cinder, with the
caller's token, as Nova itself does next
(nova.compute.api.API._get_volumes_for_bdms).

A database that hangs makes only those lookups fail that need it: each cell's
database, and each other service, has threads of its own (core.deadline).

Statements run on the primary databases, never on a ``slave_connection``, which
may not have the marker yet.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
import typing

from cinderclient import exceptions as cinder_exceptions
import nova.compute.api
from nova import context as nova_context
from nova.db.api import api as api_db
from nova.db.api import models as api_models
from nova.db.main import models
from nova import exception
from nova.network import neutron
from nova import objects
from nova.volume import cinder
from oslo_context import context as oslo_context
import sqlalchemy

from nova_trove_guard.core import calls
from nova_trove_guard.core import deadline
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core import resources
from nova_trove_guard.core import services
from nova_trove_guard.nova import policies


_CELLS_OF_SERVERS = sqlalchemy.select(
    api_models.InstanceMapping.instance_uuid,
    api_models.CellMapping.uuid,
).outerjoin(
    api_models.CellMapping,
    api_models.CellMapping.id == api_models.InstanceMapping.cell_id,
).where(
    api_models.InstanceMapping.instance_uuid.in_(
        sqlalchemy.bindparam('server_ids', expanding=True)))

# One row for each server, with or without the marker. The database may ignore
# the case of the key: see NovaLookup._rows().
_SERVERS = sqlalchemy.select(
    models.Instance.uuid, models.Instance.project_id, models.Instance.user_id,
    models.InstanceMetadata.key, models.InstanceMetadata.value,
).outerjoin(
    models.InstanceMetadata, sqlalchemy.and_(
        models.InstanceMetadata.instance_uuid == models.Instance.uuid,
        models.InstanceMetadata.deleted == 0,
        models.InstanceMetadata.key == sqlalchemy.bindparam('metadata_key')),
).where(models.Instance.deleted == 0)

_SERVERS_BY_ID = _SERVERS.where(models.Instance.uuid.in_(
    sqlalchemy.bindparam('server_ids', expanding=True)))

# All servers that a volume is attached to. Nova's own
# nova.compute.api.API._get_bdm_by_volume_id returns only one.
_SERVERS_OF_VOLUME = _SERVERS.where(models.Instance.uuid.in_(
    sqlalchemy.select(models.BlockDeviceMapping.instance_uuid).where(
        models.BlockDeviceMapping.volume_id == sqlalchemy.bindparam(
            'volume_id'),
        models.BlockDeviceMapping.deleted == 0)))

# What lookups wait for, besides databases.
_CINDER = 'cinder'
_NEUTRON = 'neutron'

# None stands for a server that exists and is not managed.
Server: typing.TypeAlias = resources.ManagedResource | None


class Cell(typing.NamedTuple):
    """A cell, and what connects to its databases."""

    uuid: str
    database: typing.Any


_A = typing.TypeVar('_A')
_F = typing.TypeVar('_F', bound=Collection[typing.Any])


class NovaLookup:
    """Find out which servers are managed.

    Lookups of servers do not depend on the caller's context.

    :param metadata_key: the marker
    :param measures: times and counts lookups
    :param bound: limits the time of a lookup
    """

    def __init__(self, metadata_key: str,
                 measures: metrics.Metrics,
                 bound: deadline.Deadline) -> None:
        self._metadata_key = metadata_key
        self._measures = measures
        self._bound = bound
        self._compute = nova.compute.api.API()
        self._network = neutron.API()
        self._leading = {
            'volume': self._of_volume,
            'floating_ip': self._of_floating_ip,
            'floating_ip_address': self._of_floating_ip_address,
            'console_token': self._of_console_token,
        }
        self._in_cinder = {
            'cinder_volume': self._of_cinder_volume,
            'cinder_snapshot': self._of_cinder_snapshot,
        }

    def find(self, named: Collection[calls.Named]) -> Iterator[
            tuple[calls.Named, services.Found]]:
        """Yield identifiers, each with the servers that it leads to.

        All server ids are looked up together. Each other identifier is looked
        up only when its turn comes.

        :raises Exception: if a database, a cell, Neutron or Cinder does not
            respond; this must never be taken for "not managed"
        """
        servers = None
        for each in named:
            if each.identifier is None:
                yield each, ()
            elif each.target.kind == policies.KIND:
                if servers is None:
                    servers = self._look_up(self._servers, [
                        one.identifier for one in named if one.identifier
                        and one.target.kind == policies.KIND])
                found = each.identifier.lower()
                yield each, (servers[found],) if found in servers else ()
            elif each.target.kind in self._in_cinder:
                if len(each.identifier) < len(calls.NIL_UUID):
                    yield each, ()  # Cinder has no such id.
                    continue
                there = self._look_up(
                    self._in_cinder[each.target.kind], each.identifier)
                yield each, there
                if not there and each.target.kind == 'cinder_volume':
                    # Nova stops here, too. Otherwise a caller who names
                    # thousands of volumes that do not exist could make the
                    # guard call Cinder for each. It does not stop at a
                    # snapshot in a mapping with a volume or an image
                    # (nova.compute.api.API._validate_bdm).
                    return
            else:
                yield each, self._look_up(
                    self._leading[each.target.kind], each.identifier)

    def _look_up(self, function: Callable[[deadline.Running, _A], _F],
                 argument: _A) -> _F:
        return self._measures.timed(
            lambda: function(self._bound.start(), argument))

    def _servers(self, running: deadline.Running,
                 server_ids: Iterable[str]) -> dict[str, Server]:
        """Return the servers that exist, by id in lower case."""
        cells = running.call(deadline.DATABASE, self._cells, server_ids)
        found = self._in_cells(running, cells)
        missing = cells.keys() - found.keys()
        if missing:
            # The server may have been moved to another cell, which deletes it
            # in the first
            # (nova.conductor.tasks.cross_cell_migrate.ConfirmResizeTask).
            again = running.call(deadline.DATABASE, self._cells, missing)
            found |= self._in_cells(running, {
                server_id: cell for server_id, cell in again.items()
                if cell != cells[server_id]})
        return found

    def _cells(self, server_ids: Iterable[str]) -> dict[str, Cell | None]:
        """Return the cell of each server, None for a server in no cell yet.

        A server without an instance mapping does not exist for Nova, either.
        """
        with api_db.get_engine().connect() as connection:
            rows = connection.execute(
                _CELLS_OF_SERVERS, {'server_ids': list(server_ids)}).all()
        return {server_id.lower(): cell and Cell(cell, _database(cell))
                for server_id, cell in rows}

    def _in_cells(self, running: deadline.Running,
                  cells: dict[str, Cell | None]) -> dict[str, Server]:
        """Return the servers that exist in the given cells, by id."""
        found: dict[str, Server] = {}
        for cell in set(cells.values()):
            server_ids = [server_id for server_id, its_cell in cells.items()
                          if its_cell == cell]
            if cell is None:
                found |= running.call(
                    deadline.DATABASE, self._in_no_cell, server_ids)
            else:
                found |= running.call(
                    cell.uuid, self._rows, cell.database, _SERVERS_BY_ID,
                    server_ids=server_ids)
        return found

    def _rows(self, database: typing.Any,
              statement: sqlalchemy.Executable, **parameters: typing.Any,
              ) -> dict[str, Server]:
        """Return the servers that a statement finds in a cell, by id."""
        found: dict[str, Server] = {}
        with database.writer.get_engine().connect() as connection:
            for server_id, project_id, user_id, key, value in (
                    connection.execute(statement, {
                        'metadata_key': self._metadata_key, **parameters})):
                # MariaDB also finds the key in another case: not the marker.
                if key == self._metadata_key:
                    found[server_id.lower()] = resources.ManagedResource(
                        policies.KIND, server_id, project_id, user_id,
                        value or '')
                else:
                    found.setdefault(server_id.lower(), None)
        return found

    def _in_no_cell(self, server_ids: Iterable[str]) -> dict[str, Server]:
        """Return servers that are being built, as Nova's own API finds them.

        It also finds a server that has just moved into its cell.
        """
        found: dict[str, Server] = {}
        for server_id in server_ids:
            try:
                instance = self._compute.get(
                    nova_context.get_admin_context(), server_id)
            except exception.InstanceNotFound:
                continue
            marker = instance.metadata.get(self._metadata_key)
            found[server_id] = None if marker is None else (
                resources.ManagedResource(
                    policies.KIND, instance.uuid, instance.project_id,
                    instance.user_id, marker))
        return found

    def _of_volume(self, running: deadline.Running,
                   volume_id: str) -> services.Found:
        found: dict[str, Server] = {}
        for cell in running.call(deadline.DATABASE, _each_cell):
            found |= running.call(
                cell.cell_uuid, self._rows, cell.db_connection,
                _SERVERS_OF_VOLUME, volume_id=volume_id)
        return found.values()

    def _of_cinder_volume(self, running: deadline.Running,
                          volume_id: str) -> services.Found:
        """Return the managed servers of a volume, else the volume itself."""
        found = self._of_volume(running, volume_id)
        if any(found):
            return found
        try:
            volume = running.call(
                _CINDER, _volume, oslo_context.get_current(), volume_id)
        except cinder_exceptions.NotFound:
            return ()
        marker = volume.metadata.get(self._metadata_key)
        return (None if marker is None else resources.ManagedResource(
            'volume', volume.id,
            # Cinder's policy may hide this attribute.
            getattr(volume, 'os-vol-tenant-attr:tenant_id', ''),
            volume.user_id, marker),)

    def _of_cinder_snapshot(self, running: deadline.Running,
                            snapshot_id: str) -> services.Found:
        try:
            snapshot = running.call(
                _CINDER, _snapshot, oslo_context.get_current(), snapshot_id)
        except cinder_exceptions.NotFound:
            return ()
        return self._of_cinder_volume(running, snapshot.volume_id)

    def _of_floating_ip(self, running: deadline.Running,
                        floating_ip_id: str) -> services.Found:
        try:
            floating_ip = running.call(
                _NEUTRON, lambda: self._network.get_floating_ip(
                    nova_context.get_admin_context(), floating_ip_id))
        except exception.NotFound:
            return ()
        port = floating_ip['port_details']
        return self._with_id(running, port and port['device_id'])

    def _of_floating_ip_address(self, running: deadline.Running,
                                address: str) -> services.Found:
        try:
            server_id = running.call(
                _NEUTRON,
                lambda: self._network.get_instance_id_by_floating_address(
                    nova_context.get_admin_context(), address))
        except exception.NotFound:
            return ()
        return self._with_id(running, server_id)

    def _of_console_token(self, running: deadline.Running,
                          token: str) -> services.Found:
        """Return the server whose console a token opens.

        See ConsoleAuthTokensController._show in
        nova.api.openstack.compute.console_auth_tokens.
        """
        server_ids = []
        for cell in running.call(deadline.DATABASE, _each_cell):
            try:
                server_ids.append(running.call(
                    cell.cell_uuid, objects.ConsoleAuthToken.validate, cell,
                    token).instance_uuid)
            except exception.InvalidToken:
                pass
        return self._servers(
            running, server_ids).values() if server_ids else ()

    def _with_id(self, running: deadline.Running,
                 device_id: str | None) -> services.Found:
        """Return the server with the device_id of a port in Neutron.

        The device_id can be any text, as the port's owner writes it.
        """
        server_id = calls.canonical_id(device_id)
        return self._servers(
            running, [server_id]).values() if server_id else ()


def _database(cell: str) -> typing.Any:
    """Return what connects to a cell's databases."""
    if cell not in nova_context.CELL_CACHE:
        context = nova_context.get_admin_context()
        nova_context.set_target_cell(
            context, objects.CellMapping.get_by_uuid(context, cell))
    database, _ = nova_context.CELL_CACHE[cell]
    return database


def _each_cell() -> list[nova_context.RequestContext]:
    """Return an admin context for the database of each cell, as Nova does.

    See nova.compute.api.API._get_bdm_by_volume_id.
    """
    nova_context.load_cells()
    contexts = []
    for cell in nova_context.CELLS:
        context = nova_context.get_admin_context()
        nova_context.set_target_cell(context, cell)
        contexts.append(context)
    return contexts


# keystonecontext has set the caller's context, the current one, before the
# guard gets the request.
def _volume(caller: typing.Any, volume_id: str) -> typing.Any:
    return cinder.cinderclient(caller).volumes.get(volume_id)


def _snapshot(caller: typing.Any, snapshot_id: str) -> typing.Any:
    return cinder.cinderclient(caller).volume_snapshots.get(snapshot_id)
