# SPDX-License-Identifier: Apache-2.0
"""Which tables a database reads completely, by its own account."""

import contextlib

import sqlalchemy

# What MariaDB calls it to read all rows of a table, or of an index (EXPLAIN).
COMPLETE = ('ALL', 'index')
# A table with fewer rows is read faster without an index, such as those of
# cell0, which has no servers.
FEW_ROWS = 10


@contextlib.contextmanager
def selects():
    """Yield a list that gets (engine, statement, parameters) of each SELECT.
    """
    seen = []

    def record(connection, cursor, statement, parameters, *args):
        if statement.lstrip().upper().startswith('SELECT'):
            seen.append((connection.engine, statement, parameters))

    event = (sqlalchemy.engine.Engine, 'before_cursor_execute', record)
    sqlalchemy.event.listen(*event)
    try:
        yield seen
    finally:
        sqlalchemy.event.remove(*event)


def scans(engine, statement, parameters):
    """Return the tables that a SELECT reads completely (list of str)."""
    is_sqlite = engine.dialect.name == 'sqlite'
    explain = 'EXPLAIN QUERY PLAN' if is_sqlite else 'EXPLAIN'
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            f'{explain} {statement}', parameters).all()
    if is_sqlite:
        return [row.detail for row in rows if row.detail.startswith('SCAN ')]
    return [row.table for row in rows
            if row.type in COMPLETE and int(row.rows) > FEW_ROWS]
