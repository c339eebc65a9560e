# SPDX-License-Identifier: Apache-2.0
"""Connections to the databases of a cloud, whatever has them."""

import contextlib

import sqlalchemy
from sqlalchemy import pool


@contextlib.contextmanager
def connected(files, name):
    """Open a database that a service uses.

    :param files: the cloud's Layout
    :param name: such as 'keystone' or 'nova-cell1'
    :returns: (yields) an SQLAlchemy connection; what it has written is
        committed in the end
    """
    engine = sqlalchemy.create_engine(
        files.database_url(name), poolclass=pool.NullPool)
    with engine.begin() as connection:
        yield connection


def columns(files, name):
    """Return the names (list) of the columns of each table of a database."""
    with connected(files, name) as connection:
        return {
            table: [column['name'] for column in found]
            for (_, table), found in sqlalchemy.inspect(
                connection).get_multi_columns().items()}


def rows_with(connection, table, columns, values):
    """Return the rows (list of dict) with any of some values in a column.

    :param connection: what connected() yields
    :param table: the table's name
    :param columns: the names of columns
    :param values: a list
    """
    condition = ' OR '.join(f'{column} IN :values' for column in columns)
    found = connection.execute(sqlalchemy.text(
        f'SELECT * FROM {table} WHERE {condition}').bindparams(
            sqlalchemy.bindparam('values', expanding=True)),
        {'values': values}).mappings()
    # MariaDB takes an integer for equal to text that begins with it.
    return [dict(row) for row in found
            if any(row[column] in values for column in columns)]
