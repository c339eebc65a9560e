# SPDX-License-Identifier: Apache-2.0
"""What Nova's databases say of servers, for tests that wait for it.

Who asks Nova's API again and again keeps it from doing what is waited for: an
answer costs more than a hundred times what a row does.
"""

import collections

from tests.cloud import layout

Row = collections.namedtuple(
    'Row', 'uuid vm_state task_state locked host network_info')
# The vm_state of a server whose resize waits to be confirmed.
RESIZED = 'resized'
CELLS = ('nova-cell1', 'nova-cell0')
# The metadata of a managed server that names its database instance.
MARKER = 'trove_instance_id'


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
        ago = f'-{seconds} seconds'
        for name in CELLS:
            with self._files.open_database(name, 'rw') as cell, cell:
                cell.execute(
                    'UPDATE instances SET launched_at = '
                    'strftime("%Y-%m-%d %H:%M:%f000", launched_at, ?) '
                    'WHERE uuid = ?', [ago, server])
                cell.execute(
                    'UPDATE instance_actions SET start_time = '
                    'strftime("%Y-%m-%d %H:%M:%f000", start_time, ?) '
                    'WHERE instance_uuid = ?', [ago, server])

    def marked(self, instance):
        """Return the ids of the servers that carry an instance's marker."""
        return [server for name in CELLS for server in self._marked(
            name, instance)]

    def _marked(self, cell, instance):
        with self._files.open_database(cell) as cell:
            return [server for server, in cell.execute(
                'SELECT uuid FROM instances JOIN instance_metadata '
                'ON instance_uuid = uuid WHERE key = ? AND value = ? '
                'AND instances.deleted = 0', [MARKER, instance])]

    def _read(self, column, value):
        found = []
        for name in CELLS:
            with self._files.open_database(name) as cell:
                found += map(Row._make, cell.execute(
                    f'SELECT {", ".join(Row._fields)} FROM instances '
                    f'JOIN instance_info_caches ON instance_uuid = uuid '
                    f'WHERE {column} = ? AND instances.deleted = 0',
                    [value]))
        return found


def is_settled(row):
    """Return whether no task of a server is under way, nor will be by itself.

    A server that is deleted is gone in a moment
    (nova.compute.manager.ComputeManager._delete_instance).

    :param row: a Row
    """
    return row.task_state is None and row.vm_state not in (
        'building', 'deleted')
