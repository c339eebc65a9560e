# SPDX-License-Identifier: Apache-2.0
"""The guard in Nova's pipeline: what it refuses, lets pass and answers."""

import datetime
import io
import json

from nova.volume import cinder
import pytest
import webob

from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core import routing
from nova_trove_guard.nova import block_devices
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import reader
from tests.unit import nova_api

MANAGED = f'/v2.1/servers/{nova_api.MANAGED}'
FREE = f'/v2.1/servers/{nova_api.FREE}'
TENANT = ('member', 'reader')
ADMIN = ('admin', 'manager', 'member', 'reader')
MARKER = {nova_api.METADATA_KEY: nova_api.DATABASE_INSTANCE}


def calls():
    """Yield (operation, method, path, body) of every guarded call."""
    for action, operation in sorted(operations.ACTIONS.items()):
        yield pytest.param(operation, 'POST', '/action', {action: {}},
                           id=f'action-{action}')
    for route, methods in operations.ROUTES.items():
        if not route.startswith('/servers/'):
            continue
        path = route.split('}', 1)[1].replace('{id}', 'key')
        for method, operation in methods.items():
            if operation not in (routing.PASS, operations.ACTION):
                body = {} if method in ('POST', 'PUT') else None
                if route.endswith('/action'):
                    body = {'force_complete': None}
                yield pytest.param(operation, method, path, body,
                                   id=f'{method}-{path or "/"}')


@pytest.mark.parametrize('operation, method, path, body', calls())
@pytest.mark.parametrize('roles', [('reader',), TENANT, ADMIN],
                         ids=['reader', 'member', 'admin'])
def test_a_guarded_call_on_a_managed_server_is_refused(
        guarded, operation, method, path, body, roles):
    answer = guarded.ask(method, MANAGED + path, json=body,
                         token=guarded.token(*roles))
    assert answer.status_int == 403
    assert guarded.dispatched == []
    assert f'{operation.name} is not allowed' in fault(answer)['message']


@pytest.mark.parametrize('operation, method, path, body', calls())
def test_it_passes_from_the_trove_admin(
        guarded, operation, method, path, body):
    guarded.ask(method, MANAGED + path, json=body,
                token=guarded.token('trove_admin'))
    assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('operation, method, path, body', calls())
def test_it_passes_on_a_free_server(guarded, operation, method, path, body):
    guarded.ask(method, FREE + path, json=body, token=guarded.token(*TENANT))
    assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('route', sorted(
    route for route, methods in operations.ROUTES.items()
    if route.startswith('/servers') and
    methods.get('GET') is routing.PASS))
def test_plain_reads_pass(guarded, route):
    path = route.replace('{server_id}', nova_api.MANAGED)
    if '/servers/{id}' not in route and '{id}' in route:
        path = path.replace('{id}', 'key')
    guarded.ask('GET', '/v2.1' + path.replace('{id}', nova_api.MANAGED),
                token=guarded.token('reader'))
    dispatch, = guarded.dispatched
    assert dispatch.is_read


@pytest.mark.parametrize('method, path', [
    ('GET', '/unheard_of'), ('POST', '/unheard_of'), ('PATCH', ''),
    ('HEAD', ''), ('GET', '/action'), ('POST', '/tags'),
    ('DELETE', '/diagnostics'), ('PUT', '/metadata/a/b/c')])
def test_what_the_table_does_not_know_counts_as_mutating(
        guarded, method, path):
    answer = guarded.ask(method, MANAGED + path, token=guarded.token(*TENANT))
    assert answer.status_int == 403
    assert guarded.dispatched == []


def test_an_unknown_action_is_refused(guarded):
    answer = guarded.ask('POST', MANAGED + '/action', json={'os-new': None},
                         token=guarded.token(*TENANT))
    assert answer.status_int == 403
    assert 'unknown is not allowed' in fault(answer)['message']


@pytest.mark.parametrize('body', [
    b'', b'{', b'[]', b'["os-stop"]', b'null', b'"os-stop"', b'{}', b'\xff',
    b'{"os-stop": null, "lock": null}', b'[' * 5000],
    ids=lambda body: repr(body[:20]))
def test_an_action_that_can_t_be_read_is_a_bad_request(guarded, body):
    answer = guarded.ask('POST', MANAGED + '/action', params=body,
                         token=guarded.token(*TENANT))
    assert answer.status_int == 400
    assert answer.json == {'badRequest': {
        'code': 400, 'message': 'Malformed request body'}}
    assert guarded.dispatched == []


def test_the_last_of_repeated_keys_counts(guarded):
    answer = guarded.ask(
        'POST', MANAGED + '/action', token=guarded.token(*TENANT),
        params=b'{"os-stop": null, "os-stop": {"force": true}}')
    assert 'servers:stop' in fault(answer)['message']


def test_nova_still_reads_the_body(guarded):
    guarded.ask('POST', FREE + '/action', json={'createImage': {'name': 'x'}},
                token=guarded.token(*TENANT))
    dispatch, = guarded.dispatched
    assert dispatch.arguments['body'] == {'createImage': {'name': 'x'}}


# Who asks.

def test_a_service_token_makes_the_trove_admin(guarded):
    guarded.ask('DELETE', MANAGED, token=guarded.token(*TENANT),
                service_token=guarded.token('service', 'trove_admin'))
    assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('roles', [('service',), ('trove_admin',), ADMIN],
                         ids=' '.join)
def test_a_service_token_without_both_roles_does_not(guarded, roles):
    answer = guarded.ask('DELETE', MANAGED, token=guarded.token(*TENANT),
                         service_token=guarded.token(*roles))
    assert answer.status_int in (401, 403)
    assert guarded.dispatched == []


def test_an_expired_user_token_counts_with_a_valid_service_token(guarded):
    """Trove's long operations outlive the user's token."""
    expired = guarded.token(*TENANT, expires=long_ago())
    guarded.ask('DELETE', MANAGED, token=expired,
                service_token=guarded.token('service', 'trove_admin'))
    assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('claims', [{'expires': None}, {}],
                         ids=['expired', 'forged'])
def test_an_invalid_token_of_the_trove_admin_is_none(guarded, claims):
    if 'expires' in claims:
        token = guarded.token('trove_admin', expires=long_ago())
    else:
        token = 'no-such-token'
    answer = guarded.ask('DELETE', MANAGED, token=token)
    assert answer.status_int == 401
    assert guarded.dispatched == []


FORGED = {
    'X-Roles': 'trove_admin,admin', 'X-Role': 'trove_admin',
    'X-Service-Roles': 'service,trove_admin',
    'X-Identity-Status': 'Confirmed', 'X-User-Id': 'trove',
    'X-Service-Identity-Status': 'Confirmed', 'X-Is-Admin-Project': 'True',
    'X-Service-User-Id': 'trove', 'X-Project-Id': nova_api.PROJECT}


def test_forged_headers_make_nobody(guarded):
    answer = guarded.ask('DELETE', MANAGED, token=guarded.token(*TENANT),
                         headers=FORGED)
    assert answer.status_int == 403
    assert guarded.dispatched == []


@pytest.fixture(scope='module')
def misplaced(load_nova_api, guarded):
    """Return NovaAPI with the guard in front of authtoken."""
    text = (guarded.directory / 'api-paste.ini').read_text()
    return load_nova_api(
        text.replace('keystonecontext trove_guard', 'keystonecontext')
        .replace('authtoken keystonecontext',
                 'trove_guard authtoken keystonecontext'),
        GUARDED)


@pytest.mark.parametrize('server', [MANAGED, FREE])
def test_a_misplaced_guard_refuses_everybody_and_says_so(
        misplaced, server, caplog):
    answer = misplaced.ask('DELETE', server, headers=FORGED,
                           token=misplaced.token('trove_admin'))
    assert answer.status_int == 403
    assert misplaced.dispatched == []
    assert ('Put the trove_guard filter behind authtoken and keystonecontext '
            'in api-paste.ini' in caplog.text)


def test_a_misplaced_guard_lets_reads_pass(misplaced):
    misplaced.ask('GET', MANAGED, token=misplaced.token('reader'))
    assert len(misplaced.dispatched) == 1


# Delayed authentication: auth_token passes on whom it could not verify.

@pytest.fixture(scope='module')
def delaying(load_nova_api, guarded):
    """Return NovaAPI whose auth_token decides nothing.

    The guard stands in front of keystonecontext, which would refuse those
    who have no valid token.
    """
    text = (guarded.directory / 'api-paste.ini').read_text()
    return load_nova_api(
        text.replace('auth_token:filter_factory',
                     'auth_token:filter_factory\ndelay_auth_decision = true')
        .replace('keystonecontext trove_guard', 'trove_guard keystonecontext'),
        GUARDED)


@pytest.mark.parametrize('server', [MANAGED, FREE])
def test_an_expired_user_token_counts_for_nothing(delaying, server):
    answer = delaying.ask('DELETE', server, token=delaying.token(
        'trove_admin', expires=long_ago()))
    assert answer.status_int == 403
    assert 'not verified' in fault(answer)['message']
    assert delaying.dispatched == []


def test_an_invalid_service_token_counts_for_nothing(delaying):
    answer = delaying.ask(
        'DELETE', MANAGED, token=delaying.token(*TENANT),
        service_token=delaying.token('trove_admin'))  # without role service
    assert answer.status_int == 403
    assert delaying.dispatched == []


def test_an_expired_service_token_counts_for_nothing(delaying):
    answer = delaying.ask(
        'DELETE', MANAGED, token=delaying.token(*TENANT),
        service_token=delaying.token('service', 'trove_admin',
                                     expires=long_ago()))
    assert answer.status_int == 403
    assert delaying.dispatched == []


# Other paths that end at a server.

SNAPSHOT = {'snapshot': {'volume_id': nova_api.VOLUME, 'create_info': {}}}
DELETE_INFO = '?delete_info=' + json.dumps({'volume_id': nova_api.VOLUME})
ATTACH = {'volumeAttachment': {'volumeId': nova_api.VOLUME}}
ADD_ADDRESS = {'addFloatingIp': {'address': nova_api.ADDRESS}}


@pytest.mark.parametrize('method, path, body', [
    ('POST', '/v2.1/os-assisted-volume-snapshots', SNAPSHOT),
    ('DELETE', '/v2.1/os-assisted-volume-snapshots/1' + DELETE_INFO, None),
    ('GET', f'/v2.1/os-console-auth-tokens/{nova_api.CONSOLE_TOKEN}', None),
    ('DELETE', f'/v2.1/os-floating-ips/{nova_api.FLOATING_IP}', None),
    ('GET', f'/v2.1/os-floating-ips/{nova_api.FLOATING_IP}?_method=DELETE',
     None),
    ('POST', '/v2.1/os-snapshots', SNAPSHOT),
    ('DELETE', f'/v2.1/os-volumes/{nova_api.VOLUME}', None),
    ('POST', FREE + '/os-volume_attachments', ATTACH),
    ('POST', FREE + '/action', ADD_ADDRESS)])
def test_a_managed_server_is_found_by_what_belongs_to_it(
        guarded, method, path, body):
    answer = guarded.ask(method, path, json=body,
                         token=guarded.token(*TENANT))
    assert answer.status_int == 403
    assert f'Server {nova_api.MANAGED} is managed' in fault(answer)['message']
    assert guarded.dispatched == []

    other = path if FREE in path else path.replace('0c1d2a3b-', 'ffffffff-')
    body = json.loads(json.dumps(body).replace(
        nova_api.VOLUME, nova_api.MISSING).replace(
            nova_api.ADDRESS, '203.0.113.9'))
    guarded.ask(method, other, json=body, token=guarded.token(*TENANT))
    assert len(guarded.dispatched) == 1


# What managed volumes and their snapshots can't be used for, with a server or
# without one.

def mapping(**keys):
    """Return the body that makes a server of a block device mapping."""
    name = ('block_device_mapping_v2' if 'source_type' in keys else
            'block_device_mapping')
    return {'server': {'name': 'x', name: [
        {'source_type': 'blank', 'destination_type': 'volume'}, keys]}}


MAPPINGS = [
    {'source_type': 'volume', 'uuid': '$'},
    {'source_type': 'snapshot', 'uuid': '$'},
    {'source_type': 'image', 'uuid': nova_api.MISSING, 'volume_id': '$'},
    {'source_type': 'blank', 'snapshot_id': '$'},
    {'volume_id': '$'}, {'snapshot_id': '$', 'device_name': 'vda'}]


def put(identifier, keys):
    """Return a mapping with an identifier in place of the $."""
    return {key: identifier if value == '$' else value
            for key, value in keys.items()}


@pytest.mark.parametrize('path', ['/v2.1/servers', '/v2.1/os-volumes_boot',
                                  f'/v2.1/{nova_api.PROJECT}/servers'])
@pytest.mark.parametrize('keys', MAPPINGS, ids=repr)
@pytest.mark.parametrize('roles', [TENANT, ADMIN], ids=['member', 'admin'])
def test_nobody_boots_from_what_is_managed(guarded, path, keys, roles):
    token = guarded.token(*roles)
    for volume in nova_api.VOLUME, nova_api.DETACHED:
        answer = guarded.ask(
            'POST', path, json=mapping(**put(volume, keys)), token=token)
        assert answer.status_int == 403
        assert 'servers:create is not allowed' in fault(answer)['message']
        assert guarded.dispatched == []
    for volume in nova_api.FREE, nova_api.MISSING:
        guarded.ask('POST', path, json=mapping(**put(volume, keys)),
                    token=token)
        assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('keys', MAPPINGS, ids=repr)
def test_trove_boots_from_what_is_managed(guarded, keys):
    guarded.ask('POST', '/v2.1/servers',
                json=mapping(**put(nova_api.DETACHED, keys)),
                token=guarded.token('trove_admin'))
    assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('keys', MAPPINGS, ids=repr)
def test_nobody_boots_what_cinder_can_t_be_asked_about(guarded, keys):
    answer = guarded.ask('POST', '/v2.1/servers',
                         json=mapping(**put(nova_api.BROKEN, keys)),
                         token=guarded.token(*TENANT))
    assert answer.status_int == 503
    assert guarded.dispatched == []


@pytest.mark.parametrize('ignored', [
    {'source_type': 'volume', 'uuid': nova_api.FREE},
    {'source_type': 'image', 'uuid': nova_api.MISSING}], ids=repr)
def test_a_snapshot_that_nova_ignores_hides_no_managed_one(guarded, ignored):
    """Nova looks up no snapshot where there is a volume or an image."""
    answer = guarded.ask(
        'POST', '/v2.1/servers', token=guarded.token(*TENANT), json={
            'server': {'block_device_mapping_v2': [
                ignored | {'snapshot_id': nova_api.MISSING},
                {'source_type': 'snapshot', 'uuid': nova_api.DETACHED}]}})
    assert answer.status_int == 403
    assert guarded.dispatched == []


def test_more_snapshots_than_a_server_has_disks_are_refused(guarded):
    def ask(number):
        return guarded.ask(
            'POST', '/v2.1/servers', token=guarded.token(*TENANT), json={
                'server': {'block_device_mapping': [
                    {'snapshot_id': f'{each:036}'} for each in range(number)]
                }})

    ask(block_devices.MAX_SNAPSHOTS)
    assert len(guarded.dispatched) == 1
    answer = ask(block_devices.MAX_SNAPSHOTS + 1)
    assert answer.status_int == 400
    assert len(guarded.dispatched) == 0


@pytest.mark.parametrize('ids, most', [
    ([nova_api.FREE[:number] + nova_api.FREE[number:].upper()
      for number in range(len(nova_api.FREE))], 1),
    ([f'{number}' for number in range(30)], 0),
    ([nova_api.MISSING, nova_api.FREE], 1)],
    ids=['one in many spellings', 'no ids', 'one that does not exist'])
@pytest.mark.parametrize('key', ['volume_id', 'snapshot_id'])
def test_many_volumes_to_boot_from_cost_few_calls_to_cinder(
        guarded, monkeypatch, key, ids, most):
    asked = []

    def client(context):
        asked.append(context)
        return nova_api.cinder_client(context)

    monkeypatch.setattr(cinder, 'cinderclient', client)
    guarded.ask('POST', '/v2.1/servers', token=guarded.token(*TENANT), json={
        'server': {'block_device_mapping': [{key: each} for each in ids]}})
    # Each snapshot leads to a volume.
    assert len(asked) <= most * (1 + (key == 'snapshot_id'))
    assert len(guarded.dispatched) == 1


# tests.unit.test_surface shows that Nova refuses them.
MALFORMED_MAPPINGS = [
    {'block_device_mapping_v2': None}, {'block_device_mapping_v2': {}},
    {'block_device_mapping_v2': [nova_api.VOLUME]},
    {'block_device_mapping_v2': [{'source_type': 'volume', 'uuid': 7}]},
    {'block_device_mapping_v2': [
        {'source_type': 'volume', 'uuid': nova_api.VOLUME + '/'}]},
    {'block_device_mapping': [{'volume_id': '\ud800'}]},
    {'block_device_mapping': [{'volume_id': nova_api.VOLUME + ' '}]}]


@pytest.mark.parametrize(
    'server', [{}, None, [], 'x', *MALFORMED_MAPPINGS], ids=repr)
def test_what_nova_s_schema_refuses_is_left_to_it(guarded, server):
    guarded.ask('POST', '/v2.1/servers', json={'server': server},
                token=guarded.token(*TENANT))
    assert len(guarded.dispatched) == 1


def test_a_detached_managed_volume_is_not_deleted_by_nova_s_proxy(guarded):
    answer = guarded.ask('DELETE', f'/v2.1/os-volumes/{nova_api.DETACHED}',
                         token=guarded.token(*TENANT))
    assert answer.status_int == 403
    assert f'Volume {nova_api.DETACHED} is managed' in fault(answer)['message']
    assert guarded.dispatched == []


def test_a_stranger_learns_nothing_of_a_volume(guarded):
    answer = guarded.ask(
        'POST', '/v2.1/servers',
        json=mapping(source_type='volume', uuid=nova_api.DETACHED),
        token=guarded.token(*TENANT, project_id=nova_api.OTHER_PROJECT))
    assert 'managed' not in answer.text
    assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('method, path, body', [
    ('POST', '/v2.1/os-assisted-volume-snapshots', {}),
    ('POST', '/v2.1/os-assisted-volume-snapshots',
     {'snapshot': {'volume_id': 0}}),
    ('DELETE', '/v2.1/os-assisted-volume-snapshots/1', None),
    ('DELETE', '/v2.1/os-assisted-volume-snapshots/1?delete_info=7', None),
    # MySQL finds many a volume_id to be equal to the number 0.
    ('DELETE',
     '/v2.1/os-assisted-volume-snapshots/1?delete_info={"volume_id":0}', None),
    ('POST', '/v2.1/os-server-external-events', {'events': {}}),
    ('POST', '/v2.1/os-server-external-events', [1])])
def test_what_does_not_say_which_server_is_meant_is_a_bad_request(
        guarded, method, path, body):
    answer = guarded.ask(method, path, json=body,
                         token=guarded.token(*ADMIN))
    assert answer.status_int == 400
    assert guarded.dispatched == []


@pytest.mark.parametrize('path', [
    f'/v2.1/os-volumes/{nova_api.VOLUME}',
    f'/v2.1/os-floating-ips/{nova_api.FLOATING_IP}', MANAGED])
def test_a_method_in_a_form_is_an_override_too(guarded, path):
    guarded.ask('POST', path, params='_method=DELETE', headers={
        'Content-Type': 'application/x-www-form-urlencoded'},
        token=guarded.token(*TENANT))
    # Nova answers 415 to forms, but behind its router: the guard sees what
    # the router sees.
    assert guarded.dispatched == []
    call = reader.read({
        'REQUEST_METHOD': 'POST', 'QUERY_STRING': '',
        'PATH_INFO': path.removeprefix('/v2.1'),
        'CONTENT_TYPE': 'application/x-www-form-urlencoded',
        'CONTENT_LENGTH': '14', 'wsgi.input': io.BytesIO(b'_method=DELETE')})
    assert call.operation.name.endswith(':delete')


# Services keep serving.

EVENTS = {'events': [
    {'name': 'network-changed', 'server_uuid': nova_api.FREE},
    {'name': 'network-changed', 'server_uuid': nova_api.MANAGED}]}
SWAP = {'volumeAttachment': {'volumeId': 'new'}}


@pytest.mark.parametrize('method, path, body', [
    ('POST', '/v2.1/os-server-external-events', EVENTS),
    ('PUT', MANAGED + '/os-volume_attachments/old', SWAP)])
def test_services_reach_a_managed_server(guarded, method, path, body):
    guarded.ask(method, path, json=body, token=guarded.token(
        'service', project_id=nova_api.OTHER_PROJECT))
    assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('method, path, body', [
    ('POST', '/v2.1/os-server-external-events', EVENTS),
    ('PUT', MANAGED + '/os-volume_attachments/old', SWAP)])
@pytest.mark.parametrize('roles', [TENANT, ADMIN], ids=['member', 'admin'])
def test_others_gain_nothing_by_it(guarded, method, path, body, roles):
    answer = guarded.ask(method, path, json=body,
                         token=guarded.token(*roles))
    assert answer.status_int == 403
    assert guarded.dispatched == []


@pytest.mark.parametrize('roles', [('service',), ADMIN], ids=['service',
                                                              'admin'])
def test_what_is_no_swap_is_not_for_services(guarded, roles):
    same = {'volumeAttachment': {'volumeId': 'old',
                                 'delete_on_termination': True}}
    answer = guarded.ask('PUT', MANAGED + '/os-volume_attachments/old',
                         json=same, token=guarded.token(*roles))
    assert answer.status_int == 403
    assert guarded.dispatched == []


def test_an_operator_can_loosen_the_rule_without_a_restart(
        load_nova_api, guarded):
    api = load_nova_api(paste(guarded), GUARDED)
    policy = api.directory / 'policy.yaml'
    cloud_admin = api.token(*ADMIN)
    try:
        answer = api.ask('POST', '/v2.1/os-server-external-events',
                         json=EVENTS, token=cloud_admin)
        assert answer.status_int == 403
        assert api.dispatched == []
        policy.write_text('"trove_guard:service_api": '
                          '"role:service or role:admin"\n')
        api.ask('POST', '/v2.1/os-server-external-events', json=EVENTS,
                token=cloud_admin)
        assert len(api.dispatched) == 1
    finally:
        policy.unlink()


# The marker can't be forged or shed.

@pytest.mark.parametrize('method, path, body', [
    ('POST', '/v2.1/servers', {'server': {'metadata': MARKER}}),
    ('POST', '/v2.1/os-volumes_boot', {'server': {'metadata': MARKER}}),
    ('POST', f'/v2.1/{nova_api.PROJECT}/servers',
     {'server': {'metadata': MARKER}}),
    ('POST', '/v2/servers', {'server': {'metadata': MARKER}}),
    ('POST', FREE + '/metadata', {'metadata': MARKER}),
    ('PUT', FREE + '/metadata', {'metadata': MARKER}),
    ('PUT', FREE + '/metadata/trove_instance_id', {'meta': MARKER}),
    ('PUT', FREE + '/metadata/other', {'meta': MARKER}),
    ('POST', FREE + '/action', {'rebuild': {'metadata': MARKER}}),
    ('PUT', FREE + '/metadata?_method=POST', {'metadata': MARKER})])
@pytest.mark.parametrize('roles', [TENANT, ADMIN, ('service',)],
                         ids=['member', 'admin', 'service'])
def test_the_marker_can_t_be_forged(guarded, method, path, body, roles):
    answer = guarded.ask(method, path, json=body, token=guarded.token(*roles))
    assert answer.status_int == 403
    assert 'only Trove may write it' in fault(answer)['message']
    assert guarded.dispatched == []
    guarded.ask(method, path, json=body, token=guarded.token('trove_admin'))
    assert len(guarded.dispatched) == 1


@pytest.mark.parametrize('method, path, body', [
    ('PUT', '/metadata', {'metadata': {}}),
    ('DELETE', '/metadata/trove_instance_id', None),
    ('POST', '/metadata', {'metadata': {'x': 'y'}}),
    ('POST', '/action', {'rebuild': {'metadata': {}}})])
def test_the_marker_can_t_be_shed(guarded, method, path, body):
    answer = guarded.ask(method, MANAGED + path, json=body,
                         token=guarded.token(*TENANT))
    assert answer.status_int == 403
    assert guarded.dispatched == []


@pytest.mark.parametrize('metadata', [
    {}, {'a': 'b'}, {'TROVE_INSTANCE_ID': 'x'}, None, [], 'x',
    ['trove_instance_id'], 7])
def test_other_metadata_passes(guarded, metadata):
    guarded.ask('POST', '/v2.1/servers',
                json={'server': {'metadata': metadata}},
                token=guarded.token(*TENANT))
    assert len(guarded.dispatched) == 1


# The answer.

def fault(answer):
    """Return what stands in the only key of a fault."""
    content, = answer.json.values()
    return content


def long_ago():
    """Return a time (datetime) at which every token had expired."""
    return datetime.datetime(2020, 1, 1)


def test_a_refusal_is_a_fault_of_nova_s(guarded):
    answer = guarded.ask(
        'POST', MANAGED + '/action', json={'createImage': {'name': 'x'}},
        headers={'OpenStack-API-Version': 'compute 2.79'},
        token=guarded.token(*TENANT))
    assert answer.status_int == 403
    assert answer.content_type == 'application/json'
    assert answer.json == {'forbidden': {'code': 403, 'message': (
        f'Server {nova_api.MANAGED} is managed by Trove as database instance '
        f'{nova_api.DATABASE_INSTANCE}: servers:create_image is not allowed. '
        f'Use: openstack database backup create <name> --instance '
        f'{nova_api.DATABASE_INSTANCE}')}}
    assert answer.headers['OpenStack-API-Version'] == 'compute 2.79'
    assert answer.headers['X-OpenStack-Nova-API-Version'] == '2.79'
    assert answer.headers.getall('Vary') == [
        'OpenStack-API-Version', 'X-OpenStack-Nova-API-Version']
    assert answer.headers['x-openstack-request-id'].startswith('req-')


@pytest.mark.parametrize('asked, told', [
    ({}, '2.1'), ({'X-OpenStack-Nova-API-Version': '2.40'}, '2.40'),
    ({'OpenStack-API-Version': 'volume 3.1'}, '2.1'),
    ({'OpenStack-API-Version': 'compute 2.50',
      'X-OpenStack-Nova-API-Version': '2.40'}, '2.50')])
def test_a_refusal_has_the_microversion_that_nova_would_take(
        guarded, asked, told):
    answer = guarded.ask('DELETE', MANAGED, token=guarded.token(*TENANT),
                         headers=asked)
    assert answer.status_int == 403
    assert answer.headers['X-OpenStack-Nova-API-Version'] == told


def test_a_refusal_of_the_legacy_api_has_no_microversion(guarded):
    answer = guarded.ask('DELETE', f'/v2/servers/{nova_api.MANAGED}',
                         token=guarded.token(*TENANT))
    assert answer.status_int == 403
    assert not {'OpenStack-API-Version', 'X-OpenStack-Nova-API-Version',
                'Vary'} & set(answer.headers)


@pytest.mark.parametrize('version', ['compute 9.99', 'compute x'])
def test_a_refusal_stands_an_impossible_microversion(guarded, version):
    answer = guarded.ask('DELETE', MANAGED, token=guarded.token(*TENANT),
                         headers={'OpenStack-API-Version': version})
    assert answer.status_int == 403


def test_a_stranger_does_not_learn_of_the_server(guarded):
    answer = guarded.ask('DELETE', MANAGED, token=guarded.token(
        *TENANT, project_id=nova_api.OTHER_PROJECT))
    assert answer.status_int == 404
    assert answer.json == {'itemNotFound': {'code': 404, 'message': (
        f'Instance {nova_api.MANAGED} could not be found.')}}
    assert guarded.dispatched == []


def test_a_stranger_s_event_gets_nova_s_own_refusal(guarded):
    answer = guarded.ask(
        'POST', '/v2.1/os-server-external-events', json=EVENTS,
        token=guarded.token(*TENANT, project_id=nova_api.OTHER_PROJECT))
    assert fault(answer) == {'code': 403, 'message': (
        'Policy doesn\'t allow os_compute_api:os-server-external-events:'
        'create to be performed.')}


def test_a_cloud_admin_of_another_project_is_told(guarded):
    answer = guarded.ask('DELETE', MANAGED, token=guarded.token(
        *ADMIN, project_id=nova_api.OTHER_PROJECT))
    assert 'openstack database instance delete' in fault(answer)['message']


def test_a_missing_server_is_nova_s_to_answer(guarded, unguarded):
    answers = [api.ask('DELETE', f'/v2.1/servers/{nova_api.MISSING}',
                       token=api.token(*TENANT))
               for api in (guarded, unguarded)]
    assert answers[0].status_int == 404
    assert answers[0].body == answers[1].body


@pytest.mark.parametrize('method', ['DELETE', 'PUT'])
def test_a_failing_look_up_refuses(guarded, method, caplog):
    answer = guarded.ask(method, f'/v2.1/servers/{nova_api.BROKEN}',
                         token=guarded.token(*TENANT))
    assert answer.status_int == 503
    assert answer.headers['Retry-After'] == '5'
    assert fault(answer)['code'] == 503
    assert guarded.dispatched == []
    assert 'Cell is not responding' in caplog.text


def test_a_failing_look_up_does_not_hold_up_the_trove_admin(guarded):
    guarded.ask('DELETE', f'/v2.1/servers/{nova_api.BROKEN}',
                token=guarded.token('trove_admin'))
    assert len(guarded.dispatched) == 1


# How it gets into the pipeline.

GUARDED = '[trove_guard]\ntrove_managed_instances = true\n'
USE = 'use = egg:nova-trove-guard#trove_guard\n'


def paste(guarded, *options, use=USE):
    """Return the text of the sample, with another section of the guard."""
    text = (guarded.directory / 'api-paste.ini').read_text()
    assert USE in text
    return text.replace(USE, use + ''.join(f'{line}\n' for line in options))


def test_paste_finds_it_by_its_dotted_name_too(load_nova_api, guarded):
    api = load_nova_api(paste(
        guarded,
        use='paste.filter_factory = '
            'nova_trove_guard.nova.filter:filter_factory\n'
    ), GUARDED)
    answer = api.ask('DELETE', MANAGED, token=api.token(*TENANT))
    assert answer.status_int == 403


def test_a_value_in_api_paste_ini_turns_it_on(load_nova_api, guarded):
    api = load_nova_api(
        paste(guarded, 'trove_managed_instances = true'), '')
    answer = api.ask('DELETE', MANAGED, token=api.token(*TENANT))
    assert answer.status_int == 403


def test_another_marker_can_be_chosen(load_nova_api, guarded):
    api = load_nova_api(paste(guarded, 'metadata_key = purpose'), GUARDED)
    answer = api.ask('DELETE', FREE, token=api.token(*TENANT))
    assert answer.status_int == 403
    # Its value is no id, and does not get into a message.
    assert 'database instance <instance>' in fault(answer)['message']


def test_an_option_that_does_not_exist_keeps_nova_from_starting(
        load_nova_api, guarded):
    with pytest.raises(ValueError, match='trove_managed_instance'):
        load_nova_api(paste(guarded, 'trove_managed_instance = true'), '')


BAD_POLICY = '"trove_guard:trove_admin": "role:trove_admin"\n}\n'


def test_a_bad_policy_file_keeps_nova_from_starting(load_nova_api, guarded):
    with pytest.raises(enforcement.PolicyUnreadable, match='policy.yaml'):
        load_nova_api(paste(guarded), GUARDED, policy=BAD_POLICY)


def test_a_policy_file_that_turns_bad_refuses(load_nova_api, guarded, caplog):
    api = load_nova_api(paste(guarded), GUARDED)
    policy = api.directory / 'policy.yaml'
    policy.write_text(BAD_POLICY)
    try:
        for roles in TENANT, TENANT, ['trove_admin']:
            answer = api.ask('DELETE', FREE, token=api.token(*roles))
            assert answer.status_int == 503
            assert api.dispatched == []
        assert 'policy.yaml' in caplog.text
        api.ask('GET', MANAGED, token=api.token('reader'))
        assert len(api.dispatched) == 1

        policy.unlink()
        api.ask('DELETE', FREE, token=api.token(*TENANT))
        assert len(api.dispatched) == 1
    finally:
        policy.unlink(missing_ok=True)


# Off, and what passes.

def test_off_it_takes_itself_out_of_the_pipeline(unguarded):
    unguarded.ask('DELETE', MANAGED, token=unguarded.token(*TENANT))
    assert len(unguarded.dispatched) == 1


def test_reads_leave_without_a_webob_request(guarded, monkeypatch):
    built = []
    monkeypatch.setattr(webob, 'Request',
                        lambda environ: built.append(environ))
    for path in ('', '/diagnostics', '/os-volume_attachments'):
        assert reader.read({
            'REQUEST_METHOD': 'GET', 'QUERY_STRING': 'limit=1',
            'PATH_INFO': f'/servers/{nova_api.MANAGED}{path}'}) is None
    assert reader.read({'REQUEST_METHOD': 'POST', 'QUERY_STRING': '',
                             'PATH_INFO': '/os-keypairs'}) is None
    assert built == []


@pytest.mark.parametrize('path', ['', '/', '//', '/servers', '/x/y/z'])
def test_odd_paths_pass(path):
    assert reader.read({'REQUEST_METHOD': 'GET', 'QUERY_STRING': '',
                             'PATH_INFO': path}) is None


def test_every_refusal_is_json(guarded):
    for _, method, path, body in (param.values for param in calls()):
        answer = guarded.ask(method, MANAGED + path, json=body,
                             token=guarded.token(*TENANT))
        json.loads(answer.body)
