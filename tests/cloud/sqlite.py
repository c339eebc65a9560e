# SPDX-License-Identifier: Apache-2.0
"""Let the threads of a service share SQLite files.

By default, each transaction begins as a reading one. If it then writes after
another transaction has written, SQLite refuses at once with "database is
locked", no matter how long the busy time-out is. So this module lets readers
read beside a writer (write-ahead log), and makes writers queue at their first
statement. Green threads (eventlet) queue outside SQLite: a wait inside would
stop all of them, including the writer for which they wait.
"""

import sqlite3
import sys
import time

from oslo_db import api
from oslo_db.sqlalchemy import enginefacade
import sqlalchemy
from sqlalchemy import event

BUSY_SECONDS = 60
PAUSE_SECONDS = 0.005
RETRIES = 100
RETRY_SECONDS = 0.05
WRITES = 'tests_cloud_writes'


def share():
    """Prepare all engines of this process; call before any database use."""
    event.listen(sqlalchemy.Engine, 'connect', _set_up_connection)
    event.listen(sqlalchemy.Engine, 'begin', _begin)

    # Only the factory knows whether a transaction writes; SQLAlchemy's events
    # do not.
    factory = enginefacade._AbstractTransactionFactory
    create_connection = factory._create_connection
    create_session = factory._create_session

    def create_marked_connection(self, mode):
        connection = create_connection(self, mode)
        if mode is enginefacade._WRITER:
            connection = connection.execution_options(**{WRITES: True})
        return connection

    def create_marked_session(self, mode, bind=None):
        session = create_session(self, mode, bind=bind)
        if mode is enginefacade._WRITER and bind is None:
            session.bind = session.bind.execution_options(**{WRITES: True})
        return session

    factory._create_connection = create_marked_connection
    factory._create_session = create_marked_session


def retry(module, *names):
    """Call functions again if SQLite refuses them.

    This is for code that does not declare whether a transaction writes.

    :param module: the module of the functions
    :param names: their names; each function must be one transaction, so that
        it can be called again
    """
    persistently = api.wrap_db_retry(
        max_retries=RETRIES, retry_interval=RETRY_SECONDS,
        inc_retry_interval=False, jitter=True,
        exception_checker=lambda error: 'database is locked' in str(error))
    for name in names:
        setattr(module, name, persistently(getattr(module, name)))


def _set_up_connection(connection, _record):
    if not isinstance(connection, sqlite3.Connection):
        return
    # Do not import eventlet here: Nova 2026.2 does not allow it.
    patcher = sys.modules.get('eventlet.patcher')
    is_green = patcher is not None and patcher.is_monkey_patched('thread')
    patience = 0 if is_green else BUSY_SECONDS
    connection.execute(f'PRAGMA busy_timeout = {patience * 1000}')
    _execute(connection, 'PRAGMA journal_mode = WAL')


def _begin(connection):
    """Begin a writer's transaction, before oslo.db begins a reading one."""
    if (connection.dialect.name == 'sqlite' and
            connection.get_execution_options().get(WRITES) and
            'in_transaction' not in connection.info):
        _execute(connection.connection.driver_connection, 'BEGIN IMMEDIATE')
        # oslo.db's own listener leaves a connection with this mark alone.
        connection.info['in_transaction'] = True


def _execute(connection, statement):
    """Execute a statement; try again while another connection has a lock."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode != sqlite3.SQLITE_BUSY or
                    time.monotonic() > deadline):
                raise
        time.sleep(PAUSE_SECONDS)
