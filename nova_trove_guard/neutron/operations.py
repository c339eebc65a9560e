# SPDX-License-Identifier: Apache-2.0
"""The table of what Neutron's API can be asked of a port or security group.

``ROUTES`` has one row for each route that reaches one, or what leads to one:
its rules, bindings and tags, floating IPs and their port forwardings, trunks,
local IPs, NDP proxies, RBAC policies and logs; and one that passes for each
route that names none of them. What the table does not know counts as mutating
whatever it names, anywhere in path and body. Operations bear the names of
Neutron's policy rules, behind ``network:``.

``is_of_services`` marks what Nova does with the ports of its servers. It never
opens a security group, a rule or a floating IP: Nova's old API for these
(``os-security-groups``, ``os-floating-ips``) carries what tenants ask for,
with Nova's service token.

What lies below a port passes: networks, subnets, routers and QoS policies are
the tenant's own.

Policy rules, samples, advice and CADF actions are made of it.
``tests/unit/neutron/test_surface.py`` compares it with the installed Neutron.
"""

from collections.abc import Iterator
import functools

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core import routing
from nova_trove_guard.neutron import identifiers
from nova_trove_guard.neutron import tags

# Neutron looks for what stands there, in whatever form it stands there.
_target = functools.partial(
    calls.Target, canonical=calls.as_written, anywhere=True)
_PORT = (_target('port'),)
_SECURITY_GROUP = (_target('security_group'),)
_FLOATING_IP = (_target('floating_ip'),)
_TRUNK = (_target('trunk'),)


def _in_body(kind: str, key: str) -> calls.Target:
    """Return a Target that stands in the body, below a key.

    There it may be in one of several forms: a resource, a list of them, plain
    or wrapped (neutron.api.v2.base.Controller.prepare_request_body).
    """
    return _target(kind, where=(), is_optional=True,
                   split=functools.partial(documents.strings, keys=(key,)))


_PORT_IN_BODY = _in_body('port', 'port_id')

# What to do instead, with the database instance for {0}.
_ACCESS = 'openstack database instance update {0} --allowed-cidr <cidr>'
_PUBLIC = 'openstack database instance update {0} --is-public'
_PRIVATE = 'openstack database instance update {0} --is-private'
_DELETE = 'openstack database instance delete {0}'

_of_service = functools.partial(
    calls.Operation, targets=_PORT, is_of_services=True)

# Which of both it is, the body says: see nova_trove_guard.neutron.reader.
PORT_UPDATE = calls.Operation(
    'network:update_port', 'Change a port, such as its security groups, '
    'address pairs and port security', _ACCESS, _PORT, has_body=True)
PORT_UPDATE_BINDING = _of_service(
    'network:update_port:binding',
    'Bind a port to a server, or unbind it, and give it its DNS name',
    has_body=True)
# All that Nova writes (nova.network.neutron.API).
BINDING = frozenset((
    'binding:host_id', 'binding:profile', 'binding:vnic_type', 'device_id',
    'device_owner', 'dns_name', 'mac_address', 'vnic_index'))

UNKNOWN = calls.Operation(
    'network:unknown',
    'Ask for what the guard does not know, such as an extension of a newer '
    'Neutron. It can be anything: do not open it',
    targets=(_target('anything', where=(), split=identifiers.anything),),
    has_body=True, marker_effect=tags.WritesTags(keys=None))


def _tags(singular: str, target: tuple[calls.Target, ...]) -> routing.Routes:
    """Return the rows of the tags of a kind that has the marker."""
    one = f'network:{{}}_{singular}:tags'
    all_of_them = f'network:{{}}_{singular}:all_tags'
    what = singular.replace('_', ' ')
    return {
        '/tags': {
            'GET': routing.PASS,
            'POST': calls.Operation(
                one.format('create'), f'Add tags to a {what}, but for the '
                'marker', targets=target, has_body=True,
                marker_effect=tags.WritesTags(), shows_existence=True),
            # They replace all, the marker as well.
            'PUT': calls.Operation(
                all_of_them.format('update'), targets=target, has_body=True,
                is_trove_admins=True, marker_effect=tags.WritesTags(),
                shows_existence=True),
            'DELETE': calls.Operation(
                all_of_them.format('delete'), targets=target,
                is_trove_admins=True, shows_existence=True),
        },
        '/tags/{tag}': {
            'GET': routing.PASS,
            'PUT': calls.Operation(
                one.format('update'), f'Add a tag to a {what}, but for the '
                'marker', targets=target, shows_existence=True,
                marker_effect=tags.WritesTags((), in_path=True)),
            'DELETE': calls.Operation(
                one.format('delete'), f'Remove a tag from a {what}, but for '
                'the marker', targets=target, marker_effect=tags.DeletesTag(),
                action='delete', shows_existence=True),
        },
    }


def _below(route: str, rows: routing.Routes) -> routing.Routes:
    return {route + below: methods for below, methods in rows.items()}


_ALL = dict.fromkeys(('GET', 'POST', 'PUT', 'DELETE'), routing.PASS)

# In these nothing names a port or security group, nor what leads to one.
_PLAIN = (
    'address-groups', 'address-scopes', 'agents', 'auto-allocated-topology',
    'default-security-group-rules', 'flavors',
    'metering-label-rules', 'metering-labels', 'network-segment-ranges',
    'networks', 'policies', 'quotas', 'routers',
    'security-groups-default-statefulness', 'segments', 'service_profiles',
    'subnetpools', 'subnets',
)
# What is below an item of those, and passes with an item of its own below it.
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
# What can be done to an item of those (member actions).
_PLAIN_ACTIONS = {
    'address-groups': ('add_addresses', 'remove_addresses'),
    'routers': (
        'add_external_gateways', 'add_extraroutes',
        'remove_external_gateways', 'remove_extraroutes',
        'update_external_gateways'),
    'subnetpools': (
        'add_prefixes', 'onboard_network_subnets', 'remove_prefixes'),
}

# What some collections stand behind.
PREFIXES = frozenset(('log', 'metering', 'qos'))

# Without their prefixes.
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
            'network:create_port_binding', 'Bind a port to one more host'),
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
            'Open a security group', _ACCESS,
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
            'network:create_floatingip', 'Give a port a floating IP',
            _PUBLIC, (_PORT_IN_BODY,), has_body=True),
    },
    '/floatingips/{id}': {
        'PUT': calls.Operation(
            'network:update_floatingip',
            'Give a port a floating IP, or change or take away its own',
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
            'Change what is forwarded to a port', _PUBLIC,
            (_target('port_forwarding'),
             _in_body('port', 'internal_port_id')), has_body=True),
        'DELETE': calls.Operation(
            'network:delete_floatingip_port_forwarding',
            'Forward no longer to a port', _PUBLIC,
            (_target('port_forwarding'),), action='delete'),
    },
    '/local-ips': {
        'POST': calls.Operation(
            'network:create_local_ip', 'Make a local IP of that of a port',
            targets=(_in_body('port', 'local_port_id'),), has_body=True),
    },
    '/local-ips/{id}': _ALL,
    '/local_ips/{id}/port_associations': {
        'POST': calls.Operation(
            'network:create_local_ip_port_association',
            'Give a port a local IP',
            targets=(_in_body('port', 'fixed_port_id'),), has_body=True),
    },
    '/local_ips/{local_ip_id}/port_associations/{fixed_port_id}': {
        'DELETE': calls.Operation(
            'network:delete_local_ip_port_association',
            'Take a local IP from a port', targets=_PORT, action='delete',
            shows_existence=True),
    },
    '/ndp-proxies': {
        'POST': calls.Operation(
            'network:create_ndp_proxy', 'Make an NDP proxy for a port',
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
            'network:create_trunk', 'Make a trunk of ports',
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
           ('add_router_interface', 'Make a port the interface of a router'),
           ('remove_router_interface',
            'Delete a port that is the interface of a router'))},
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
            'Share a security group with yet another project',
            targets=(_target('rbac_policy'),)),
        'DELETE': calls.Operation(
            'network:delete_rbac_policy', 'Share a security group no longer',
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
