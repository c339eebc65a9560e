# SPDX-License-Identifier: Apache-2.0
"""Ports and security groups to act upon, what leads to them, and the asking.
"""

import functools
import json
import re
import uuid

from tests.cloud import services
from tests.cloud import state
from tests.functional import facts
from tests.functional import neutron_rows
from tests.functional import scene as scenes

# What a managed port or security group is marked by.
TAG = f'{scenes.MARKER}_{{}}'
KINDS = ('port', 'bound_port', 'group', 'bound_group', 'rule', 'rbac_policy',
         'floating_ip', 'forwarding', 'forwarding_ip', 'trunk',
         'subport_trunk', 'local_ip', 'interface_router', 'ndp_proxy', 'log')

_VARIABLE = {
    r'host-[\d-]+': '<name>',
    r'(?<="standard_attr_id": )\d+': '0',
    # Two processes may count the same changes differently.
    r'(?<="revision_number": )\d+': '0',
    # Each process numbers its callbacks.
    r'(?<=validate_rbac_policy_change)-\d+': '<number>',
    # A process remembers the types of policies that it has seen
    # (neutron.db.rbac_db_mixin, object_type_cache).
    r'(?<=RBAC policy of type )(unknown|security_group)': '<type>'}


def named(row):
    """Return the names (set) with a $ in a facts.Row."""
    return set(re.findall(r'\$(\w+)', f'{row.path} {row.body}'))


def _in_order(document):
    """Return a document with its lists sorted: MariaDB sorts by UUID."""
    if isinstance(document, dict):
        return {key: _in_order(value) for key, value in document.items()}
    if isinstance(document, list):
        return sorted(map(_in_order, document), key=json.dumps)
    return document


class Networks:
    """What the tests do with ports and security groups.

    :param scene: the tests.functional.scene.Scene
    :ivar tags: the markers of all that was made
    """

    def __init__(self, scene):
        self.scene = scene
        self.rows = neutron_rows.NeutronRows(scene.cloud)
        self.tags = set()

    def ask(self, who, method, path, body=None, region=state.GUARDED):
        """Send a request to Neutron, and return the answer whatever it is.

        :param who: a name in scenes.PRINCIPALS
        :param body: what becomes the JSON body, None for no body
        :param region: state.GUARDED or state.UNGUARDED
        :returns: requests.Response
        """
        how = {} if body is None else {'json': body}
        return self.scene.connection(who, region).network.request(
            path, method, raise_exc=False, **how)

    def do(self, who, method, path, body=None):
        """Ask the unguarded Neutron for what must succeed.

        :returns: what is the first thing in the JSON of the answer
        """
        answer = self.ask(who, method, path, body, region=state.UNGUARDED)
        assert answer.ok, answer.text
        said = answer.json() if answer.content else None
        return next(iter(said.values())) if said else None

    def holding(self, **kind):
        """Return a Holding; see there."""
        made = Holding(self, **kind)
        if made.instance is not None:
            self.tags.add(made.tag)
        return made

    def normal(self, answer):
        """Return an answer without what differs between twins."""
        status, headers, text = scenes.normal(
            answer, None, self.scene.cloud)
        for pattern, name in _VARIABLE.items():
            text = re.sub(pattern, name, text)
        if text.startswith('{'):
            text = json.dumps(_in_order(json.loads(text)))
        return status, headers, text

    def project(self, name):
        """Return the id of a project."""
        return self.scene.cloud.projects[name]

    @functools.cached_property
    def subnet(self):
        """The id of the subnet of the tenant's network."""
        subnet, = self.do('owner', 'GET',
                          f'/subnets?network_id={self.scene.network}')
        return subnet['id']


class Holding(facts.Facts):
    """A port and a security group, and what leads to them.

    The unguarded Neutron makes each when a request asks for it.

    :param networks: the Networks
    :param instance: the database instance that the tags name; None for what
        is ordinary
    :param project: the name of the project of port and group
    :param other: who has what may come to lead to them: a name in
        scenes.PRINCIPALS
    """

    def __init__(self, networks, instance=None, project='demo',
                 other='owner'):
        self._networks = networks
        self.instance = instance
        self._project = networks.project(project)
        self._other = other

    @property
    def tag(self):
        """The tag that is there, and the marker where it is managed."""
        return TAG.format(self.instance) if self.instance else 'colour'

    @property
    def plain_tag(self):
        """A tag that is there and no marker."""
        return 'plain'

    @property
    def forged_tag(self):
        """A tag that would be a marker."""
        return TAG.format('0c1d2a3b-9999-4999-8999-000000000009')

    def _make(self, path, kind, who='admin', **body):
        """Make something, in the port's project where the admin does."""
        if who == 'admin':
            body['project_id'] = self._project
        return self._networks.do(who, 'POST', path, {kind: body})['id']

    def _make_other(self, path, kind, **body):
        return self._make(path, kind, self._other, **body)

    # What there is of the tenant's, and what is the other's.

    @property
    def network(self):
        """The id of the tenant's network."""
        return self._networks.scene.network

    @property
    def public_network(self):
        """The id of the network of floating addresses."""
        return self._networks.scene.public_network

    @property
    def other_project(self):
        """The id of another project."""
        return self._networks.project('other')

    @property
    def other_port(self):
        """The id of an ordinary port."""
        return self._make_other('/ports', 'port', network_id=self.network)

    @property
    def other_group(self):
        """The id of an ordinary security group."""
        return self._make_other('/security-groups', 'security_group',
                                name='other')

    @functools.cached_property
    def free_ip(self):
        """The id of a floating IP that leads nowhere."""
        return self._make_other('/floatingips', 'floatingip',
                                floating_network_id=self.public_network)

    @functools.cached_property
    def free_local_ip(self):
        """The id of a local IP that leads nowhere."""
        return self._make_other('/local_ips', 'local_ip',
                                network_id=self.network)

    @functools.cached_property
    def free_trunk(self):
        """The id of a trunk of an ordinary port, without subports."""
        return self._make_other('/trunks', 'trunk', port_id=self.other_port)

    @functools.cached_property
    def router(self):
        """The id of a router."""
        return self._make_other('/routers', 'router')

    # What is managed, or ordinary, itself.

    @functools.cached_property
    def port(self):
        """The id of the port."""
        return self._port['id']

    @functools.cached_property
    def _port(self):
        return self._make_port()

    def _make_port(self, **more):
        return self._networks.do('admin', 'POST', '/ports', {'port': {
            'network_id': self.network, 'project_id': self._project,
            'security_groups': [self.bound_group],
            'tags': [self.tag, self.plain_tag], **more}})

    @functools.cached_property
    def bound_port(self):
        """The id of a port that a server has."""
        return self._make_port(**{
            'device_owner': 'compute:nova', 'device_id': str(uuid.uuid4()),
            'binding:host_id': services.HOSTS[0]})['id']

    @property
    def free_host(self):
        """The name of a host to which that port has no binding."""
        return services.HOSTS[1]

    @functools.cached_property
    def other_host(self):
        """The name of a host to which that port has one more binding."""
        # Not even an admin may, but only a service.
        self._networks.do(
            'nova', 'POST', f'/ports/{self.bound_port}/bindings',
            {'binding': {'host': services.HOSTS[1]}})
        return services.HOSTS[1]

    @property
    def address(self):
        """The fixed address of the port."""
        return self._port['fixed_ips'][0]['ip_address']

    @functools.cached_property
    def bound_group(self):
        """The id of a security group that nothing but the port marks."""
        return self._make('/security-groups', 'security_group', name='bound')

    @functools.cached_property
    def group(self):
        """The id of the security group."""
        made = self._make('/security-groups', 'security_group', name='group')
        self._networks.do('admin', 'PUT', f'/security-groups/{made}/tags',
                          {'tags': [self.tag, self.plain_tag]})
        return made

    # What leads to them.

    @functools.cached_property
    def rule(self):
        """The id of a rule of the security group."""
        return self._make(
            '/security-group-rules', 'security_group_rule',
            security_group_id=self.group, direction='ingress',
            protocol='tcp', port_range_min=3306, port_range_max=3306)

    @functools.cached_property
    def rbac_policy(self):
        """The id of an RBAC policy that shares the security group."""
        return self._make(
            '/rbac-policies', 'rbac_policy', object_type='security_group',
            object_id=self.group, action='access_as_shared',
            target_tenant=self.other_project)

    @functools.cached_property
    def floating_ip(self):
        """The id of a floating IP of the port."""
        # It is the tenant's wherever the port is.
        return self._networks.do('admin', 'POST', '/floatingips', {
            'floatingip': {
                'port_id': self.port,
                'project_id': self._networks.project('demo'),
                'floating_network_id': self.public_network}})['id']

    @functools.cached_property
    def forwarding_ip(self):
        """The id of a floating IP that forwards a port to the port."""
        return self._make('/floatingips', 'floatingip', 'owner',
                          floating_network_id=self.public_network)

    @functools.cached_property
    def forwarding(self):
        """The id of that forwarding."""
        return self._make(
            f'/floatingips/{self.forwarding_ip}/port_forwardings',
            'port_forwarding', 'owner', internal_port_id=self.port,
            internal_ip_address=self.address, internal_port=3306,
            external_port=3306, protocol='tcp')

    @functools.cached_property
    def trunk(self):
        """The id of a trunk of the port."""
        return self._make('/trunks', 'trunk', port_id=self.port)

    @functools.cached_property
    def subport_trunk(self):
        """The id of a trunk that has the port as a subport."""
        return self._make('/trunks', 'trunk', port_id=self._networks.do(
            'admin', 'POST', '/ports', {'port': {
                'network_id': self.network,
                'project_id': self._project}})['id'], sub_ports=[{
                    'port_id': self.port, 'segmentation_type': 'vlan',
                    'segmentation_id': 7}])

    @functools.cached_property
    def interface_router(self):
        """The id of a router that has the port as its interface."""
        made = self._make('/routers', 'router')
        self._networks.do('admin', 'PUT',
                          f'/routers/{made}/add_router_interface',
                          {'port_id': self.port})
        return made

    @functools.cached_property
    def ndp_proxy(self):
        """The id of an NDP proxy of the port, as if it had IPv6."""
        return self._networks.rows.insert_with_attributes(
            'ndp_proxies', project_id=self._networks.project('demo'),
            name='', router_id=self.router, port_id=self.port,
            ip_address='2001:db8::1')

    @functools.cached_property
    def local_ip(self):
        """The id of a local IP that is associated with the port."""
        made = self._make('/local_ips', 'local_ip', 'owner',
                          network_id=self.network)
        self._networks.do(
            'owner', 'POST', f'/local_ips/{made}/port_associations',
            {'port_association': {'fixed_port_id': self.port}})
        return made

    @functools.cached_property
    def log(self):
        """The id of a log of the security group."""
        return self._make('/log/logs', 'log', resource_type='security_group',
                          resource_id=self.group)

    def describe(self):
        """Return what Neutron's database has of all that was made of it."""
        return self._networks.rows.naming(
            value for name, value in vars(self).items() if name in KINDS)


class Nowhere(facts.Facts):
    """A Holding of which port and group, and what leads to them, don't exist.

    :param holding: a Holding, whose other facts are these as well
    """

    def __init__(self, holding):
        self._holding = holding
        self._made = {}

    def __getitem__(self, name):
        if name in KINDS:
            return self._made.setdefault(name, str(uuid.uuid4()))
        return self._holding[name]


class Renamed(facts.Facts):
    """The facts of a Holding, some of them by another name.

    :param holding: the Holding
    :param names: the name of the fact that stands for another, by that
    """

    def __init__(self, holding, **names):
        self._holding = holding
        self._names = names

    def __getitem__(self, name):
        return self._holding[self._names.get(name, name)]
