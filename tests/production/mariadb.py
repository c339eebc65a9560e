# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server for tests: Debian's, with its own files and settings."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pymysql

PROGRAMS = ('mariadb-install-db', 'mariadbd')
START_SECONDS = 60
PAUSE_SECONDS = 0.05


class MariaDB:
    """A server that listens on a socket in a directory.

    :param directory: where its files are
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self._socket = self.directory / 'socket'

    def execute(self, *statements):
        """Execute statements, and return the rows of the last."""
        with contextlib.closing(pymysql.connect(
                unix_socket=str(self._socket), user='root',
                autocommit=True)) as connection:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall()

    def url(self, name):
        """Return the URL of a database, for SQLAlchemy."""
        return (f'mysql+pymysql://root@localhost/{name}'
                f'?unix_socket={self._socket}&charset=utf8mb4')

    def create(self, name, like=None, options=''):
        """Make a database, with the tables of another; return its URL.

        :param options: of CREATE DATABASE
        """
        self.execute(f'CREATE DATABASE {name} {options}')
        if like is not None:
            self.execute(*(
                f'CREATE TABLE {name}.{table} LIKE {like}.{table}'
                for table, in self.execute(f'SHOW TABLES FROM {like}')))
        return self.url(name)

    def has(self, name):
        """Return whether there is a database."""
        return bool(self.execute(f'SHOW DATABASES LIKE "{name}"'))

    @contextlib.contextmanager
    def stopped(self):
        """Have it answer nothing, with its connections open."""
        process = int((self.directory / 'pid').read_text())
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def kill_connections(self):
        """End all connections that anyone has."""
        for number, in self.execute(
                'SELECT id FROM information_schema.processlist '
                'WHERE id != connection_id() AND user = "root"'):
            self.execute(f'KILL {number}')

    def answers(self):
        """Return whether it takes connections."""
        try:
            self.execute('SELECT 1')
        except pymysql.err.OperationalError:
            return False
        return True


@contextlib.contextmanager
def running():
    """Yield a running MariaDB, which ends with the context.

    :raises RuntimeError: if it is not installed, or does not start
    """
    for program in PROGRAMS:
        if shutil.which(program, path=_path()) is None:
            raise RuntimeError(
                'There is no MariaDB here: apt-get install mariadb-server')
    # Paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix='mariadb') as directory:
        server = MariaDB(directory)
        with _process(server) as process:
            deadline = time.monotonic() + START_SECONDS
            while not server.answers():
                if (process.poll() is not None
                        or time.monotonic() > deadline):
                    raise RuntimeError(
                        (server.directory / 'log').read_text())
                time.sleep(PAUSE_SECONDS)
            yield server


@contextlib.contextmanager
def _process(server):
    """Yield the process of a server; kill it in the end."""
    directory = server.directory
    data = f'--datadir={directory / "data"}'
    # Its files must be readable for the account that it runs as.
    account = ['--user=root'] if os.getuid() == 0 else []
    environ = {**os.environ, 'PATH': _path()}
    subprocess.run(
        ['mariadb-install-db', '--no-defaults', data, *account,
         '--auth-root-authentication-method=normal', '--skip-test-db'],
        env=environ, check=True, stdout=subprocess.DEVNULL)
    with (directory / 'log').open('wb') as log:
        process = subprocess.Popen(
            # It ends with this process, however that ends.
            ['setpriv', '--pdeathsig', 'KILL',
             'mariadbd', '--no-defaults', data, *account,
             f'--socket={directory / "socket"}', '--skip-networking',
             f'--pid-file={directory / "pid"}',
             # It is thrown away in the end.
             '--innodb-flush-log-at-trx-commit=0'],
            env=environ, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _path():
    return f'{os.environ["PATH"]}:/usr/sbin'
