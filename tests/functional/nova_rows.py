# SPDX-License-Identifier: Apache-2.0
"""What Nova's databases say of servers, for tests that wait for it.

Who asks Nova's API again and again keeps it from doing what is waited for: an
answer costs more than a hundred times what a row does.
"""

import collections
import datetime

import sqlalchemy

from tests.cloud import connections
from tests.cloud import layout

Row = collections.namedtuple(
    'Row', 'uuid vm_state task_state locked host network_info')
# The vm_state of a server whose resize waits to be confirmed.
RESIZED = 'resized'
CELLS = ('nova-cell1', 'nova-cell0')
# The metadata of a managed server that names its database instance.
MARKER = 'trove_instance_id'
MARKED = sqlalchemy.text('''
SELECT uuid FROM instances JOIN instance_metadata ON instance_uuid = uuid
WHERE `key` = :marker AND value = :instance AND instances.deleted = 0
''').bindparams(marker=MARKER)
# Times, by table and by the column that names the server.
TIMES = (('instances', 'uuid', 'launched_at'),
         ('instance_actions', 'instance_uuid', 'start_time'))


class NovaRows:
    """Reads rows of Nova's servers.

    :param cloud: a tests.cloud.state.Cloud
    """

    def __init__(self, cloud):
        self._files = layout.Layout(cloud.root)

    def get(self, server):
        """Return the Row of a server, None where it is gone."""
        return next(iter(self._read('uuid', server)), None)

    def get_reservation(self, reservation):
        """Return the Rows of the servers of a reservation that are in cells.

        :param reservation: its id
        """
        return self._read('reservation_id', reservation)

    def let_time_pass(self, server, seconds):
        """Date back when a server became active and was last unlocked.

        :param server: its id
        :param seconds: by how much
        """
        by = datetime.timedelta(seconds=seconds)
        for name in CELLS:
            with connections.connected(self._files, name) as cell:
                for table, server_column, column in TIMES:
                    _date_back(cell, sqlalchemy.table(
                        table, sqlalchemy.column('id'),
                        sqlalchemy.column(server_column),
                        sqlalchemy.column(column, sqlalchemy.DateTime)),
                        server_column, server, column, by)

    def marked(self, instance):
        """Return the ids of the servers that carry an instance's marker."""
        return [server for name in CELLS for server in self._marked(
            name, instance)]

    def _marked(self, cell, instance):
        with connections.connected(self._files, cell) as cell:
            return list(cell.execute(MARKED, {'instance': instance}).scalars())

    def _read(self, column, value):
        found = []
        for name in CELLS:
            with connections.connected(self._files, name) as cell:
                found += map(Row._make, cell.execute(sqlalchemy.text(
                    f'SELECT {", ".join(Row._fields)} FROM instances '
                    f'JOIN instance_info_caches ON instance_uuid = uuid '
                    f'WHERE {column} = :value AND instances.deleted = 0'),
                    {'value': value}))
        return found


def _date_back(cell, table, server_column, server, column, by):
    """Date back a time in the rows of a server."""
    rows = cell.execute(sqlalchemy.select(table.c.id, table.c[column]).where(
        table.c[server_column] == server)).all()
    for identifier, time in rows:
        cell.execute(table.update().where(table.c.id == identifier).values(
            {column: time and time - by}))


def is_settled(row):
    """Return whether no task of a server is under way, nor will be by itself.

    A server that is deleted is gone in a moment
    (nova.compute.manager.ComputeManager._delete_instance).

    :param row: a Row
    """
    return row.task_state is None and row.vm_state not in (
        'building', 'deleted')
