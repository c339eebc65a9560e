# SPDX-License-Identifier: Apache-2.0
"""The databases of a cloud on a MariaDB server of its own, Debian's."""

import os
import shutil
import subprocess

import pymysql
import sqlalchemy

from tests.cloud import databases
from tests.cloud import processes

NAME = 'mariadb'
START_SECONDS = 60
# What Debian does not have on everybody's PATH.
PATH = f'{os.environ["PATH"]}:/usr/sbin'
SETTINGS = (
    '--bind-address=127.0.0.1', '--skip-name-resolve',
    '--character-set-server=utf8mb4', '--max-connections=1000',
    # It is thrown away in the end, and need not outlive the machine. But it
    # is killed in between, and then nothing may be lost.
    '--innodb-flush-log-at-trx-commit=2')


class MariaDB:
    """A server on 127.0.0.1 that is one of a cloud's processes.

    :param files: the cloud's Layout
    """

    def __init__(self, files):
        self._files = files
        self._directory = files.run / NAME
        self._port, = processes.free_ports([NAME]).values()

    def start(self):
        """Start the server, and say where the databases will be.

        :raises processes.Failed: if it is not installed, or does not start
        """
        if not shutil.which('mariadbd', path=PATH):
            raise processes.Failed('There is no MariaDB here: apt-get '
                                   'install mariadb-server')
        self._directory.mkdir()
        # Its files must be readable for the account that it runs as.
        account = ['--user=root'] if os.getuid() == 0 else []
        data = f'--datadir={self._directory / "data"}'
        environment = {'PATH': PATH}
        processes.run(self._files, 'setup-mariadb', [
            'mariadb-install-db', '--no-defaults', data, *account,
            '--auth-root-authentication-method=normal', '--skip-test-db'],
            environment)
        process = processes.spawn(self._files, NAME, [
            shutil.which('mariadbd', path=PATH), '--no-defaults', data,
            *account, *SETTINGS, f'--port={self._port}',
            f'--socket={self._directory / "socket"}',
            f'--pid-file={self._directory / "pid"}'], environment)
        self._files.databases_url.write_text(
            f'mysql+pymysql://root@127.0.0.1:{self._port}/{{name}}'
            '?charset=utf8mb4')
        processes.wait_until(self._files, NAME, process, self.is_up,
                             START_SECONDS)

    def is_up(self):
        """Return whether the server takes connections."""
        try:
            self._connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def fill(self, names, migrate):
        """Create empty databases with all tables.

        :param names: the databases' names
        :param migrate: a function that fills them if they are not cached;
            may raise
        """
        for name in names:
            with self._connect() as connection, connection.cursor() as cursor:
                cursor.execute(f'CREATE DATABASE {self._database(name)}')
        kept = databases.kept_directory(self._files)
        pairs = [(kept / f'{name}.sql', name) for name in names]
        if all(source.exists() for source, _ in pairs):
            for source, name in pairs:
                with source.open('rb') as dump:
                    self._client('mariadb', name, stdin=dump)
            return
        migrate()
        for source, name in pairs:
            with databases.replaced(source) as unfinished:
                with unfinished.open('wb') as dump:
                    self._client('mariadb-dump', name, stdout=dump)

    def _client(self, program, name, **streams):
        subprocess.run(
            [program, '--no-defaults', '--host=127.0.0.1', '--user=root',
             f'--port={self._port}', self._database(name)],
            check=True, **streams)

    def _connect(self):
        return pymysql.connect(host='127.0.0.1', port=self._port, user='root')

    def _database(self, name):
        return sqlalchemy.make_url(self._files.database_url(name)).database
