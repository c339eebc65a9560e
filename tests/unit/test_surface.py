# SPDX-License-Identifier: Apache-2.0
"""The table of operations against the installed Nova's own surface."""

from nova.api.openstack.compute import routes
from nova import policies
import pytest

from nova_trove_guard.cmd import surface
from nova_trove_guard import faults
from nova_trove_guard import operations

MEND = ('The installed Nova has {}. Decide what it can do to a server, and '
        'add it to nova_trove_guard/operations.py.')

# Operations of which the installed Nova has only what is left of a removed
# API, without a policy rule.
REMOVED = frozenset(('os-admin-actions:reset_network', 'os-consoles:index',
                     'os-consoles:create', 'os-consoles:show',
                     'os-consoles:delete'))


@pytest.mark.parametrize('route, method', surface.nova_routes())
def test_every_route_of_nova_is_in_the_table(route, method):
    assert surface.is_known(route, method), MEND.format(
        f'a route {method} {route}')


@pytest.mark.parametrize('route', sorted(operations.ROUTES))
def test_every_route_of_the_table_is_nova_s(route):
    methods = dict(
        (route, methods) for route, methods in routes.ROUTE_LIST)[route]
    assert set(operations.ROUTES[route]) == set(methods)


@pytest.mark.parametrize('route', surface.ACTIONS)
def test_every_action_of_nova_is_in_the_table(route):
    unknown = surface.unknown_actions(route)
    assert not unknown, MEND.format(f'the actions {sorted(unknown)}')


def test_the_one_action_of_a_migration_is_the_one_that_the_table_means():
    assert surface.nova_actions(
        '/servers/{server_id}/migrations/{id}/action') == {'force_complete'}


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
