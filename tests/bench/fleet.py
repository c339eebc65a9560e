# SPDX-License-Identifier: Apache-2.0
"""Rows of many managed servers: copies of what one server has.

This module imports neither Nova nor Trove: both fill their own databases with
it, each in its own process.
"""

import datetime
import uuid

import sqlalchemy

# Rows are inserted in batches of so many servers.
BATCH = 500
# In which columns the id of a server or of a database instance is, where they
# are text.
COLUMNS = ('id', 'uuid', 'instance_uuid', 'resource_id')


def server_id(number):
    """Return the id of a server of the fleet."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f'server {number}'))


def instance_id(number):
    """Return the id of that server's database instance."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f'instance {number}'))


def engine(url):
    """Return a database that keeps no connection open."""
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)


def copy(url, server, instance, numbers):
    """Copy all rows of a server, and of its database instance, in a database.

    Each copy is a minute older than the one before.

    :param server: the id of the server that has the rows
    :param instance: the id of its database instance
    :param numbers: of the servers that get copies
    """
    tables = sqlalchemy.MetaData()
    database = engine(url)
    tables.reflect(database)
    with database.begin() as connection:
        for table in tables.sorted_tables:
            rows = [row._asdict()
                    for column in table.columns
                    if column.name in COLUMNS and isinstance(
                        column.type, sqlalchemy.String)
                    for row in connection.execute(table.select().where(
                        column.in_((server, instance))))]
            for row in rows:
                if isinstance(row.get('id'), int):
                    del row['id']
            for begin in range(0, len(numbers) if rows else 0, BATCH):
                connection.execute(table.insert(), [
                    {name: _changed(value, server, instance, number)
                     for name, value in row.items()}
                    for number in numbers[begin:begin + BATCH]
                    for row in rows])


def _changed(value, server, instance, number):
    """Return the value of a column for a copy."""
    if isinstance(value, str):
        return value.replace(server, server_id(number)).replace(
            instance, instance_id(number))
    if isinstance(value, datetime.datetime):
        return value - datetime.timedelta(minutes=number)
    return value
