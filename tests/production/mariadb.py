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
WAIT_SECONDS = 10
PAUSE_SECONDS = 0.05
# Who reads innodb_trx again within 0.1 s of the last time reads the same.
FRESH_SECONDS = 0.15


class MariaDB:
    """A server that listens on a socket in a directory.

    :param directory: where its files are
    :ivar socket: the socket
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.socket = self.directory / 'socket'
        self._process = None

    @property
    def process_id(self):
        """The id of its process."""
        return int((self.directory / 'pid').read_text())

    def execute(self, *statements):
        """Execute statements, and return the rows of the last."""
        with contextlib.closing(pymysql.connect(
                unix_socket=str(self.socket), user='root',
                autocommit=True)) as connection:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall()

    def url(self, name):
        """Return the URL of a database, for SQLAlchemy."""
        return (f'mysql+pymysql://root@localhost/{name}'
                f'?unix_socket={self.socket}&charset=utf8mb4')

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
        process = self.process_id
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

    @contextlib.contextmanager
    def session(self, name):
        """Yield a function that executes statements on one connection."""
        with contextlib.closing(pymysql.connect(
                unix_socket=str(self.socket), user='root', database=name,
                charset='utf8mb4')) as connection:
            with connection.cursor() as cursor:
                yield cursor.execute

    def waiting(self):
        """Return the ids of the connections that wait for a lock."""
        return [number for number, in self.execute(
            'SELECT id FROM information_schema.processlist '
            'WHERE state LIKE "Waiting for table%" '
            'UNION SELECT trx_mysql_thread_id '
            'FROM information_schema.innodb_trx '
            'WHERE trx_state = "LOCK WAIT"')]

    def await_waiting(self, count):
        """Wait until some connections wait for locks; return their ids."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(numbers := self.waiting()) != count:
            if time.monotonic() > deadline:
                raise TimeoutError(f'{len(numbers)} connections wait')
            time.sleep(FRESH_SECONDS)
        return numbers

    def install(self):
        """Make the files of a server that has no databases."""
        # Another MariaDB that starts deletes what it finds in a directory
        # that both use.
        (self.directory / 'tmp').mkdir()
        subprocess.run(
            ['mariadb-install-db', '--no-defaults', *self._arguments(),
             '--auth-root-authentication-method=normal', '--skip-test-db'],
            env=_environ(), check=True, stdout=subprocess.DEVNULL)

    def start(self):
        """Start it, and wait until it takes connections.

        :raises RuntimeError: if it does not start
        """
        with (self.directory / 'log').open('ab') as log:
            self._process = subprocess.Popen(
                # It ends with this process, however that ends.
                ['setpriv', '--pdeathsig', 'KILL',
                 'mariadbd', '--no-defaults', *self._arguments(),
                 f'--socket={self.socket}', '--skip-networking',
                 f'--pid-file={self.directory / "pid"}',
                 f'--tmpdir={self.directory / "tmp"}',
                 # It is thrown away in the end.
                 '--innodb-flush-log-at-trx-commit=0'],
                env=_environ(), stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if (self._process.poll() is not None
                    or time.monotonic() > deadline):
                raise RuntimeError((self.directory / 'log').read_text())
            time.sleep(PAUSE_SECONDS)

    def kill(self):
        """Kill it, so that it has no time to end connections."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _arguments(self):
        # Its files must be readable for the account that it runs as.
        account = ['--user=root'] if os.getuid() == 0 else []
        return [f'--datadir={self.directory / "data"}', *account]

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
        server.install()
        try:
            server.start()
            yield server
        finally:
            server.kill()


def _environ():
    return {**os.environ, 'PATH': _path()}


def _path():
    return f'{os.environ["PATH"]}:/usr/sbin'
