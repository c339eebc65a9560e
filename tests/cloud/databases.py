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
import sqlite3
import uuid


def fill(files, names, migrate):
    """Create empty databases with all tables.

    :param files: the cloud's Layout
    :param names: the databases' names
    :param migrate: a function that creates them if they are not cached; may
        raise
    """
    kept = files.venv / 'databases'
    pairs = [(kept / f'{name}.sqlite', files.database(name))
             for name in names]
    if all(source.exists() for source, _ in pairs):
        for source, database in pairs:
            shutil.copyfile(source, database)
        return
    migrate()
    kept.mkdir(exist_ok=True)
    for source, database in pairs:
        # Write atomically: other clouds may start at the same time.
        unfinished = source.with_name(f'{source.name}.{uuid.uuid4()}')
        shutil.copyfile(database, unfinished)
        os.replace(unfinished, source)


def add_agents(database, hosts):
    """Add an Open vSwitch agent on each compute host to Neutron's database.

    Neutron binds ports only on hosts whose agent is alive. No agent runs, so
    the row claims that it has just reported.

    :param database: the path of Neutron's database
    :param hosts: the hosts' names
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(' ').partition('+')[0]
    configurations = json.dumps({
        'bridge_mappings': {}, 'datapath_type': 'system',
        'tunnel_types': ['vxlan'], 'tunneling_ip': '127.0.0.1'})
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executemany(
            'INSERT INTO agents (id, agent_type, binary, topic, host, '
            'admin_state_up, created_at, started_at, heartbeat_timestamp, '
            'configurations, load) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, 0)',
            [(str(uuid.uuid4()), 'Open vSwitch agent',
              'neutron-openvswitch-agent', 'N/A', host, now, now, now,
              configurations) for host in hosts])
        connection.commit()
