# SPDX-License-Identifier: Apache-2.0
"""The table of operations against the installed Nova's own surface."""

from nova.api.openstack import api_version_request
from nova.api.openstack.compute import routes
from nova.api.openstack.compute.schemas import floating_ips
from nova.api.openstack.compute.schemas import server_external_events
from nova.api.openstack.compute.schemas import servers
from nova.api.openstack.compute.schemas import volume_attachments
from nova.api.openstack.compute import server_external_events as events_api
from nova.api.openstack import wsgi
from nova.api.validation import validators
from nova import context as nova_context
from nova import exception
from nova import policies
import pytest

from nova_trove_guard.core import calls
from nova_trove_guard.core import routing
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import surface
from tests.unit import test_filter as filters

MISSING = ('The installed Nova has {}. Decide what it can do to a server, and '
        'add it to nova_trove_guard/nova/operations.py.')

# Operations of which the installed Nova has only what is left of a removed
# API, without a policy rule.
REMOVED = frozenset(('os-admin-actions:reset_network', 'os-consoles:index',
                     'os-consoles:create', 'os-consoles:show',
                     'os-consoles:delete'))


@pytest.mark.parametrize('route, method', surface.nova_routes())
def test_every_route_of_nova_is_in_the_table(route, method):
    assert surface.is_known(route, method), MISSING.format(
        f'a route {method} {route}')


@pytest.mark.parametrize('route', sorted(operations.ROUTES))
def test_every_route_of_the_table_is_nova_s(route):
    methods = dict(routes.ROUTE_LIST)[route]
    assert set(operations.ROUTES[route]) == set(methods)


@pytest.mark.parametrize('route', surface.ACTIONS)
def test_every_action_of_nova_is_in_the_table(route):
    unknown = surface.unknown_actions(route)
    assert not unknown, MISSING.format(f'the actions {sorted(unknown)}')


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
               if operation is routing.PASS}
    assert {(method, route) for method, route in passing
            if method != 'GET'} == {
        ('POST', '/os-floating-ips'), ('POST', '/os-volumes'),
        ('DELETE', '/os-snapshots/{id}')}
    assert not {route for _, route in passing} & {
        '/servers/{server_id}/os-server-password',
        '/servers/{server_id}/consoles',
        '/servers/{server_id}/consoles/{id}',
        '/os-console-auth-tokens/{id}'}


@pytest.mark.parametrize('operation', operations.operations().values(),
                         ids=lambda operation: operation.name)
def test_a_row_says_all_about_an_operation(operation):
    assert operation.description or operation.trove_admin_only
    assert operation.instead.format('x') == operation.instead.replace(
        '{0}', 'x')
    assert operation.action in ('read', 'update', 'delete')


# By the operation and the kind of its Target: a schema of Nova's, and a body
# in which $ stands for the identifier. Later schemas are made of these.
VALIDATED = {
    ('os-volumes-attachments:create', 'volume'):
        (volume_attachments.create,
         {'volumeAttachment': {'volumeId': '$'}}),
    ('os-floating-ips:add', 'floating_ip_address'):
        (floating_ips.add_floating_ip, {'addFloatingIp': {'address': '$'}}),
    ('os-server-external-events:create', 'server'):
        (server_external_events.create,
         {'events': [{'name': 'network-changed', 'server_uuid': '$'}]}),
}


def _targets():
    return {(operation.name, target.kind): target
            for operation in operations.operations().values()
            for target in operation.targets}


def test_the_table_says_what_nova_validates():
    assert {key for key, target in _targets().items()
            if target.is_validated} == set(VALIDATED)


@pytest.mark.parametrize('key', VALIDATED, ids=str)
@pytest.mark.parametrize('identifier', [
    'x', '', '\ud800', '\x00', '203.0.113.7 ', ' 203.0.113.7', '1', '0x0',
    '203.0.113.07', '0c1d2a3b-1111-4111-8111-000000000001?x',
    '0c1d2a3b-1111-4111-8111-000000000001 ',
    '0c1d2a3b-1111-4111-8111-00000000000\uff11'])
def test_nova_refuses_what_the_guard_takes_for_nobody_s(key, identifier):
    schema, body = VALIDATED[key]
    named, = calls.Call(
        calls.Operation('x', targets=(_targets()[key],)), None, 0, '',
        _filled_in(body, identifier), '').named()
    assert named.identifier is None
    with pytest.raises(exception.ValidationError):
        validators._SchemaValidator(schema).validate(
            _filled_in(body, identifier))


@pytest.mark.parametrize('mappings', filters.MALFORMED_MAPPINGS, ids=repr)
def test_nova_refuses_mappings_that_the_guard_does_not_read(mappings):
    server = {'name': 'x', 'imageRef': '', 'flavorRef': '1'}
    validator = validators._SchemaValidator(servers.create)
    validator.validate({'server': server})
    with pytest.raises(exception.ValidationError):
        validator.validate({'server': server | mappings})


def _filled_in(document, identifier):
    if isinstance(document, dict):
        return {key: _filled_in(value, identifier)
                for key, value in document.items()}
    if isinstance(document, list):
        return [_filled_in(value, identifier) for value in document]
    return document.replace('$', identifier)


def test_nova_judges_a_report_of_events_before_it_looks_for_servers(
        unguarded, monkeypatch):
    """And without a target, as filter._nova_refuses does."""
    context = nova_context.RequestContext(
        'user', 'project', roles=['member'], overwrite=False)
    asked = []
    can = nova_context.RequestContext.can

    def note(self, action, target=None, fatal=True):
        asked.append((action, target))
        return can(self, action, target, fatal)

    monkeypatch.setattr(nova_context.RequestContext, 'can', note)
    controller = events_api.ServerExternalEventsController.__new__(
        events_api.ServerExternalEventsController)
    request = unguarded_request(context)
    with pytest.raises(exception.PolicyNotAuthorized):
        controller.create(req=request, body=_filled_in(
            VALIDATED['os-server-external-events:create', 'server'][1],
            '0c1d2a3b-1111-4111-8111-000000000001'))
    assert asked == [
        ('os_compute_api:os-server-external-events:create', {})]


def unguarded_request(context):
    """Return a request of Nova's, of a context."""
    request = wsgi.Request.blank('/', environ={'nova.context': context})
    request.api_version_request = api_version_request.APIVersionRequest('2.1')
    return request
