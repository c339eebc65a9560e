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
