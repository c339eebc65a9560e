# SPDX-License-Identifier: Apache-2.0
"""Every operation as a request that Neutron accepts, as data.

Names with a $ are networks_scene.Holding: a port and a security group, and
what leads to them.
"""

import functools

from tests.functional import facts

_row = functools.partial(facts.Row, since='2.0')
BINDINGS = '/ports/$bound_port/bindings'
RULE = {'security_group_id': '$group', 'direction': 'ingress',
        'protocol': 'tcp', 'port_range_min': 22, 'port_range_max': 22}
SUB_PORTS = {'sub_ports': [{'port_id': '$port', 'segmentation_type': 'vlan',
                            'segmentation_id': 7}]}
FORWARDING = {
    'internal_port_id': '$port', 'internal_ip_address': '$address',
    'internal_port': 22, 'external_port': 22, 'protocol': 'tcp'}


def _update_port(port='$port', operation='update_port', **body):
    return _row(f'network:{operation}', 'PUT', f'/ports/{port}',
                {'port': body}, dispatches='update_port')


def _tags(resource, path):
    """Return the rows of the five calls that write tags."""
    return tuple(
        _row(f'network:{verb}_{resource}:{tags}', method, f'{path}/tags', body,
             dispatches=f'{verb}_tags')
        for verb, tags, method, body in (
            ('create', 'tags', 'POST', {'tags': ['red']}),
            ('update', 'all_tags', 'PUT', {'tags': ['red']}),
            ('delete', 'all_tags', 'DELETE', None))) + tuple(
        _row(f'network:{verb}_{resource}:tags', method, f'{path}/tags/{tag}',
             dispatches=f'{verb}_tag')
        for verb, method, tag in (
            ('update', 'PUT', 'red'), ('delete', 'DELETE', '$tag'),
            ('delete', 'DELETE', '$plain_tag')))


_PORTS = (
    _update_port(name='renamed'),
    _update_port(security_groups=[]),
    _update_port(port_security_enabled=False, security_groups=[]),
    _update_port(allowed_address_pairs=[{'ip_address': '0.0.0.0/0'}]),
    _update_port(fixed_ips=[]),
    _update_port(admin_state_up=False),
    _row('network:delete_port', 'DELETE', '/ports/$port',
         dispatches='delete_port'),
    *_tags('port', '/ports/$port'),
)
_BINDINGS = (
    *(_update_port('$bound_port', 'update_port:binding', **body) for body in (
        {'device_id': '', 'device_owner': '', 'binding:host_id': None,
         'binding:profile': {}},
        {'device_id': 'stolen', 'device_owner': 'network:dhcp'},
        {'dns_name': 'renamed'},
        {'binding:host_id': '$free_host'})),
    _row('network:delete_port', 'DELETE', '/ports/$bound_port',
         dispatches='delete_port'),
    _row('network:create_port_binding', 'POST', BINDINGS,
         {'binding': {'host': '$free_host'}},
         dispatches='create_port_binding'),
    _row('network:update_port_binding', 'PUT', f'{BINDINGS}/$other_host',
         {'binding': {'profile': {}}}, dispatches='update_port_binding'),
    _row('network:activate', 'PUT', f'{BINDINGS}/$other_host/activate',
         dispatches='activate'),
    _row('network:delete_port_binding', 'DELETE', f'{BINDINGS}/$other_host',
         dispatches='delete_port_binding'),
)
_GROUPS = (
    _row('network:update_security_group', 'PUT', '/security-groups/$group',
         {'security_group': {'name': 'renamed'}},
         dispatches='update_security_group'),
    _row('network:delete_security_group', 'DELETE', '/security-groups/$group',
         dispatches='delete_security_group'),
    *_tags('security_group', '/security-groups/$group'),
    _row('network:create_security_group_rule', 'POST',
         '/security-group-rules', {'security_group_rule': RULE},
         dispatches='create_security_group_rule'),
    _row('network:create_security_group_rule', 'POST',
         '/security-group-rules', {'security_group_rules': [RULE]},
         dispatches='create_security_group_rule_bulk'),
    _row('network:delete_security_group_rule', 'DELETE',
         '/security-group-rules/$rule',
         dispatches='delete_security_group_rule'),
    _row('network:create_rbac_policy', 'POST', '/rbac-policies',
         {'rbac_policy': {
             'object_type': 'security_group', 'object_id': '$group',
             'action': 'access_as_shared',
             'target_tenant': '$other_project'}},
         dispatches='create_rbac_policy'),
    _row('network:update_rbac_policy', 'PUT', '/rbac-policies/$rbac_policy',
         {'rbac_policy': {'target_tenant': '$other_project'}},
         dispatches='update_rbac_policy'),
    _row('network:delete_rbac_policy', 'DELETE',
         '/rbac-policies/$rbac_policy', dispatches='delete_rbac_policy'),
)
_FLOATING_IPS = (
    _row('network:create_floatingip', 'POST', '/floatingips', {'floatingip': {
        'floating_network_id': '$public_network', 'port_id': '$port'}},
        dispatches='create_floatingip'),
    _row('network:update_floatingip', 'PUT', '/floatingips/$free_ip',
         {'floatingip': {'port_id': '$port'}},
         dispatches='update_floatingip'),
    _row('network:update_floatingip', 'PUT', '/floatingips/$floating_ip',
         {'floatingip': {'port_id': None}}, dispatches='update_floatingip'),
    _row('network:update_floatingip', 'PUT', '/floatingips/$floating_ip',
         {'floatingip': {'description': 'mine'}},
         dispatches='update_floatingip'),
    _row('network:delete_floatingip', 'DELETE', '/floatingips/$floating_ip',
         dispatches='delete_floatingip'),
    _row('network:create_floatingip_port_forwarding', 'POST',
         '/floatingips/$free_ip/port_forwardings',
         {'port_forwarding': FORWARDING},
         dispatches='create_floatingip_port_forwarding'),
    _row('network:update_floatingip_port_forwarding', 'PUT',
         '/floatingips/$forwarding_ip/port_forwardings/$forwarding',
         {'port_forwarding': {'internal_port': 80}},
         dispatches='update_floatingip_port_forwarding'),
    _row('network:delete_floatingip_port_forwarding', 'DELETE',
         '/floatingips/$forwarding_ip/port_forwardings/$forwarding',
         dispatches='delete_floatingip_port_forwarding'),
    _row('network:create_ndp_proxy', 'POST', '/ndp-proxies', {'ndp_proxy': {
        'router_id': '$router', 'port_id': '$port'}},
        dispatches='create_ndp_proxy'),
    _row('network:update_ndp_proxy', 'PUT', '/ndp-proxies/$ndp_proxy',
         {'ndp_proxy': {'name': 'renamed'}}, dispatches='update_ndp_proxy'),
    _row('network:delete_ndp_proxy', 'DELETE', '/ndp-proxies/$ndp_proxy',
         dispatches='delete_ndp_proxy'),
    _row('network:create_local_ip', 'POST', '/local-ips',
         {'local_ip': {'local_port_id': '$port'}},
         dispatches='create_local_ip'),
    _row('network:create_local_ip_port_association', 'POST',
         '/local_ips/$free_local_ip/port_associations',
         {'port_association': {'fixed_port_id': '$port'}},
         dispatches='create_local_ip_port_association'),
    _row('network:delete_local_ip_port_association', 'DELETE',
         '/local_ips/$local_ip/port_associations/$port',
         dispatches='delete_local_ip_port_association'),
)
_TRUNKS = (
    _row('network:create_trunk', 'POST', '/trunks',
         {'trunk': {'port_id': '$port'}}, dispatches='create_trunk'),
    _row('network:create_trunk', 'POST', '/trunks',
         {'trunk': {'port_id': '$other_port', **SUB_PORTS}},
         dispatches='create_trunk'),
    _row('network:update_trunk', 'PUT', '/trunks/$trunk',
         {'trunk': {'admin_state_up': False}}, dispatches='update_trunk'),
    _row('network:delete_trunk', 'DELETE', '/trunks/$trunk',
         dispatches='delete_trunk'),
    _row('network:add_subports', 'PUT', '/trunks/$free_trunk/add_subports',
         SUB_PORTS, dispatches='add_subports'),
    _row('network:remove_subports', 'PUT',
         '/trunks/$subport_trunk/remove_subports',
         {'sub_ports': [{'port_id': '$port'}]},
         dispatches='remove_subports'),
)
_ROUTERS = (
    _row('network:add_router_interface', 'PUT',
         '/routers/$router/add_router_interface', {'port_id': '$port'},
         dispatches='add_router_interface'),
    _row('network:remove_router_interface', 'PUT',
         '/routers/$interface_router/remove_router_interface',
         {'port_id': '$port'}, dispatches='remove_router_interface'),
)
_LOGS = (
    _row('network:create_log', 'POST', '/log/logs', {'log': {
        'resource_type': 'security_group', 'resource_id': '$group'}},
        dispatches='create_log'),
    _row('network:create_log', 'POST', '/log/logs', {'log': {
        'resource_type': 'security_group', 'target_id': '$port'}},
        dispatches='create_log'),
    _row('network:update_log', 'PUT', '/log/logs/$log',
         {'log': {'name': 'renamed'}}, dispatches='update_log'),
    _row('network:delete_log', 'DELETE', '/log/logs/$log',
         dispatches='delete_log'),
)

ROWS = (*_PORTS, *_BINDINGS, *_GROUPS, *_FLOATING_IPS, *_TRUNKS, *_ROUTERS,
        *_LOGS)

# What takes the marker away.
SHEDDINGS = tuple(
    row for row in (*_PORTS, *_GROUPS)
    if row.path.endswith(('/tags', '/$tag')) and row.method != 'POST')

# Who writes these makes something look managed.
FORGERIES = (
    _row('network:create_port', 'POST', '/ports', {'port': {
        'network_id': '$network', 'tags': ['$forged_tag']}},
        dispatches='create_port'),
    _row('network:create_port', 'POST', '/ports', {'ports': [
        {'network_id': '$network'},
        {'network_id': '$network', 'tags': ['red', '$forged_tag']}]},
        dispatches='create_port_bulk'),
    *(_row(f'network:{verb}', method, f'{path}/tags{tag}', body,
           dispatches=verb)
      for path in ('/ports/$port', '/security-groups/$group')
      for verb, method, tag, body in (
          ('create_tags', 'POST', '', {'tags': ['$forged_tag']}),
          ('update_tags', 'PUT', '', {'tags': ['red', '$forged_tag']}),
          ('update_tag', 'PUT', '/$forged_tag', None))),
)
