# SPDX-License-Identifier: Apache-2.0
"""What Neutron's database has of ports, security groups and the rest."""

import functools
import uuid

import sqlalchemy

from tests.cloud import connections
from tests.cloud import layout


class NeutronRows:
    """Reads and makes rows of Neutron's.

    :param cloud: a tests.cloud.state.Cloud
    """

    def __init__(self, cloud):
        self._files = layout.Layout(cloud.root)

    def naming(self, identifiers):
        """Return all rows (dict of table and list) that name any of some ids.

        In whatever column; and what such a row has in another table, such as
        tags and its revision.
        """
        with connections.connected(self._files, 'neutron') as neutron:
            found = self._select(neutron, sorted(identifiers),
                                 lambda column: column.endswith('id'))
            attributes = sorted({
                row['standard_attr_id'] for rows in found.values()
                for row in rows if row.get('standard_attr_id')})
            of_them = self._select(neutron, attributes,
                                   lambda column: column == 'standard_attr_id')
            found['standardattributes'] = connections.rows_with(
                neutron, 'standardattributes', ['id'], attributes)
        return found | {f'{table} of them': rows
                        for table, rows in of_them.items()}

    def insert_with_attributes(self, table, **values):
        """Insert a row, and that with its standard attributes.

        :returns: the new UUID of the row
        """
        values['id'] = str(uuid.uuid4())
        with connections.connected(self._files, 'neutron') as neutron:
            values['standard_attr_id'] = neutron.execute(sqlalchemy.text(
                'INSERT INTO standardattributes (resource_type, '
                'revision_number) VALUES (:table, 0)'),
                {'table': table}).lastrowid
            neutron.execute(sqlalchemy.text(
                f'INSERT INTO {table} ({", ".join(values)}) VALUES '
                f'({", ".join(":" + column for column in values)})'), values)
        return values['id']

    def delete_tags(self, tags):
        """Delete tags, whatever has them."""
        with connections.connected(self._files, 'neutron') as neutron:
            for tag in tags:
                neutron.execute(sqlalchemy.text(
                    'DELETE FROM tags WHERE tag = :tag'), {'tag': tag})

    def _select(self, neutron, values, is_wanted):
        """Return the rows with a value in a wanted column, by table."""
        found = {}
        for table, columns in self._columns.items():
            wanted = [column for column in columns if is_wanted(column)]
            if wanted and (rows := connections.rows_with(
                    neutron, table, wanted, values)):
                found[table] = rows
        return found

    @functools.cached_property
    def _columns(self):
        """The names of the columns of each table."""
        return connections.columns(self._files, 'neutron')
