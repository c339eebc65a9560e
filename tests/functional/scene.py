# SPDX-License-Identifier: Apache-2.0
"""Servers to act upon, principals who act, and the asking itself."""

import dataclasses
import functools
import re
import time
from urllib import parse
import uuid

from tests.cloud import services
from tests.cloud import state
from tests.functional import facts
from tests.functional import nova_rows

MARKER = 'trove_instance_id'
DEADLINE_SECONDS = 90
PAUSE_SECONDS = 0.03
# Tells a locked server, and is old enough for all that is asked here.
VERSION = '2.96'
NOVAS = {state.GUARDED: 'nova', state.UNGUARDED: 'nova-unguarded'}

# What differs between twins: the servers' names for each other.
_VARIABLE = (
    (r'req-[0-9a-f-]{36}', '<request>'),
    (r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
     '<uuid>'),
    (r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?', '<time>'),
    (r'fa:16:3e(:[0-9a-f]{2}){3}', '<mac>'),
    (r'(10\.0|198\.1[89])(\.\d+)+', '<address>'),
    (r'"adminPass": "[^"]*"', '<password>'),
    (r'instance-[0-9a-f]{8}', '<instance>'),
    (r'[0-9a-f]{56}', '<host>'),
    ('|'.join(services.HOSTS), '<host>'),
)
# Cheroot closes connections when it has many.
_VARIABLE_HEADERS = frozenset(('connection', 'content-length', 'date'))


@dataclasses.dataclass(frozen=True)
class Principal:
    """Who asks.

    :ivar user: the user's name
    :ivar project: the project's name, None for the user's home
    :ivar service: whose token goes along as the service token, or None
    """

    user: str
    project: str | None = None
    service: str | None = None


PRINCIPALS = {
    'stranger': Principal('stranger'),
    'reader': Principal('reader'),
    'owner': Principal('owner'),
    'manager': Principal('manager'),
    'admin': Principal('admin'),
    'trove': Principal('trove'),
    'neutron': Principal('neutron'),
    'trove in the project': Principal('trove', project='demo'),
    'owner by way of trove': Principal('owner', service='trove'),
    'nova': Principal('nova'),
    'owner by way of nova': Principal('owner', service='nova'),
}


class Scene:
    """A cloud with all that the tests do in it.

    :param cloud: a tests.cloud.state.Cloud
    """

    def __init__(self, cloud):
        self.cloud = cloud
        self.rows = nova_rows.NovaRows(cloud)
        self._connections = {}

    def connection(self, who, region=state.GUARDED):
        """Return the openstacksdk connection of a principal.

        :param who: a name in PRINCIPALS
        :param region: state.GUARDED or state.UNGUARDED
        """
        if (who, region) not in self._connections:
            principal = PRINCIPALS[who]
            self._connections[who, region] = self.cloud.connection(
                principal.user, region, project=principal.project,
                service=principal.service)
        return self._connections[who, region]

    def ask(self, who, method, path, body=None, version='2.1',
            region=state.GUARDED, legacy=False):
        """Send a request to Nova, and return the answer whatever it is.

        :param who: a name in PRINCIPALS
        :param body: what becomes the JSON body, None for no body
        :param version: the microversion
        :param region: state.GUARDED or state.UNGUARDED
        :param legacy: whether to ask the legacy v2 API, without microversion
        :returns: requests.Response
        """
        how = {} if body is None else {'json': body}
        if legacy:
            how['endpoint_override'] = self.cloud.urls[
                NOVAS[region]].removesuffix('.1')
        else:
            how['microversion'] = version
        return self.connection(who, region).compute.request(
            path, method, raise_exc=False, **how)

    def do(self, who, method, path, body=None, version=VERSION):
        """Ask the unguarded Nova for what must succeed.

        :returns: the JSON (dict) of the answer, None where there is none
        """
        answer = self.ask(who, method, path, body, version,
                          state.UNGUARDED)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def make(self, name, count=1, managed=False, locked=False, life='ACTIVE',
             flavor=None, metadata=None):
        """Make servers in the project demo, behind the guard's back.

        :param count: how many; more than one get numbers after their name
        :param managed: whether they carry the marker
        :param locked: whether they are locked, by Trove or an operator
        :param life: the status that they must come to
        :param flavor: the flavor's id, None for the smallest one
        :param metadata: more server metadata
        :returns: list of ids
        """
        marker = {MARKER: str(uuid.uuid4())} if managed else {}
        reservation = self.do(
            'trove in the project' if managed else 'owner', 'POST',
            '/servers', {'server': {
                'name': name, 'min_count': count, 'max_count': count,
                'return_reservation_id': True, 'imageRef': self.image,
                'flavorRef': flavor or self.flavors['nano'],
                'networks': [{'uuid': self.network}],
                'metadata': marker | (metadata or {})}})['reservation_id']
        rows = self._await(
            lambda: self.rows.get_reservation(reservation),
            lambda rows: len(rows) == count and all(
                map(nova_rows.is_settled, rows)))
        assert [row.vm_state for row in rows] == [life.lower()] * count
        ids = sorted(row.uuid for row in rows)
        if locked:
            # Trove asks from its own project, where it is an admin: only
            # then a member of this one can't unlock.
            for server in ids:
                self.act('trove' if managed else 'admin', server,
                         {'lock': None})
        return ids

    def act(self, who, server, action):
        """Have the unguarded Nova carry out a server action."""
        self.do(who, 'POST', f'/servers/{server}/action', action)

    def show(self, server):
        """Return a server (dict) as an admin sees it, None if it is gone."""
        answer = self.ask('admin', 'GET', f'/servers/{server}',
                          version=VERSION, region=state.UNGUARDED)
        return answer.json()['server'] if answer.ok else None

    def settled(self, server):
        """Wait until no task of a server is under way.

        :returns: the server as of show()
        """
        self.settle(server)
        return self.show(server)

    def settle(self, server):
        """Wait until no task of a server is under way."""
        def is_over():
            row = self.rows.get(server)
            # What is in no cell may be on its way there.
            return (self.show(server) is None if row is None else
                    nova_rows.is_settled(row))

        self._await(is_over, bool)

    def await_state(self, server, vm_state, is_on_a_host=True):
        """Wait until a server has one of nova.compute.vm_states."""
        self._await(lambda: self.rows.get(server),
                    lambda row: row and row.vm_state == vm_state and
                    row.task_state is None and
                    (row.host is not None) == is_on_a_host)

    def await_end(self, server):
        """Wait until a server is gone."""
        self._await(lambda: self.rows.get(server), lambda row: row is None)

    def describe(self, server):
        """Return what of a server nobody but Trove may change."""
        shown = self.show(server)
        return shown and {key: shown[key] for key in (
            'id', 'name', 'status', 'locked', 'metadata', 'tags',
            'accessIPv4',
            'security_groups', 'OS-EXT-SRV-ATTR:host',
            'OS-EXT-SRV-ATTR:root_device_name', 'OS-EXT-STS:task_state',
            'OS-EXT-STS:vm_state')} | {
                'image': shown['image']['id'], 'flavor': shown['flavor']}

    def remove(self, servers):
        """Delete servers, managed or not, gone already or not."""
        for server in servers:
            self.ask('trove', 'DELETE', f'/servers/{server}',
                     region=state.UNGUARDED)

    def facts(self, server):
        """Return the ServerFacts to fill in requests about a server."""
        return ServerFacts(self, server)

    @functools.cached_property
    def image(self):
        """The id of the image."""
        return next(self.connection('admin').image.images(
            name='cirros')).id

    @functools.cached_property
    def network(self):
        """The id of the tenant's network."""
        return self._network('private')

    @functools.cached_property
    def public_network(self):
        """The id of the network of floating addresses."""
        return self._network('public')

    def _network(self, name):
        return self.connection('admin').network.find_network(
            name, ignore_missing=False).id

    @functools.cached_property
    def flavors(self):
        """The ids of the flavors, by name.

        The cloud's own are too big for the many servers at a time that there
        are in these tests, and none is too big for its hosts.
        """
        compute = self.connection('admin').compute
        for name, ram in (('nano', 16), ('huge', 1 << 20)):
            compute.create_flavor(name=name, ram=ram, vcpus=1, disk=1)
        return {flavor.name: flavor.id for flavor in compute.flavors()}

    @staticmethod
    def _await(read, is_there):
        """Read again and again until it is there; return what was read."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            found = read()
            if is_there(found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(PAUSE_SECONDS)


class ServerFacts(facts.Facts):
    """What stands for the names with a $ in requests about a server.

    :param scene: the Scene
    :param server: the server's id
    """

    # Neither is there: Nova looks for them in vain.
    volume = '0c1d2a3b-9999-4999-8999-000000000001'
    other_volume = '0c1d2a3b-9999-4999-8999-000000000002'
    share = '0c1d2a3b-9999-4999-8999-000000000003'

    def __init__(self, scene, server):
        self._scene = scene
        self.server = server

    @property
    def network(self):
        """The id of the tenant's network."""
        return self._scene.network

    @property
    def image(self):
        """The id of the image."""
        return self._scene.image

    @property
    def flavor(self):
        """The id of another flavor than the server's."""
        return self._scene.flavors['m1.tiny']

    @functools.cached_property
    def port(self):
        """The id of a port of the server."""
        return self._port['port_id']

    @functools.cached_property
    def fixed_address(self):
        """A fixed address of the server."""
        return self._port['fixed_ips'][0]['ip_address']

    @functools.cached_property
    def _port(self):
        return self._scene.do(
            'admin', 'GET', f'/servers/{self.server}/os-interface')[
            'interfaceAttachments'][0]

    @functools.cached_property
    def free_address(self):
        """A floating address that nobody has."""
        return self._floating_ip().floating_ip_address

    @property
    def floating_ip(self):
        """The id of a floating IP that the server has."""
        return self._own.id

    @property
    def floating_address(self):
        """A floating address that the server has."""
        return self._own.floating_ip_address

    @functools.cached_property
    def _own(self):
        neutron = self._scene.connection('admin', state.UNGUARDED).network
        there = next(neutron.ips(port_id=self.port), None)
        return there or self._floating_ip(port_id=self.port)

    def _floating_ip(self, **port):
        neutron = self._scene.connection('admin', state.UNGUARDED).network
        return neutron.create_ip(
            floating_network_id=self._scene.public_network,
            project_id=self._scene.cloud.projects['demo'], **port)

    @functools.cached_property
    def console_token(self):
        """A token that opens a console of the server."""
        console = self._scene.do(
            'trove', 'POST', f'/servers/{self.server}/remote-consoles',
            {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}})
        return console['remote_console']['url'].rpartition('token%3D')[2]


def normal(answer, server, cloud):
    """Return an answer without what differs between twins.

    :param answer: requests.Response
    :param server: the id of what the request was about, None where it had
        several
    :param cloud: a tests.cloud.state.Cloud
    :returns: (status, sorted headers, body)
    """
    def plain(text):
        if server:
            text = text.replace(server, '<id>')
        for name in ('nova', 'cinder', 'neutron'):
            for url in cloud.urls[name], cloud.urls[f'{name}-unguarded']:
                text = text.replace(
                    parse.urlsplit(url).netloc, '<service>')
        for pattern, name in _VARIABLE:
            text = re.sub(pattern, name, text)
        return text

    headers = sorted((name.lower(), plain(value))
                     for name, value in answer.headers.items()
                     if name.lower() not in _VARIABLE_HEADERS)
    return answer.status_code, headers, plain(answer.text)


def message(answer):
    """Return the message of a fault of Nova's."""
    fault, = answer.json().values()
    return fault['message']
