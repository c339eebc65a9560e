# SPDX-License-Identifier: Apache-2.0
"""The table of operations of Neutron's API on a port or security group.

``ROUTES`` has one row for each route that reaches one, or that reaches a
resource which leads to one: its rules, bindings and tags, floating IPs and
their port forwardings, trunks, local IPs, NDP proxies, RBAC policies and logs.
It also has one row, which passes, for each route that names none of them. A
call that is not in the table counts as mutating every resource that it names,
anywhere in path and body. Operations have the names of Neutron's policy rules,
behind ``network:``.

``used_by_services`` marks the calls that Nova makes with the ports of its
servers. It never marks a call that opens a security group or adds a floating
IP: with Nova's old API for these (``os-security-groups``,
``os-floating-ips``), tenants make such calls with Nova's service token.

The guard passes calls on the layers below a port: networks, subnets, routers
and QoS policies belong to the tenant.

Policy rules, samples, advice and CADF actions are generated from the table.
``tests/unit/neutron/test_surface.py`` compares it with the installed Neutron.
"""

from collections.abc import Iterator
import functools

from nova_trove_guard.core import calls
from nova_trove_guard.core import routing
from nova_trove_guard.neutron import identifiers
from nova_trove_guard.neutron import tags

# Neutron looks up identifiers as they are written.
_target = functools.partial(
    calls.Target, canonical=calls.as_written, anywhere=True)
_PORT = (_target('port'),)
_SECURITY_GROUP = (_target('security_group'),)
_FLOATING_IP = (_target('floating_ip'),)
_TRUNK = (_target('trunk'),)


def _in_body(kind: str, key: str) -> calls.Target:
    """Return a Target for identifiers in the body, below a key.

    The body may have several forms: a resource or a list of resources, plain
    or wrapped (neutron.api.v2.base.Controller.prepare_request_body).
    """
    return _target(kind, where=(), is_optional=True,
                   split=functools.partial(identifiers.below, key))


_PORT_IN_BODY = _in_body('port', 'port_id')

# The commands to use instead, with {0} for the database instance.
_ACCESS = 'openstack database instance update {0} --allowed-cidr <cidr>'
_PUBLIC = 'openstack database instance update {0} --is-public'
_PRIVATE = 'openstack database instance update {0} --is-private'
_DELETE = 'openstack database instance delete {0}'

_of_service = functools.partial(
    calls.Operation, targets=_PORT, used_by_services=True)

# The body decides which of these two it is: see
# nova_trove_guard.neutron.reader.
PORT_UPDATE = calls.Operation(
    'network:update_port', 'Change a port, such as its security groups, '
    'address pairs and port security', _ACCESS, _PORT, has_body=True)
PORT_UPDATE_BINDING = _of_service(
    'network:update_port:binding',
    'Bind a port to a server, or unbind it, and give it its DNS name',
    has_body=True)
# The attributes that Nova writes (nova.network.neutron.API).
BINDING = frozenset((
    'binding:host_id', 'binding:profile', 'binding:vnic_type', 'device_id',
    'device_owner', 'dns_name', 'mac_address', 'vnic_index'))

UNKNOWN = calls.Operation(
    'network:unknown',
    'Make a call that the guard does not know, such as one of an extension of '
    'a newer Neutron. It can do anything: do not allow it',
    targets=(_target('anything', where=(), split=identifiers.anything),),
    has_body=True, marker_effect=tags.WritesTags(keys=None))


def _tags(singular: str, target: tuple[calls.Target, ...]) -> routing.Routes:
    """Return the rows for the tags of a kind of resource with the marker."""
    one = f'network:{{}}_{singular}:tags'
    all_of_them = f'network:{{}}_{singular}:all_tags'
    what = singular.replace('_', ' ')
    return {
        '/tags': {
            'GET': routing.PASS,
            'POST': calls.Operation(
                one.format('create'), f'Add tags to a {what}, except the '
                'marker', targets=target, has_body=True,
                marker_effect=tags.WritesTags(), shows_existence=True),
            # This replaces all tags, including the marker.
            'PUT': calls.Operation(
                all_of_them.format('update'), targets=target, has_body=True,
                trove_admin_only=True, marker_effect=tags.WritesTags(),
                shows_existence=True),
            'DELETE': calls.Operation(
                all_of_them.format('delete'), targets=target,
                trove_admin_only=True, shows_existence=True),
        },
        '/tags/{tag}': {
            'GET': routing.PASS,
            'PUT': calls.Operation(
                one.format('update'), f'Add a tag to a {what}, except the '
                'marker', targets=target, shows_existence=True,
                marker_effect=tags.WritesTags((), in_path=True)),
            'DELETE': calls.Operation(
                one.format('delete'), f'Remove a tag from a {what}, except '
                'the marker', targets=target, marker_effect=tags.DeletesTag(),
                action='delete', shows_existence=True),
        },
    }


def _below(route: str, rows: routing.Routes) -> routing.Routes:
    return {route + below: methods for below, methods in rows.items()}


_ALL = dict.fromkeys(('GET', 'POST', 'PUT', 'DELETE'), routing.PASS)

# Collections in which no call names a port or security group, or a resource
# that leads to one.
_PLAIN = (
    'address-groups', 'address-scopes', 'agents', 'auto-allocated-topology',
    'default-security-group-rules', 'flavors',
    'metering-label-rules', 'metering-labels', 'network-segment-ranges',
    'networks', 'policies', 'quotas', 'routers',
    'security-groups-default-statefulness', 'segments', 'service_profiles',
    'subnetpools', 'subnets',
)
# Collections below an item of those, which pass, too, and so do their items.
_PLAIN_BELOW = {
    'agents': ('dhcp-networks', 'l3-routers'),
    'flavors': ('next_providers', 'service_profiles'),
    'floatingips': ('tags',),
    'network_segment_ranges': ('tags',),
    'networks': ('dhcp-agents', 'tags'),
    'policies': (
        'bandwidth_limit_rules', 'dscp_marking_rules',
        'minimum-packet-rate-rules', 'minimum_bandwidth_rules',
        'packet_rate_limit_rules', 'tags'),
    'routers': ('conntrack_helpers', 'l3-agents', 'tags'),
    'subnetpools': ('tags',),
    'subnets': ('tags',),
    'trunks': ('tags',),
}
# Actions on an item of those (Neutron's member actions).
_PLAIN_ACTIONS = {
    'address-groups': ('add_addresses', 'remove_addresses'),
    'routers': (
        'add_external_gateways', 'add_extraroutes',
        'remove_external_gateways', 'remove_extraroutes',
        'update_external_gateways'),
    'subnetpools': (
        'add_prefixes', 'onboard_network_subnets', 'remove_prefixes'),
}

# The prefixes of some collections' paths.
PREFIXES = frozenset(('log', 'metering', 'qos'))

# Routes, without their prefixes.
ROUTES: routing.Routes = {
    **{f'/{collection}{item}': _ALL
       for collection in _PLAIN for item in ('', '/{id}')},
    **{f'/{collection}/{{id}}/{below}{item}': _ALL
       for collection, each in _PLAIN_BELOW.items() for below in each
       for item in ('', '/{item}')},
    **{f'/{collection}/{{id}}/{action}': {'PUT': routing.PASS}
       for collection, actions in _PLAIN_ACTIONS.items()
       for action in actions},
    '/ports': {
        'POST': calls.Operation(
            'network:create_port', has_body=True, action='create',
            marker_effect=tags.WritesTags()),
    },
    '/ports/{id}': {
        'PUT': PORT_UPDATE,
        'DELETE': calls.Operation(
            'network:delete_port', 'Delete a port', _DELETE, _PORT,
            action='delete'),
    },
    **_below('/ports/{id}', _tags('port', _PORT)),
    '/ports/{id}/bindings': {
        'POST': _of_service(
            'network:create_port_binding', 'Bind a port to another host, too'),
    },
    '/ports/{id}/bindings/{host}': {
        'PUT': _of_service(
            'network:update_port_binding', 'Change the binding of a port'),
        'DELETE': _of_service(
            'network:delete_port_binding', 'Unbind a port from a host',
            action='delete'),
    },
    '/ports/{id}/bindings/{host}/activate': {
        'PUT': _of_service(
            'network:activate', 'Activate the binding of a port to a host'),
    },
    '/security-groups': {'POST': routing.PASS},
    '/security-groups/{id}': {
        'PUT': calls.Operation(
            'network:update_security_group', 'Change a security group',
            _ACCESS, _SECURITY_GROUP),
        'DELETE': calls.Operation(
            'network:delete_security_group', 'Delete a security group',
            _DELETE, _SECURITY_GROUP, action='delete'),
    },
    **_below('/security-groups/{id}',
             _tags('security_group', _SECURITY_GROUP)),
    '/security-group-rules': {
        'POST': calls.Operation(
            'network:create_security_group_rule',
            'Add a rule to a security group', _ACCESS,
            (_in_body('security_group', 'security_group_id'),),
            has_body=True, shows_existence=True),
    },
    '/security-group-rules/{id}': {
        'DELETE': calls.Operation(
            'network:delete_security_group_rule',
            'Remove a rule from a security group', _ACCESS,
            (_target('security_group_rule'),), action='delete',
            shows_existence=True),
    },
    '/floatingips': {
        'POST': calls.Operation(
            'network:create_floatingip', 'Create a floating IP for a port',
            _PUBLIC, (_PORT_IN_BODY,), has_body=True),
    },
    '/floatingips/{id}': {
        'PUT': calls.Operation(
            'network:update_floatingip',
            'Add a floating IP to a port, or change or remove that of a port',
            _PUBLIC, (*_FLOATING_IP, _PORT_IN_BODY), has_body=True),
        'DELETE': calls.Operation(
            'network:delete_floatingip', 'Delete the floating IP of a port',
            _PRIVATE, _FLOATING_IP, action='delete'),
    },
    '/floatingips/{id}/port_forwardings': {
        'POST': calls.Operation(
            'network:create_floatingip_port_forwarding',
            'Forward a port of a floating IP to a port', _PUBLIC,
            (_in_body('port', 'internal_port_id'),), has_body=True),
    },
    '/floatingips/{floatingip_id}/port_forwardings/{id}': {
        'PUT': calls.Operation(
            'network:update_floatingip_port_forwarding',
            'Change the port forwarding to a port', _PUBLIC,
            (_target('port_forwarding'),
             _in_body('port', 'internal_port_id')), has_body=True),
        'DELETE': calls.Operation(
            'network:delete_floatingip_port_forwarding',
            'Delete the port forwarding to a port', _PUBLIC,
            (_target('port_forwarding'),), action='delete'),
    },
    '/local-ips': {
        'POST': calls.Operation(
            'network:create_local_ip', 'Create a local IP from a port\'s IP',
            targets=(_in_body('port', 'local_port_id'),), has_body=True),
    },
    '/local-ips/{id}': _ALL,
    '/local_ips/{id}/port_associations': {
        'POST': calls.Operation(
            'network:create_local_ip_port_association',
            'Add a local IP to a port',
            targets=(_in_body('port', 'fixed_port_id'),), has_body=True),
    },
    '/local_ips/{local_ip_id}/port_associations/{fixed_port_id}': {
        'DELETE': calls.Operation(
            'network:delete_local_ip_port_association',
            'Remove a local IP from a port', targets=_PORT, action='delete',
            shows_existence=True),
    },
    '/ndp-proxies': {
        'POST': calls.Operation(
            'network:create_ndp_proxy', 'Create an NDP proxy for a port',
            targets=(_PORT_IN_BODY,), has_body=True),
    },
    '/ndp-proxies/{id}': {
        'PUT': calls.Operation(
            'network:update_ndp_proxy', 'Change the NDP proxy of a port',
            targets=(_target('ndp_proxy'),)),
        'DELETE': calls.Operation(
            'network:delete_ndp_proxy', 'Delete the NDP proxy of a port',
            targets=(_target('ndp_proxy'),), action='delete'),
    },
    '/trunks': {
        'POST': calls.Operation(
            'network:create_trunk', 'Create a trunk of ports',
            targets=(_PORT_IN_BODY,), has_body=True),
    },
    '/trunks/{id}': {
        'PUT': calls.Operation(
            'network:update_trunk', 'Change a trunk', targets=_TRUNK),
        'DELETE': calls.Operation(
            'network:delete_trunk', 'Delete a trunk', targets=_TRUNK,
            action='delete'),
    },
    **{f'/trunks/{{id}}/{action}': {'PUT': calls.Operation(
        f'network:{action}', description,
        targets=(*_TRUNK, _PORT_IN_BODY), has_body=True)}
       for action, description in (
           ('add_subports', 'Add ports to a trunk'),
           ('remove_subports', 'Remove ports from a trunk'))},
    **{f'/routers/{{id}}/{action}': {'PUT': calls.Operation(
        f'network:{action}', description,
        targets=(_PORT_IN_BODY,), has_body=True)}
       for action, description in (
           ('add_router_interface', 'Make a port an interface of a router'),
           ('remove_router_interface',
            'Delete a port that is an interface of a router'))},
    '/rbac-policies': {
        'POST': calls.Operation(
            'network:create_rbac_policy',
            'Share a security group with another project',
            targets=(_in_body('security_group', 'object_id'),),
            has_body=True),
    },
    '/rbac-policies/{id}': {
        'PUT': calls.Operation(
            'network:update_rbac_policy',
            'Change the project that a security group is shared with',
            targets=(_target('rbac_policy'),)),
        'DELETE': calls.Operation(
            'network:delete_rbac_policy', 'Stop sharing a security group',
            targets=(_target('rbac_policy'),), action='delete'),
    },
    '/logs': {
        'POST': calls.Operation(
            'network:create_log',
            'Log the traffic of a port or security group',
            targets=(_in_body('port', 'target_id'),
                     _in_body('security_group', 'resource_id')),
            has_body=True, action='create'),
    },
    '/logs/{id}': {
        'PUT': calls.Operation(
            'network:update_log',
            'Change a log of the traffic of a port or security group',
            targets=(_target('log'),)),
        'DELETE': calls.Operation(
            'network:delete_log',
            'Delete a log of the traffic of a port or security group',
            targets=(_target('log'),), action='delete'),
    },
}


def documented() -> Iterator[tuple[calls.Operation, str, str]]:
    """Yield operation, method and path of every guarded call in the table."""
    for route, methods in ROUTES.items():
        for method, operation in methods.items():
            if operation is PORT_UPDATE:
                yield PORT_UPDATE_BINDING, method, route
            if operation.targets:
                yield operation, method, (
                    f'/log{route}' if route.startswith('/logs') else route)
    yield UNKNOWN, '*', '/*'


def operations() -> dict[str, calls.Operation]:
    """Return every operation that the guard can refuse, by name."""
    return {operation.name: operation for operation, _, _ in documented()}
