# SPDX-License-Identifier: Apache-2.0
"""Rows of many servers: copies of what one server has.

This module imports neither Nova nor Trove: both fill their own databases with
it, each in its own process.
"""

import datetime
import uuid

import sqlalchemy

# In which columns the id of a server or of a database instance is, where they
# are text.
COLUMNS = ('id', 'uuid', 'instance_uuid', 'resource_id')
# The number of the first server that is not managed.
OTHERS = 1_000_000
# A time some minutes earlier, by the kind of database.
MINUTES_AGO = {
    'mysql': lambda moment, minutes: sqlalchemy.func.timestampadd(
        sqlalchemy.text('MINUTE'), -minutes, moment),
    'sqlite': lambda moment, minutes: sqlalchemy.func.strftime(
        '%Y-%m-%d %H:%M:%f000', moment,
        sqlalchemy.cast(-minutes, sqlalchemy.String) + ' minutes'),
}


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
        copies = _copies(connection, numbers)
        for table in tables.sorted_tables:
            for row in connection.execute(table.select().where(
                    sqlalchemy.or_(sqlalchemy.false(), *(
                        column.in_((server, instance))
                        for column in table.columns if column.name in COLUMNS
                        and isinstance(column.type, sqlalchemy.String))))):
                columns = {
                    column.name: _changed(value, column, server, instance,
                                          copies, database.dialect.name)
                    for column, value in zip(table.columns, row)
                    if column.name != 'id' or isinstance(value, str)}
                connection.execute(table.insert().from_select(
                    list(columns), sqlalchemy.select(*columns.values())))


def _copies(connection, numbers):
    """Return a temporary table with the numbers and ids of copies."""
    table = sqlalchemy.Table(
        f'copies_{uuid.uuid4().hex}', sqlalchemy.MetaData(),
        sqlalchemy.Column('number', sqlalchemy.Integer),
        sqlalchemy.Column('server', sqlalchemy.String(36)),
        sqlalchemy.Column('instance', sqlalchemy.String(36)),
        prefixes=['TEMPORARY'])
    table.create(connection)
    if numbers:
        connection.execute(table.insert(), [
            {'number': number, 'server': server_id(number),
             'instance': instance_id(number)} for number in numbers])
    return table


def _changed(value, column, server, instance, copies, dialect):
    """Return the value of a column for each copy, as an expression."""
    literal = sqlalchemy.literal(value, column.type)
    if isinstance(value, str):
        for old, new in ((server, copies.c.server),
                         (instance, copies.c.instance)):
            if old in value:
                literal = sqlalchemy.func.replace(literal, old, new)
    elif isinstance(value, datetime.datetime):
        return MINUTES_AGO[dialect](literal, copies.c.number)
    return literal
