# SPDX-License-Identifier: Apache-2.0
"""The table of operations against the installed Cinder's own surface."""

from cinder.api.schemas import admin_actions
from cinder.api.schemas import attachments
from cinder.api.schemas import backups
from cinder.api.schemas import group_snapshots
from cinder.api.schemas import groups
from cinder.api.schemas import snapshot_manage
from cinder.api.schemas import snapshots
from cinder.api.schemas import volume_transfer
from cinder.api.schemas import volumes
from cinder.api.validation import validators
from cinder import exception
from cinder import policies as cinder_policies
import pytest

from nova_trove_guard.cinder import operations
from nova_trove_guard.cinder import policies
from nova_trove_guard.cinder import service
from nova_trove_guard.cinder import surface
from nova_trove_guard.core import calls
from nova_trove_guard.core import routing
from tests.unit.cinder import cinder_api as api

# Routed in the installed Cinder, but without a method behind them.
NOTHING = {('/attachments/summary', 'GET', None)}


def table():
    """Return (route, method, action) of all that the table has."""
    rows = set()
    for route, methods in operations.ROUTES.items():
        for method, operation in methods.items():
            is_action = operation is operations.ACTION
            rows.update((route, method, action) for action in (
                operations.ACTIONS[route.split('/')[1]] if is_action
                else (None,)))
    return rows


def test_everything_in_cinder_is_in_the_table(cinder):
    assert surface.unknown(cinder.router) == []


def test_everything_in_the_table_is_in_cinder(cinder):
    # With a body, a DELETE of a group is the action of that name.
    rows = {(route, method, None if method != 'POST' else action)
            for route, method, action in surface.cinder_routes(cinder.router)}
    assert table() - rows == NOTHING


def test_what_the_table_lacks_is_found(cinder, monkeypatch):
    monkeypatch.delitem(operations.ROUTES, '/backups/{id}/restore')
    monkeypatch.delitem(operations.ACTIONS['volumes'], 'os-extend')
    assert set(surface.unknown(cinder.router)) == {
        'POST /backups/{id}/restore', 'POST /volumes/{id}/action (os-extend)'}


def test_what_is_named_to_name_no_volume_is_in_cinder(cinder):
    assert operations.NAMES_NO_VOLUME <= {
        route.split('/')[1]
        for route, _, _ in surface.cinder_routes(cinder.router)}


def test_only_plain_reads_pass():
    passing = {(method, route) for route, methods in operations.ROUTES.items()
               for method, operation in methods.items()
               if operation is routing.PASS}
    assert {(method, route) for method, route in passing
            if method != 'GET'} == {
        ('POST', '/groups'), ('POST', '/consistencygroups')}
    assert not {route for _, route in passing} & {
        '/attachments/{id}', '/backups/{id}/export_record'}
    assert {action for actions in operations.ACTIONS.values()
            for action, operation in actions.items()
            if operation is routing.PASS} == {
        'os-show_image_metadata', 'list_replication_targets'}


@pytest.mark.parametrize('operation', operations.operations().values(),
                         ids=lambda operation: operation.name)
def test_a_row_says_all_about_an_operation(operation):
    assert operation.name.startswith('volume:')
    assert bool(operation.targets) != operation.is_redacted
    assert operation.description or operation.trove_admin_only
    assert operation.instead.format('x') == operation.instead.replace(
        '{0}', 'x')
    assert operation.action in ('read', 'update', 'delete')


def test_operations_of_one_name_are_one():
    named = {}
    for operation, _, _ in operations.documented():
        assert named.setdefault(operation.name, operation) == operation


def test_each_operation_has_a_rule():
    names = [rule.name for rule in policies.list_rules()]
    assert len(names) == len(set(names))
    assert {f'trove_guard:{operation.name}'
            for operation in operations.operations().values()
            if not operation.trove_admin_only} < set(names)


# By the operation: schemas of Cinder's, for the Targets that they validate.
VALIDATED = {
    'volume:create': (volumes.create, volumes.create_volume_v313,
                      volumes.create_volume_v347, volumes.create_volume_v353),
    'volume:migrate_completion': (admin_actions.migrate_volume_completion,),
    'volume:snapshot_create': (snapshots.create,),
    'volume:snapshot_manage': (snapshot_manage.create,),
    'volume:backup_create': (backups.create, backups.create_backup_v351),
    'volume:backup_restore': (backups.restore,),
    'volume:attachment_create': (attachments.create, attachments.create_v354),
    'volume:transfer_create': (volume_transfer.create,),
    'volume:group_snapshot_create': (group_snapshots.create,),
    'volume:group_create_from_src': (groups.create_from_source,),
}


def validated():
    """Yield (operation, target, schema) of what Cinder validates."""
    for operation in operations.operations().values():
        for target in operation.targets:
            if target.is_validated:
                for schema in VALIDATED[operation.name]:
                    yield pytest.param(
                        operation, target, schema,
                        id=f'{operation.name}-{target.where[-1]}')


@pytest.mark.parametrize('operation, target, schema', validated())
def test_cinder_refuses_what_the_guard_takes_for_nobody_s(
        operation, target, schema):
    def validate(identifier):
        body = {}
        for each in operation.targets:
            if each.where and (each is target or not each.is_optional):
                api._put(body, each.where, identifier if each is target
                         else api.FREE[each.kind])
        if operation.name == 'volume:snapshot_manage':
            body['snapshot']['ref'] = {}
        validators._SchemaValidator(schema).validate(body)

    validate(api.MANAGED['volume'])
    for identifier in ('x', '', '\ud800', '\x00', 7, [], {}, True,
                       api.MANAGED['volume'] + ' ',
                       api.MANAGED['volume'][:-1] + '\uff11'):
        assert not isinstance(identifier, str) or (
            calls.canonical_id(identifier) is None)
        with pytest.raises(exception.ValidationError):
            validate(identifier)


def test_what_can_t_be_hidden_is_refused_by_a_rule_of_cinder_s():
    assert {operation.name for operation in operations.operations().values()
            if not all(target.is_one for target in operation.targets)
            } == set(service._RULES)
    known = {rule.name for rule in cinder_policies.list_rules()}
    assert set(service._RULES.values()) <= known
