# SPDX-License-Identifier: Apache-2.0
"""Makes Neutron's database: ``neutron_schema.py URL HOST...``.

Neutron's migrations don't run on SQLite, so the tables are created from its
models. Ports bind where an Open vSwitch agent lives; none does, so its row
is written here for each compute host.
"""

import json
import sys

from neutron.db.migration.models import head
from neutron.db.models import agent
from neutron_lib import constants
from oslo_utils import timeutils
import sqlalchemy
from sqlalchemy import orm


def agent_row(host):
    """Describe an Open vSwitch agent that has just reported.

    :param host: the host it would run on
    :returns: an Agent
    """
    now = timeutils.utcnow()
    configurations = {
        'bridge_mappings': {},
        'datapath_type': 'system',
        'tunnel_types': [constants.TYPE_VXLAN],
        'tunneling_ip': '127.0.0.1',
    }
    return agent.Agent(
        agent_type=constants.AGENT_TYPE_OVS,
        binary='neutron-openvswitch-agent', topic='N/A', host=host,
        admin_state_up=True, created_at=now, started_at=now,
        heartbeat_timestamp=now, configurations=json.dumps(configurations))


def main():
    """Create the tables and rows that the command line asks for."""
    url, *hosts = sys.argv[1:]
    engine = sqlalchemy.create_engine(url)
    head.get_metadata().create_all(engine)
    with orm.Session(engine) as session, session.begin():
        session.add_all([agent_row(host) for host in hosts])


if __name__ == '__main__':
    main()
