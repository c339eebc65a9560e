# SPDX-License-Identifier: Apache-2.0
"""A whole cloud for a measurement, and servers in it."""

import contextlib
import json
import os
import subprocess
import sys
import time

from tests.bench import clients
from tests.cloud import layout
from tests.cloud import state

VERSION = '2.96'
_VERSION_HEADERS = {
    'nova': {'X-OpenStack-Nova-API-Version': VERSION},
    'cinder': {'OpenStack-API-Version': 'volume 3.70'},
    'neutron': {}}
# Small enough for dozens of servers on the cloud's hosts.
FLAVOR = {'name': 'bench', 'ram': 16, 'vcpus': 1, 'disk': 1}
DEADLINE_SECONDS = 300
PAUSE_SECONDS = 0.5


@contextlib.contextmanager
def running():
    """Bring up a cloud as in production, for one measurement, and yield it.

    Its logs stay until the next one is brought up.

    :returns: (yields) a tests.cloud.state.Cloud, which is taken down at the
        end
    :raises subprocess.CalledProcessError: if it does not come up; the reason
        is printed
    """
    root = layout.Layout.from_environment().root / 'bench'
    try:
        _run(root, 'up', '--production')
        yield state.load(root)
    finally:
        _run(root, 'down')


def _run(root, *arguments):
    subprocess.run(
        [sys.executable, '-m', 'tests.cloud', *arguments], check=True,
        cwd=layout.REPOSITORY,
        env=os.environ | {'NOVA_TROVE_GUARD_CLOUD': str(root)})


def headers(service, token):
    """Return what a client sends with each request.

    :param service: the name of the service
    :param token: the user's
    :returns: a dict
    """
    return _VERSION_HEADERS[service] | {
        'X-Auth-Token': token, 'Content-Type': 'application/json'}


def reads_and_writes(kind, server, volume, port):
    """Return what a tenant asks of each service, by service.

    :param kind: the clients.Ask.kind of all
    :param server: the id of a server
    :param volume: the id of a volume
    :param port: the id of a port
    :returns: a dict of tuples of clients.Ask
    """
    return {
        service: (
            clients.Ask(kind, 1, 'GET', read),
            clients.Ask(kind, 1, 'PUT', write, body=json.dumps(body)))
        for service, read, write, body in (
            ('nova', f'/servers/{server}', f'/servers/{server}/metadata/x',
             {'meta': {'x': 'y'}}),
            ('cinder', f'/volumes/{volume}', f'/volumes/{volume}',
             {'volume': {'name': 'x'}}),
            ('neutron', f'/v2.0/ports/{port}', f'/v2.0/ports/{port}',
             {'port': {'name': 'x'}}))}


class Servers:
    """Create servers in a cloud, by the API without the guard.

    :param cloud: a tests.cloud.state.Cloud
    :ivar flavor: the id of their flavor
    """

    def __init__(self, cloud):
        self._cloud = cloud
        admin = cloud.connection('admin', state.UNGUARDED)
        self.flavor = admin.compute.create_flavor(**FLAVOR).id
        self._request = {
            'flavorRef': self.flavor,
            'imageRef': next(admin.image.images(name='cirros')).id,
            'networks': [{'uuid': admin.network.find_network(
                'private', ignore_missing=False).id}]}

    def create(self, name, count, user, project=None, metadata=None):
        """Create servers, and wait until they are active.

        :param name: what their names begin with, unlike those of all others
        :param count: how many
        :param user: the name of the user who creates them
        :param project: the name of their project; None for the user's
        :param metadata: a dict
        :returns: a list of ids
        :raises TimeoutError: if they are not active in time
        """
        compute = self._cloud.connection(
            user, state.UNGUARDED, project=project).compute
        compute.post('/servers', json={'server': self._request | {
            'name': name, 'min_count': count, 'max_count': count,
            'metadata': metadata or {}}}, microversion=VERSION)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            ids = [server.id for server in compute.servers(name=name)
                   if server.status == 'ACTIVE']
            if len(ids) == count:
                return ids
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(f'the servers {name} are not active')

    def create_managed(self, name, count, instance_id):
        """Create servers as Trove does, and lock them as Trove does.

        They are in the project of the user "owner".

        :param instance_id: the id of their database instance
        :returns: a list of ids
        """
        ids = self.create(name, count, 'trove', 'demo',
                          {'trove_instance_id': instance_id})
        # Only a lock by an admin keeps the owner from unlocking: see
        # trove_admin's projects in tests.cloud.people.
        trove = self._cloud.connection('trove', state.UNGUARDED).compute
        for server_id in ids:
            trove.post(f'/servers/{server_id}/action', json={'lock': None},
                       microversion=VERSION)
        return ids
