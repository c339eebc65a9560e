# SPDX-License-Identifier: Apache-2.0
"""The guard before Cinder's router: what it refuses and lets pass."""

import json
from unittest import mock

from cinder.compute import nova
from cinder import context as admin
from cinder import exception
from cinder import objects
from cinder.volume import manager
import pytest
import webob.exc

from nova_trove_guard.cinder import lookup
from nova_trove_guard.cinder import operations
from tests.unit.cinder import cinder_api as api

OWNER, ADMIN, TROVE_ADMIN, NOVA = (
    api.OWNER, api.ADMIN, api.TROVE_ADMIN, api.NOVA)


def cases():
    """Yield (operation, method, path, body) for each Target of each row."""
    for operation, method, path in operations.documented():
        if method == '*':
            method, path = 'PATCH', path.replace('*', 'unheard_of')
        for number, (target, _, _) in enumerate(
                api.requests(operation, path, api.MANAGED)):
            yield pytest.param(
                operation, target, method, path, number,
                id=f'{method}-{path}-{number}')


# tests.production.test_volumes has the tests again.
CASES = list(cases())
# Cinder itself refuses these to all but admins, before it looks for anything:
# tests.unit.cinder.test_effort.
ADMINS_ONLY = {'volume:backup_import', 'volume:manage'}
TENANT_CASES = [case for case in CASES
                if case.values[0].name not in ADMINS_ONLY]


def sent(cinder, operation, method, path, number, which, **who):
    """Send a request, and return the answer."""
    _, where, body = list(api.requests(operation, path, which))[number]
    return cinder.ask(
        method, where, body if method in ('POST', 'PUT') else None, **who)


@pytest.fixture(autouse=True)
def nova_without_servers(monkeypatch):
    """Have a Nova that knows no server."""
    def get_server(nova, context, server_id, **_):
        raise exception.ServerNotFound(uuid=server_id)

    monkeypatch.setattr(nova.API, 'get_server', get_server)


@pytest.fixture(autouse=True)
def image(monkeypatch):
    """Have one image of a managed volume's snapshot, and others."""
    def show(reference, context):
        assert context.project_id in (api.PROJECT, api.OTHER_PROJECT)
        which = api.MANAGED if reference == api.MANAGED['image'] else api.FREE
        return {'properties': {'block_device_mapping': [{
            'source_type': 'snapshot', 'boot_index': 0,
            'snapshot_id': which['snapshot']}]}}

    monkeypatch.setattr(lookup, '_image', show)


@pytest.mark.parametrize('operation, target, method, path, number, who', [
    pytest.param(*case.values, who, id=f'{name}-{case.id}')
    for name, who, some in (
        ('owner', OWNER, TENANT_CASES), ('admin', ADMIN, CASES))
    for case in some])
def test_a_guarded_call_on_a_managed_volume_is_refused(
        cinder, operation, target, method, path, number, who):
    answer = sent(
        cinder, operation, method, path, number, api.MANAGED, **who)
    assert answer.status_int == 403
    assert cinder.dispatched == []
    assert operation.name in answer.json['forbidden']['message'] or (
        operation.trove_admin_only)


@pytest.mark.parametrize('operation, target, method, path, number', CASES)
def test_it_passes_from_the_trove_admin(
        cinder, operation, target, method, path, number):
    answer = sent(cinder, operation, method, path, number, api.MANAGED,
                  **TROVE_ADMIN)
    assert len(cinder.dispatched) == (not operation.name.endswith('unknown'))
    assert answer.status_int != 403


@pytest.mark.parametrize(
    'operation, target, method, path, number', TENANT_CASES)
def test_nova_passes_with_what_it_does_for_its_servers(
        cinder, operation, target, method, path, number):
    answer = sent(
        cinder, operation, method, path, number, api.MANAGED, **NOVA)
    passes = operation.used_by_services and not operation.needs_proof
    assert len(cinder.dispatched) == passes
    assert (answer.status_int == 403) != passes


@pytest.mark.parametrize('operation, target, method, path, number', CASES)
@pytest.mark.parametrize('who', [OWNER, ADMIN, NOVA],
                         ids=['owner', 'admin', 'nova'])
def test_it_passes_on_an_ordinary_volume(
        cinder, operation, target, method, path, number, who):
    answer = sent(cinder, operation, method, path, number, api.FREE, **who)
    assert len(cinder.dispatched) == (not operation.name.endswith('unknown'))
    assert answer.status_int != 403


@pytest.mark.parametrize(
    'operation, target, method, path, number', TENANT_CASES)
def test_another_project_does_not_learn_that_there_is_a_volume(
        cinder, operation, target, method, path, number):
    answer = sent(cinder, operation, method, path, number, api.MANAGED,
                  project_id=api.OTHER_PROJECT)
    assert cinder.dispatched == []
    assert 'managed' not in answer.text
    is_hidden = target.is_one and (
        not operation.shows_existence or operation.name.endswith('complete'))
    assert answer.status_int == (404 if is_hidden else 403)


@pytest.mark.parametrize('body', [
    None, {}, {'accept': {}}, {'accept': {'auth_key': None}}], ids=repr)
def test_an_offer_is_not_accepted_without_its_secret(cinder, body):
    path = f'/volume-transfers/{api.MANAGED["transfer"]}/accept'
    answers = []
    for app in cinder.app, cinder.unguarded:
        request = api.webob.Request.blank(
            path, method='POST', content_type='application/json',
            body=json.dumps(body).encode())
        request.environ.update(api.principal(project_id=api.OTHER_PROJECT))
        answers.append(request.get_response(app))
    assert answers[0].status_int == 400
    assert answers[0].body == answers[1].body


def test_a_managed_volume_of_others_joins_no_group_like_one_unheard_of(
        cinder):
    own = {'project_id': api.OTHER_PROJECT}
    path = f'/groups/{api.FREE["group"]}'
    asked = []

    def note(resource, method, request, action_args):
        asked.append(action_args['body']['group'])
        raise webob.exc.HTTPBadRequest(
            explanation=f'Cannot add volume {api.calls.NIL_UUID}.')

    with mock.patch.object(cinder, '_dispatch', note):
        answer = cinder.ask('PUT', path, {'group': {
            'add_volumes': f'x,{api.MANAGED["volume"]}', 'name': 'y'}}, **own)
    assert asked == [{'add_volumes': f'x,{api.calls.NIL_UUID}', 'name': 'y'}]
    assert answer.status_int == 400
    assert answer.json['badRequest']['message'] == (
        f'Cannot add volume {api.MANAGED["volume"]}.')


NOVA_MAY = {
    'volume:delete', 'volume:attach', 'volume:begin_detaching',
    'volume:detach', 'volume:initialize_connection',
    'volume:migrate_completion', 'volume:reimage', 'volume:reserve',
    'volume:roll_detaching', 'volume:terminate_connection',
    'volume:unreserve', 'volume:snapshot_update_status',
    'volume:attachment_create', 'volume:attachment_detail',
    'volume:attachment_show',
    'volume:attachment_update', 'volume:attachment_delete',
    'volume:attachment_complete'}


def test_a_service_token_opens_nothing_that_copies_data():
    assert {name for name, operation in operations.operations().items()
            if operation.used_by_services} == NOVA_MAY


def test_nova_itself_passes_without_a_user(cinder):
    cinder.ask('DELETE', f'/attachments/{api.MANAGED["attachment"]}',
               roles=('service', 'admin'), project_id=api.OTHER_PROJECT)
    assert len(cinder.dispatched) == 1


@pytest.mark.parametrize('method, path', [
    ('GET', '/volumes/{volume}'), ('GET', '/volumes/{volume}/metadata'),
    ('GET', '/volumes/{volume}/encryption'), ('GET', '/volumes/detail'),
    ('GET', '/snapshots/{snapshot}.json'), ('GET', '/backups/{backup}'),
    ('GET', '/groups/{group}'), ('GET', '/volume-transfers/{transfer}'),
    ('GET', '/attachments'), ('GET', '/attachments/detail.json'),
    ('GET', '/group_snapshots/{group_snapshot}')])
def test_plain_reads_pass(cinder, method, path):
    cinder.ask(method, path.format_map(api.MANAGED))
    assert len(cinder.dispatched) == 1


@pytest.mark.parametrize('method, path, body', [
    ('POST', '/groups', {'group': {}}), ('POST', '/types', {}),
    ('POST', '/consistencygroups', {'consistencygroup': {}}),
    ('POST', '/volumes', {'volume': {'size': 1}}),
    ('POST', '/volumes', {'volume': {'size': 1, 'snapshot_id': None}}),
    ('POST', '/volumes/{volume}/action', {'os-show_image_metadata': None})])
def test_what_names_no_volume_passes(cinder, method, path, body):
    cinder.ask(method, path.format_map(api.MANAGED), body)
    assert len(cinder.dispatched) == 1


# The marker.

MARKER = {api.METADATA_KEY: api.DATABASE_INSTANCE}


@pytest.mark.parametrize('who', [OWNER, ADMIN, NOVA])
@pytest.mark.parametrize('method, path, body', [
    ('POST', '/volumes', {'volume': {'size': 1, 'metadata': MARKER}}),
    ('PUT', '/volumes/{volume}', {'volume': {'metadata': MARKER}}),
    ('POST', '/volumes/{volume}/metadata', {'metadata': MARKER}),
    ('PUT', '/volumes/{volume}/metadata', {'metadata': MARKER}),
    ('PUT', f'/volumes/{{volume}}/metadata/{api.METADATA_KEY}',
     {'meta': MARKER}),
    ('POST', '/backups', {'backup': {'metadata': MARKER}}),
    ('PUT', '/backups/{backup}', {'backup': {'metadata': MARKER}}),
    ('POST', '/os-volume-manage', {
        'volume': {'ref': {}, 'metadata': MARKER}})])
def test_the_marker_can_t_be_forged(cinder, who, method, path, body):
    answer = cinder.ask(method, path.format_map(api.FREE), body, **who)
    assert answer.status_int == 403
    assert cinder.dispatched == []
    assert api.METADATA_KEY in answer.json['forbidden']['message']


OPEN = ('"trove_guard:volume:update": "@"\n'
        '"trove_guard:volume:metadata_create": "@"\n'
        '"trove_guard:volume:metadata_update": "@"\n'
        '"trove_guard:volume:metadata_delete": "@"\n')


@pytest.fixture
def opened(cinder):
    """Return the application with rules that open a volume's metadata."""
    file = cinder.directory / 'policy.yaml'
    file.write_text(OPEN)
    yield cinder.guarded()
    file.write_text('')


@pytest.mark.parametrize('method, path, body', [
    ('PUT', '/volumes/{volume}', {'volume': {'metadata': {}}}),
    ('POST', '/volumes/{volume}/metadata', {
        'metadata': {'TROVE_instance_id': 'x'}}),
    ('PUT', '/volumes/{volume}/metadata', {'metadata': {}}),
    ('PUT', '/volumes/{volume}/metadata/TROVE_instance_id', {
        'meta': {'TROVE_instance_id': 'x'}}),
    ('DELETE', '/volumes/{volume}/metadata/trove_instance_id', None),
    ('DELETE', '/volumes/{volume}/metadata/trove_instance_id.json', None),
    ('DELETE', '/volumes/{volume}/metadata/Trove_instance_id%20', None)])
def test_no_rule_lets_the_marker_be_shed(cinder, opened, method, path, body):
    answer = cinder.ask(
        method, path.format_map(api.MANAGED), body, app=opened)
    assert answer.status_int == 403
    assert cinder.dispatched == []


def test_the_rules_open_other_metadata(cinder, opened):
    cinder.ask('PUT', f'/volumes/{api.MANAGED["volume"]}',
               {'volume': {'name': 'x'}}, app=opened)
    assert len(cinder.dispatched) == 1


# What can't be looked up or read.

def test_a_backup_of_a_deleted_managed_volume_is_managed(cinder):
    answer = cinder.ask(
        'POST', f'/backups/{api.ORPHANED["backup"]}/restore', {'restore': {}})
    assert answer.status_int == 403
    assert cinder.dispatched == []


def test_a_backup_of_a_purged_volume_is_not(cinder):
    cinder.ask(
        'POST', f'/backups/{api.PURGED["backup"]}/restore', {'restore': {}})
    assert len(cinder.dispatched) == 1


def test_a_backup_may_have_the_marker_itself(cinder):
    backup_id = api.ids('0c1d2a3f')['backup']
    api.add(lookup.models.Backup, id=backup_id, volume_id=backup_id)
    api.add(lookup.models.BackupMetadata, backup_id=backup_id,
            key=api.METADATA_KEY, value=api.DATABASE_INSTANCE)
    answer = cinder.ask('DELETE', f'/backups/{backup_id}')
    assert answer.status_int == 403


def test_the_volume_that_a_migration_makes_is_managed(cinder):
    context = admin.get_admin_context()
    service = mock.Mock(_VOLUME_CLONE_SKIP_PROPERTIES=(
        manager.VolumeManager._VOLUME_CLONE_SKIP_PROPERTIES))
    service._get_service().availability_zone = 'nova'

    def create_volume(context, volume, *_, **__):
        assert volume.migration_status == f'target:{api.MANAGED["volume"]}'
        answer = cinder.ask('DELETE', f'/volumes/{volume.id}')
        assert answer.status_int == 403
        volume.status = 'error'
        volume.save()

    with (mock.patch.object(
            manager.volume_rpcapi, 'VolumeAPI',
            lambda: mock.Mock(create_volume=create_volume)),
          pytest.raises(exception.VolumeMigrationFailed)):
        manager.VolumeManager._migrate_volume_generic(
            service, context, objects.Volume.get_by_id(
                context, api.MANAGED['volume']), {'host': 'other'}, None)


def test_a_database_that_fails_refuses_with_503(cinder, monkeypatch):
    def fail():
        raise OSError

    monkeypatch.setattr(lookup.db, 'get_engine', fail)
    answer = cinder.ask('DELETE', f'/volumes/{api.FREE["volume"]}')
    assert answer.status_int == 503
    assert answer.headers['Retry-After']
    assert 'serviceUnavailable' in answer.json
    assert cinder.dispatched == []


def test_a_fault_has_the_form_of_cinder_s(cinder):
    answer = cinder.ask('DELETE', f'/volumes/{api.MANAGED["volume"]}')
    assert answer.json['forbidden']['code'] == 403
    assert answer.headers['OpenStack-API-Version'].startswith('volume 3.')
    assert answer.headers['Vary'] == 'OpenStack-API-Version'


@pytest.mark.parametrize('body', [
    {'volume': {'backup_id': 7}}, {'volume': {'group_id': 7}},
    {'volume': {'snapshot_id': 7}},
    {'volume': {'backup_id': 7, 'snapshot_id': api.FREE['snapshot']}}])
def test_a_source_that_can_t_be_read_is_refused(cinder, body):
    answer = cinder.ask('POST', '/volumes', body)
    assert answer.status_int == 400
    assert cinder.dispatched == []


@pytest.mark.parametrize('body', [
    None, {}, [], {'volume': None}, {'volume': []}], ids=repr)
def test_what_has_another_form_is_cinder_s_to_refuse(cinder, body):
    answer, stock = (
        api.webob.Request(api.webob.Request.blank(
            '/volumes', method='POST', content_type='application/json',
            body=json.dumps(body).encode()).environ | api.principal(),
        ).get_response(app) for app in (cinder.app, cinder.unguarded))
    assert answer.status_int == 400
    assert answer.body == stock.body


def test_audit_mode_lets_pass(cinder):
    app = cinder.guarded(mode='audit')
    cinder.ask('DELETE', f'/volumes/{api.MANAGED["volume"]}', app=app)
    assert len(cinder.dispatched) == 1


def test_an_unverified_caller_is_refused(cinder):
    environ = api.principal() | {'keystone.token_auth': None}
    request = api.webob.Request.blank(
        f'/volumes/{api.FREE["volume"]}', method='DELETE').environ
    assert cinder.send(request | environ).status_int == 403
    assert cinder.dispatched == []
