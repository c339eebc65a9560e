# SPDX-License-Identifier: Apache-2.0
"""The table of operations against the installed Nova's own surface."""

import itertools

from nova.api.openstack.compute import routes
from nova import policies
import pytest

from nova_trove_guard import faults
from nova_trove_guard import operations

MEND = ('The installed Nova has {}. Decide what it can do to a server, and '
        'add it to nova_trove_guard/operations.py.')

# Operations of which the installed Nova has only what is left of a removed
# API, without a policy rule.
REMOVED = frozenset(('os-admin-actions:reset_network', 'os-consoles:index',
                     'os-consoles:create', 'os-consoles:show',
                     'os-consoles:delete'))


def nova_routes():
    """Yield (route, method) of every route of the installed Nova."""
    for route, methods in routes.ROUTE_LIST:
        if not isinstance(methods, str):  # a redirection
            yield from itertools.product((route,), methods)


def nova_actions(route):
    """Return the names of the actions at a route of the installed Nova."""
    controller, _ = dict(
        (route, methods) for route, methods in routes.ROUTE_LIST
        if not isinstance(methods, str))[route]['POST']
    return frozenset(controller().wsgi_actions)


@pytest.mark.parametrize('route, method', nova_routes())
def test_every_route_of_nova_is_in_the_table(route, method):
    if route.split('/')[1] in operations.NAMES_NO_SERVER:
        assert route not in operations.ROUTES
        return
    # In the table a detailed list is the item with the id 'detail'.
    route = route.replace('/detail', '/{id}')
    methods = operations.ROUTES.get(route)
    assert methods is not None, MEND.format(f'a route {route}')
    assert method in methods, MEND.format(f'a route {method} {route}')


@pytest.mark.parametrize('route', sorted(operations.ROUTES))
def test_every_route_of_the_table_is_nova_s(route):
    methods = dict(
        (route, methods) for route, methods in routes.ROUTE_LIST)[route]
    assert set(operations.ROUTES[route]) == set(methods)


@pytest.mark.usefixtures('guarded')
@pytest.mark.parametrize('collection', ['servers', 'os-volumes_boot'])
def test_every_action_of_nova_is_in_the_table(collection):
    unknown = nova_actions(f'/{collection}/{{id}}/action') - set(
        operations.ACTIONS)
    assert not unknown, MEND.format(f'the actions {sorted(unknown)}')


@pytest.mark.usefixtures('guarded')
def test_the_one_action_of_a_migration_is_the_one_that_the_table_means():
    assert nova_actions('/servers/{server_id}/migrations/{id}/action') == {
        'force_complete'}


@pytest.mark.parametrize('name', sorted(
    operations.operations().keys() - REMOVED - {'unknown'}))
def test_operations_are_named_after_nova_s_policy_rules(name):
    assert f'os_compute_api:{name}' in {
        rule.name for rule in policies.list_rules()}


def test_only_plain_reads_of_a_server_pass():
    passing = {(method, route)
               for route, methods in operations.ROUTES.items()
               for method, operation in methods.items()
               if operation is operations.PASS}
    assert {(method, route) for method, route in passing
            if method != 'GET'} == {
        ('POST', '/os-floating-ips'), ('POST', '/os-volumes'),
        ('DELETE', '/os-snapshots/{id}')}
    assert not {route for _, route in passing} & {
        '/servers/{server_id}/os-server-password',
        '/servers/{server_id}/consoles',
        '/servers/{server_id}/consoles/{id}',
        '/os-console-auth-tokens/{id}'}


def test_every_hint_belongs_to_an_operation():
    assert faults.INSTEAD.keys() <= operations.operations().keys()
