# SPDX-License-Identifier: Apache-2.0
"""Neutron's real API, with the guard before it, in a process of its own.

Neutron changes oslo.policy and SQLAlchemy for all others in its process.

Both routers of Neutron's, its extensions, service plugins and policy, and a
database of its own schema. Two things are not real: the tokens, which are as
auth_token leaves them, and what plugins do with what they are told to change,
which is recorded.
"""

import contextlib
import functools
import inspect
import io
import json
import pathlib
import re

from neutron.api import extensions
from neutron import auth
from neutron.common import config
from neutron.db.migration.models import head
from neutron.db.models import l3
from neutron.db.models import local_ip
from neutron import manager
from neutron.pecan_wsgi import app as pecan_app
from neutron.plugins.ml2 import models as ml2
from neutron_lib.api import attributes as definitions
from neutron_lib.db import standard_attr
from neutron_lib import exceptions
from neutron_lib.plugins import directory as plugins
import sqlalchemy
from sqlalchemy.dialects import mysql
import webob

from nova_trove_guard.core import calls
from nova_trove_guard.neutron import filter as guard_filter
from nova_trove_guard.neutron import lookup
from tests.unit.neutron import questions

CONF = """
[DEFAULT]
transport_url = fake://
state_path = {directory}
core_plugin = ml2
service_plugins = {service_plugins}
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
dhcp_agent_notification = false
[oslo_concurrency]
lock_path = {directory}
[database]
connection = {url}
[ml2]
type_drivers = vxlan
tenant_network_types = vxlan
mechanism_drivers = openvswitch
extension_drivers = port_security, qos, tag_ports_during_bulk_creation
[ml2_type_vxlan]
vni_ranges = 1:1000
[oslo_policy]
policy_file = {directory}/policy.yaml
"""
SERVICE_PLUGINS = (
    'router, trunk, port_forwarding, local_ip, ndp_proxy, log, qos, metering, '
    'segments, flavors, conntrack_helper, auto_allocate, '
    'network_ip_availability, network_segment_range')
# The names of the methods of plugins that change something.
_CHANGES = ('create_', 'update_', 'delete_', 'add_', 'remove_', 'activate',
            'onboard_')


class Dispatched(Exception):
    """What a plugin does instead of changing something."""


class NeutronAPI:
    """Neutron's API.

    :param directory: for its files
    :param url: of an empty database; None for one of SQLite
    :param records: whether plugins only record what they are told to change
    :ivar dispatched: what they recorded: see questions.Answer
    :ivar applications: by whether they are guarded
    """

    def __init__(self, directory, url=None, records=True):
        directory = pathlib.Path(directory)
        # So that all calls of admins get as far as the plugins.
        (directory / 'policy.yaml').write_text(''.join(
            f'"{rule}": ""\n' for rule in (
                'activate', 'create_port_binding', 'update_port_binding',
                'delete_port_binding')))
        (directory / 'neutron.conf').write_text(CONF.format(
            directory=directory, service_plugins=SERVICE_PLUGINS,
            url=url or f'sqlite:///{directory}/neutron.sqlite'))
        config.register_common_config_options()
        config.init(['--config-file', str(directory / 'neutron.conf')])
        config.set_config_defaults()
        head.get_metadata().create_all(engine())
        core = pecan_app.v2_factory({})
        self.extensions = (
            extensions.plugin_aware_extension_middleware_factory({})(core))
        fill()
        self.dispatched = []
        if records:
            for plugin in plugins.get_unique_plugins():
                self._record(plugin)
        guarded = guard_filter.filter_factory(
            {}, trove_managed_instances='true')(self.extensions)
        self.applications = {
            True: auth.NeutronKeystoneContext(guarded),
            False: auth.NeutronKeystoneContext(self.extensions)}

    def send(self, method, path, body, headers, who, is_guarded):
        """Send a request, and return a questions.Answer.

        :param path: percent-encoded, with the query
        :param body: bytes
        :param who: arguments of questions.principal
        """
        asked = request(method, path, body, headers, who)
        self.dispatched.clear()
        with selects() as statements:
            answer = asked.get_response(self.applications[is_guarded])
        return questions.Answer(answer.status_int, answer.body,
                                list(self.dispatched), statements)

    def _record(self, plugin):
        """Have a plugin record what it is told to change."""
        for name, _ in inspect.getmembers(plugin, callable):
            if name.startswith(_CHANGES):
                setattr(plugin, name, self._recorder(name))

    def _recorder(self, name):
        def record(context, *arguments, **named):
            told = json.dumps([arguments, named], default=repr)
            if calls.NIL_UUID in told:
                raise exceptions.ObjectNotFound(id=calls.NIL_UUID)
            self.dispatched.append((name, told))
            raise Dispatched

        return record


def request(method, path, body, headers, who):
    """Return a request: see NeutronAPI.send."""
    made = webob.Request.blank(path, method=method, headers=headers)
    # As a server hands it on, not as WebOb would.
    made.environ.pop('webob.is_body_seekable', None)
    made.environ.update({
        'wsgi.input': io.BytesIO(body), 'wsgi.input_terminated': True,
        'CONTENT_LENGTH': str(len(body))} | questions.principal(**who))
    if 'Transfer-Encoding' in headers:
        del made.environ['CONTENT_LENGTH']
    return made


@functools.cache
def api(*arguments):
    """Return the NeutronAPI of this process."""
    return NeutronAPI(*arguments)


def send(arguments, *what):
    """Send a request to the NeutronAPI of this process."""
    return api(*arguments).send(*what)


def routes(arguments):
    """Return (path, method) of all that Routes knows in this process.

    Each once, without its format and what only HTML forms need.
    """
    found = set()
    for route in api(*arguments).extensions._router.mapper.matchlist:
        path = re.sub(r'\.:\(format\)$', '', route.routepath)
        path = re.sub(r':\((\w+)\)|:(\w+)', r'{\1\2}', path)
        for method in (route.conditions or {}).get('method') or ('*',):
            found.add((path, method))
    return sorted(found)


def attributes(arguments):
    """Return the names of attributes by collection."""
    api(*arguments)
    return {collection: sorted(named)
            for collection, named in definitions.RESOURCES.items()}


def prefixes(arguments):
    """Return what Neutron takes for the prefix of a collection."""
    api(*arguments)
    mappings = (
        manager.NeutronManager.get_instance().path_prefix_resource_mappings)
    return [prefix for prefix, behind in mappings.items() if behind]


def statement(arguments, kind, ids):
    """Return the text of the guard's statement for a kind, for MariaDB."""
    api(*arguments)
    return str(lookup._STATEMENTS[kind].params(
        ids=ids, marker='trove\\_instance\\_id\\_%').compile(
            dialect=mysql.dialect(), compile_kwargs={'literal_binds': True}))


def engine():
    """Return the engine of Neutron's database."""
    return lookup.db.get_context_manager().writer.get_engine()


def fill():
    """Have one of each kind in the database, managed and not."""
    for which in questions.MANAGED, questions.FREE:
        _fill(which)
    for model, key in ((lookup._Port, 'port'), (lookup._Group,
                                                'security_group')):
        add(lookup._Tag, standard_attr_id=standard_attr_id(
            model, questions.MANAGED[key]), tag=questions.TAG)
        add(lookup._Tag, standard_attr_id=standard_attr_id(
            model, questions.FREE[key]), tag=f'not_{questions.TAG}')


def _fill(which):
    """Have one of each kind, all of which lead to the same port."""
    port = which['port']
    add(lookup._Network, id=which['network'], name='private', mtu=1500,
        project_id=questions.NETWORK_PROJECT, status='ACTIVE',
        admin_state_up=True)
    for kind in 'port', 'subport':
        add(lookup._Port, id=which[kind], network_id=which['network'],
            mac_address=f'fa:16:3e:{which[kind][6:8]}:00:{which[kind][-2:]}',
            admin_state_up=True, status='ACTIVE', device_id='',
            device_owner='compute:nova')
    for kind, rule in (('security_group', 'security_group_rule'),
                       ('bound_group', 'bound_rule')):
        add(lookup._Group, id=which[kind], name=kind, stateful=True)
        add(lookup._Rule, id=which[rule], security_group_id=which[kind],
            direction='ingress', ethertype='IPv4')
    add(ml2.PortBinding, port_id=port, host='x', vif_type='ovs')
    add(lookup._Bound, port_id=port, security_group_id=which['bound_group'])
    add(l3.Router, id=which['router'], name='router', status='ACTIVE',
        admin_state_up=True, enable_snat=True)
    add(lookup._FloatingIP, id=which['floating_ip'], fixed_port_id=port,
        floating_ip_address='203.0.113.1',
        floating_network_id=which['network'], floating_port_id=port,
        router_id=which['router'])
    add(lookup._Forwarding, id=which['port_forwarding'],
        floatingip_id=which['floating_ip'], internal_neutron_port_id=port,
        protocol='tcp', internal_ip_address='10.0.0.5',
        internal_port_start=3306, internal_port_end=3306,
        external_port_start=3306, external_port_end=3306)
    add(lookup._Trunk, id=which['trunk'], port_id=port, status='ACTIVE',
        admin_state_up=True)
    add(lookup._SubPort, trunk_id=which['trunk'], port_id=which['subport'],
        segmentation_type='vlan', segmentation_id=1)
    add(lookup._Proxy, id=which['ndp_proxy'], port_id=port,
        router_id=which['router'], ip_address='2001:db8::1')
    add(local_ip.LocalIP, id=which['local_ip'], local_port_id=port,
        network_id=which['network'], local_ip_address='192.0.2.1',
        ip_mode='translate')
    add(local_ip.LocalIPAssociation, local_ip_id=which['local_ip'],
        fixed_port_id=port, fixed_ip='10.0.0.5')
    add(lookup._Shared, id=which['rbac_policy'], target_project='x',
        action='access_as_shared', object_id=which['security_group'])
    add(lookup._Log, id=which['log'], resource_type='security_group',
        resource_id=which['security_group'], target_id=port, event='ALL',
        enabled=True)


def grow(arguments, count=300):
    """Have more rows in the tables: as many ports, and what leads to each."""
    api(*arguments)
    for number in range(count):
        which = questions.ids(f'{number:08x}')
        _fill(which)
        for kind, model in (('port', lookup._Port),
                            ('security_group', lookup._Group)):
            add(lookup._Tag, standard_attr_id=standard_attr_id(
                model, which[kind]), tag='purpose')


def add(model, **values):
    """Insert a row, and the one of its standard attributes."""
    table = model.__table__
    with engine().begin() as to:
        if 'standard_attr_id' in table.c and 'standard_attr_id' not in values:
            made = to.execute(
                standard_attr.StandardAttribute.__table__.insert().values(
                    resource_type=table.name))
            values['standard_attr_id'], = made.inserted_primary_key
        if 'project_id' in table.c:
            values = {'project_id': questions.PROJECT} | values
        to.execute(table.insert().values(**values))


def standard_attr_id(model, identifier):
    """Return the id of the standard attributes of a row."""
    with engine().connect() as to:
        return to.execute(sqlalchemy.select(model.standard_attr_id).where(
            model.id == identifier)).scalar()


@contextlib.contextmanager
def selects():
    """Yield the list of the SELECTs that Neutron's database gets."""
    found = []

    def note(connection, cursor, statement, *_):
        if 'SELECT' in statement:
            found.append(statement)

    sqlalchemy.event.listen(engine(), 'before_cursor_execute', note)
    try:
        yield found
    finally:
        sqlalchemy.event.remove(engine(), 'before_cursor_execute', note)
