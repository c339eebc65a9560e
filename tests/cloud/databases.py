# SPDX-License-Identifier: Apache-2.0
"""Create the services' databases with their own tools, and cache them.

Migrations take longer than everything else in the start of a cloud. Their
result is always the same, so it is cached in the virtual environment, and
deleted with it.
"""

import contextlib
import datetime
import json
import os
import shutil
import uuid

import sqlalchemy


class SQLite:
    """Databases in files, one for each.

    :param files: the cloud's Layout
    """

    def __init__(self, files):
        self._files = files

    def start(self):
        """Say where the databases will be."""
        self._files.databases_url.write_text(
            f'sqlite:///{self._files.run}/{{name}}.sqlite?timeout=60')

    def fill(self, names, migrate):
        """Create empty databases with all tables.

        :param names: the databases' names
        :param migrate: a function that creates them if they are not cached;
            may raise
        """
        kept = kept_directory(self._files)
        pairs = [(kept / f'{name}.sqlite', self._files.database(name))
                 for name in names]
        if all(source.exists() for source, _ in pairs):
            for source, database in pairs:
                shutil.copyfile(source, database)
            return
        migrate()
        for source, database in pairs:
            with replaced(source) as unfinished:
                shutil.copyfile(database, unfinished)


def kept_directory(files):
    """Return the directory (path) of cached databases.

    :param files: the cloud's Layout
    """
    kept = files.venv / 'databases'
    kept.mkdir(exist_ok=True)
    return kept


@contextlib.contextmanager
def replaced(path):
    """Write a file atomically: other clouds may start at the same time.

    :returns: (yields) the path to write to
    """
    unfinished = path.with_name(f'{path.name}.{uuid.uuid4()}')
    yield unfinished
    os.replace(unfinished, path)


def add_agents(connection, hosts):
    """Add an Open vSwitch agent on each compute host to Neutron's database.

    Neutron binds ports only on hosts whose agent is alive. No agent runs, so
    the row claims that it has just reported.

    :param connection: an SQLAlchemy connection to Neutron's database
    :param hosts: the hosts' names
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(' ').partition('+')[0]
    configurations = json.dumps({
        'bridge_mappings': {}, 'datapath_type': 'system',
        'tunnel_types': ['vxlan'], 'tunneling_ip': '127.0.0.1'})
    connection.execute(sqlalchemy.text(
        'INSERT INTO agents (id, agent_type, `binary`, topic, host, '
        'admin_state_up, created_at, started_at, heartbeat_timestamp, '
        'configurations, `load`) VALUES (:id, :type, :binary, '
        "'N/A', :host, 1, :now, :now, :now, :configurations, 0)"),
        [{'id': str(uuid.uuid4()), 'type': 'Open vSwitch agent',
          'binary': 'neutron-openvswitch-agent', 'host': host, 'now': now,
          'configurations': configurations} for host in hosts])
