# SPDX-License-Identifier: Apache-2.0
"""The table of operations against what the installed Neutron can be asked.

With all service plugins that Neutron itself has.
"""

import re

import pytest

from nova_trove_guard.core import routing
from nova_trove_guard.neutron import operations

# Routes makes rows for whole collections; of these Neutron does nothing, or
# only reads.
WITHOUT_EFFECT = re.compile(
    '/(availability_zones|extensions|floatingip-pools|loggable-resources|'
    'network-ip-availabilities|rule-types|service-providers|'
    # qos_plugin: other spellings of what the policies have; no port in them.
    'alias-[a-z-]+-rules|'
    # They 500: QoS has no such plugin.
    'networks|ports'
    ')(/.*)?')


def name_less(route):
    """Return a route without the names of its variables."""
    return re.sub(r'{\w+}', '{}', route)


KNOWN = {(name_less(route), method): operation
         for route, methods in operations.ROUTES.items()
         for method, operation in methods.items()}


@pytest.fixture(scope='module')
def routes(neutron):
    """Return (path, method) of all that Routes knows, without prefix."""
    return [(re.sub('^/(log|metering|qos)(?=/)', '', path), method)
            for path, method in neutron.run('routes')
            if not path.endswith(('/new', '/edit'))]


def test_the_table_knows_what_changes_something(routes):
    unknown = {
        (path, method) for path, method in routes
        if method != 'GET' and (name_less(path), method) not in KNOWN
        and not WITHOUT_EFFECT.fullmatch(path)}
    # There is no such method of the plugins.
    assert unknown == {
        ('/local_ips/{local_ip_id}/port_associations/{id}', 'PUT'),
        ('/security-group-rules/{id}', 'PUT')}


def test_neutron_knows_what_the_table_has(routes):
    # The core's own collections are Pecan's alone.
    core = ('/networks', '/ports', '/subnetpools', '/subnets')
    has = {name_less(path) for path, _ in routes}
    missing = {name_less(route) for route in operations.ROUTES
               if not route.startswith(core)} - has
    # 2026.2 brings it.
    newest = '/security-groups-default-statefulness'
    assert missing in (set(), {newest, f'{newest}/{{}}'})


def test_what_passes_names_no_port_and_no_security_group(neutron):
    named = neutron.run('attributes')
    found = {
        (collection, attribute)
        for route in operations.ROUTES
        if set(operations.ROUTES[route].values()) == {routing.PASS}
        for collection in [route.split('/')[-1].replace('-', '_')]
        for attribute in named.get(collection, ())
        if re.search('port_id|ports|security_group|device', attribute)}
    # That is only shown.
    assert found == {('security_groups', 'security_group_rules')}


def test_no_collection_that_passes_is_the_prefix_of_another(neutron):
    prefixes = set(neutron.run('prefixes'))
    assert prefixes == operations.PREFIXES
    assert not prefixes & {route.split('/')[1] for route in operations.ROUTES}
