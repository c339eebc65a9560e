# SPDX-License-Identifier: Apache-2.0
"""What to ask Neutron of what is managed and of what is not."""

import dataclasses
import json
import re
import types

METADATA_KEY = 'trove_instance_id'
DATABASE_INSTANCE = 'd0d0d0d0-5555-4555-8555-000000000005'
TAG = f'{METADATA_KEY}_{DATABASE_INSTANCE}'
PROJECT = '0123456789abcdef0123456789abcdef'
# That owns the network on which PROJECT has its ports.
NETWORK_PROJECT = '00000000000000000000000000000001'
OTHER_PROJECT = 'fedcba9876543210fedcba9876543210'
USER = '00112233445566778899aabbccddeeff'
# Who asks: arguments of principal().
OWNER = {}
ADMIN = {'roles': ('admin', 'manager', 'member', 'reader')}
TROVE_ADMIN = {'roles': ('trove_admin', *ADMIN['roles'])}
# Neutron's own rules let through what is tested here.
NOVA = {'roles': ('service', *ADMIN['roles'])}
NOVA_FOR_OWNER = {'service_roles': ('service',)}

KINDS = ('port', 'security_group', 'security_group_rule', 'floating_ip',
         'port_forwarding', 'trunk', 'ndp_proxy', 'rbac_policy', 'log')
# Beside these, each of MANAGED and FREE has a port below a trunk and a
# security group that is only bound to its port.
MORE = ('subport', 'bound_group', 'bound_rule', 'local_ip', 'network',
        'router')


def ids(prefix):
    """Return an id for each kind of resource."""
    return {kind: f'{prefix}-1111-4111-8111-{number:012}'
            for number, kind in enumerate((*KINDS, *MORE))}


MANAGED, FREE = ids('0c1d2a3b'), ids('0c1d2a3c')


@dataclasses.dataclass(frozen=True)
class Answer:
    """What Neutron answers, and what it does.

    :ivar dispatched: the methods of plugins that were called to change
        something, each with its arguments, as JSON
    :ivar statements: the SELECTs that it took
    """

    status: int
    body: bytes
    dispatched: list[tuple[str, str]]
    statements: list[str]

    @property
    def fault(self):
        """The message of a fault."""
        return json.loads(self.body)['NeutronError']['message']



def principal(roles=('member', 'reader'), service_roles=(),
              project_id=PROJECT):
    """Return the part of an environ that auth_token verified."""
    made = {
        'HTTP_X_IDENTITY_STATUS': 'Confirmed', 'HTTP_X_USER_ID': USER,
        'HTTP_X_PROJECT_ID': project_id, 'HTTP_X_ROLES': ','.join(roles),
        'keystone.token_auth': types.SimpleNamespace(
            user=_token(roles, project_id), service=None)}
    if service_roles:
        made['keystone.token_auth'].service = _token(service_roles, 'service')
        made['HTTP_X_SERVICE_IDENTITY_STATUS'] = 'Confirmed'
        made['HTTP_X_SERVICE_ROLES'] = ','.join(service_roles)
    return made


def _token(roles, project_id):
    return types.SimpleNamespace(
        user_id=USER, project_id=project_id, role_names=list(roles),
        user_domain_id='default', project_domain_id='default', domain_id=None,
        system_scoped=False, is_admin_project=True)


def _body(resource, **values):
    return {resource: values}


# By operation: what to send, with the kind of what is named for each id.
# Where several are named, each has a body of its own.
_SUBPORTS = {'sub_ports': [
    {'port_id': '{port}', 'segmentation_type': 'vlan', 'segmentation_id': 2}]}
_NAME = {'name': 'x'}
BODIES = {
    'create_port_binding': [_body('binding', host='host')],
    'update_port_binding': [_body('binding', vnic_type='normal')],
    'update_port': [
        _body('port', security_groups=[]), _body('port', **_NAME)],
    'update_port:binding': [_body('port', device_id='x'), _body('port')],
    'create_port:tags': [{'tags': ['x']}],
    'update_port:all_tags': [{'tags': ['x']}],
    'update_security_group': [_body('security_group', **_NAME)],
    'create_security_group:tags': [{'tags': ['x']}],
    'update_security_group:all_tags': [{'tags': ['x']}],
    'create_security_group_rule': [
        rule for group in ('{security_group}', '{bound_group}')
        for one in [{'direction': 'ingress', 'security_group_id': group}]
        for rule in (
            {'security_group_rule': one},
            {'security_group_rules': [one]},
            {'security_group_rules': [{'security_group_rule': one}]})],
    'create_floatingip': [_body(
        'floatingip', floating_network_id='{network}', port_id='{port}')],
    'update_floatingip': [
        _body('floatingip', port_id=None),
        _body('floatingip', port_id='{port}')],
    'create_floatingip_port_forwarding': [_body(
        'port_forwarding', internal_port_id='{port}', protocol='tcp',
        internal_ip_address='10.0.0.5', internal_port=1, external_port=1)],
    'update_floatingip_port_forwarding': [
        _body('port_forwarding', protocol='udp'),
        _body('port_forwarding', internal_port_id='{port}')],
    'create_local_ip': [_body('local_ip', local_port_id='{port}')],
    'create_local_ip_port_association': [
        _body('port_association', fixed_port_id='{port}')],
    'create_ndp_proxy': [_body(
        'ndp_proxy', router_id='{router}', port_id='{port}')],
    'update_ndp_proxy': [_body('ndp_proxy', **_NAME)],
    'create_trunk': [
        _body('trunk', port_id='{port}', sub_ports=[]),
        _body('trunk', port_id='{free}', **_SUBPORTS)],
    'update_trunk': [_body('trunk', **_NAME)],
    'add_subports': [_SUBPORTS],
    'remove_subports': [_SUBPORTS],
    'add_router_interface': [{'port_id': '{port}'}],
    'remove_router_interface': [{'port_id': '{port}'}],
    'create_rbac_policy': [_body(
        'rbac_policy', object_type='security_group', target_tenant='{project}',
        action='access_as_shared', object_id='{security_group}')],
    'update_rbac_policy': [_body('rbac_policy', target_tenant='{project}')],
    'create_log': [
        _body('log', resource_type='security_group', **named)
        for named in ({'resource_id': '{security_group}'},
                      {'target_id': '{port}'})],
    'update_log': [_body('log', **_NAME)],
}


def requests(operation, path, which):
    """Yield path and body of the requests for an operation.

    :param path: of operations.documented()
    :param which: has the ids of what is named
    """
    kind = operation.targets[0].kind
    variables = {
        '/ports/': 'port', '/security-groups/': 'security_group',
        '/floatingips/': 'floating_ip', '/trunks/': 'trunk',
        '/routers/': 'router', '/local_ips/': 'local_ip'}
    first = next((name for start, name in variables.items()
                  if path.startswith(start)), kind)
    where = re.sub(r'\{(id|\w+_id)\}', which[first], path, count=1)
    where = re.sub(r'\{(id|fixed_port_id)\}', which.get(kind, ''), where)
    where = re.sub(r'\{\w+\}', 'x', where)
    for body in BODIES.get(operation.name.removeprefix('network:'), [None]):
        yield where, named(body, which)


def named(value, which):
    """Return a body with ids for the kinds in it."""
    if isinstance(value, dict):
        return {key: named(below, which) for key, below in value.items()}
    if isinstance(value, list):
        return [named(below, which) for below in value]
    if not isinstance(value, str):
        return value
    return value.format(**which, project=OTHER_PROJECT, free=FREE['subport'])
