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
    """A running server, which listens on a socket in a directory.

    :param directory: where its files are
    :raises RuntimeError: if it is not installed, or does not start
    """

    def __init__(self, directory):
        for program in PROGRAMS:
            if shutil.which(program, path=_path()) is None:
                raise RuntimeError(
                    'There is no MariaDB here: apt-get install '
                    'mariadb-server')
        directory = pathlib.Path(directory)
        self._socket = directory / 'socket'
        data = f'--datadir={directory / "data"}'
        # Its files must be readable for the account that it runs as.
        account = ['--user=root'] if os.getuid() == 0 else []
        self._run('mariadb-install-db', '--no-defaults', data, *account,
                  '--auth-root-authentication-method=normal',
                  '--skip-test-db')
        with (directory / 'log').open('wb') as log:
            self._process = subprocess.Popen(
                ['mariadbd', '--no-defaults', data, *account,
                 f'--socket={self._socket}', '--skip-networking',
                 f'--pid-file={directory / "pid"}',
                 # It is thrown away in the end.
                 '--innodb-flush-log-at-trx-commit=0'],
                env={**os.environ, 'PATH': _path()}, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if (self._process.poll() is not None
                    or time.monotonic() > deadline):
                self.kill()
                raise RuntimeError((directory / 'log').read_text())
            time.sleep(PAUSE_SECONDS)

    @staticmethod
    def _run(*command):
        subprocess.run(command, env={**os.environ, 'PATH': _path()},
                       check=True, stdout=subprocess.DEVNULL)

    def _answers(self):
        try:
            self.execute('SELECT 1')
        except pymysql.err.OperationalError:
            return False
        return True

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

    def create(self, name, like=None):
        """Make a database, with the tables of another; return its URL."""
        self.execute(f'CREATE DATABASE {name}')
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
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self):
        """End it at once."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running():
    """Yield a MariaDB, which ends with the context."""
    # Paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix='mariadb') as directory:
        server = MariaDB(directory)
        try:
            yield server
        finally:
            server.kill()


def _path():
    return f'{os.environ["PATH"]}:/usr/sbin'
