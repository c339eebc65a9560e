# SPDX-License-Identifier: Apache-2.0
"""What Cinder's database has of volumes, and more of the same.

To make a volume takes Cinder a hundred times as long as to copy its row. All
that its fake backend knows of a volume stands in that row.
"""

import functools
import uuid

import sqlalchemy

from tests.cloud import connections
from tests.cloud import layout


class CinderRows:
    """Reads and copies rows of Cinder's.

    :param cloud: a tests.cloud.state.Cloud
    """

    def __init__(self, cloud):
        self._files = layout.Layout(cloud.root)

    def get(self, table, identifier, column):
        """Return a value of a row, None where there is no such row."""
        return next((value for value, in self._select(
            f'SELECT {column} FROM {table} WHERE id = :value',
            identifier)), None)

    def get_attachments(self, server):
        """Return (volume, attachment) of each volume of a server."""
        return self._select(
            'SELECT volume_id, id FROM volume_attachment '
            'WHERE instance_uuid = :value AND deleted = 0', server)

    def get_volume(self, volume):
        """Return (status, snapshot) of a volume, for each of its snapshots.

        A snapshot is None where there are none; nothing where the volume is
        gone.
        """
        return self._select(
            'SELECT volumes.status, snapshots.id FROM volumes '
            'LEFT JOIN snapshots ON volume_id = volumes.id '
            'AND snapshots.deleted = 0 '
            'WHERE volumes.id = :value AND volumes.deleted = 0', volume)

    def copy(self, table, identifier, **changes):
        """Copy a row that has a UUID.

        :param changes: what is different in the copy, by column
        :returns: the UUID of the copy
        """
        changes['id'] = str(uuid.uuid4())
        columns = self._columns[table]
        values = ', '.join(
            f':{column}' if column in changes else column
            for column in columns)
        self._write(sqlalchemy.text(
            f'INSERT INTO {table} ({", ".join(columns)}) SELECT {values} '
            f'FROM {table} WHERE id = :copied'),
            {'copied': identifier, **changes})
        return changes['id']

    def insert(self, table, **values):
        """Insert a row."""
        # SQLAlchemy quotes what MariaDB reserves, such as "key".
        self._write(sqlalchemy.table(
            table, *map(sqlalchemy.column, values)).insert(), values)

    def update(self, table, identifier, **changes):
        """Change a row."""
        self._write(sqlalchemy.text(
            f'UPDATE {table} SET '
            f'{", ".join(f"{column} = :{column}" for column in changes)} '
            'WHERE id = :id'), {'id': identifier, **changes})

    def naming(self, identifiers):
        """Return all rows (dict of table and list) that name any of some ids.

        In whatever column.
        """
        found = {}
        identifiers = sorted(identifiers)
        with connections.connected(self._files, 'cinder') as cinder:
            for table, columns in self._columns.items():
                naming = [column for column in columns
                          if column.endswith(('id', 'uuid'))]
                if naming:
                    found[table] = connections.rows_with(
                        cinder, table, naming, identifiers)
        return found

    @functools.cached_property
    def _columns(self):
        """The names of the columns of each table."""
        return connections.columns(self._files, 'cinder')

    def _select(self, statement, value):
        with connections.connected(self._files, 'cinder') as cinder:
            return cinder.execute(
                sqlalchemy.text(statement), {'value': value}).all()

    def _write(self, statement, values):
        with connections.connected(self._files, 'cinder') as cinder:
            cinder.execute(statement, values)
