# SPDX-License-Identifier: Apache-2.0
"""Every operation, by every principal, on volumes of either kind.

Of twins one is asked for by way of the guarded Cinder and one by way of the
stock one: both must answer the same. Each request has twins of its own.
"""

import uuid

import pytest

from nova_trove_guard.cinder import operations
from tests.cloud import layout
from tests.cloud import state
from tests.functional import scene as scenes
from tests.functional import volumes_scene
from tests.functional import volumes_table as table

pytestmark = pytest.mark.xdist_group('matrix of volumes')

TENANTS = ('reader', 'owner', 'manager')
# Nova itself, and on behalf of a tenant.
NOVA = ('nova', 'owner by way of nova')
OPERATIONS = operations.operations()
# Cinder itself refuses them to all but admins, before it looks for anything.
ADMINS_ONLY = ('volume:backup_import', 'volume:manage')
REGIONS = (state.GUARDED, state.UNGUARDED)
EACH_ROW = pytest.mark.parametrize('row', table.ROWS, ids=str)


def rows_if(is_wanted):
    """Return a parametrization by the rows whose operation is wanted."""
    return pytest.mark.parametrize(
        'row', [row for row in table.ROWS
                if is_wanted(OPERATIONS[row.operation])], ids=str)


def test_the_table_has_every_operation():
    assert {row.operation for row in table.ROWS} == {
        operation.name for operation in OPERATIONS.values()
        if not operation.is_redacted}


def test_the_table_has_every_guarded_route_and_action():
    asked = {(row.operation, row.method, shape(row)) for row in table.ROWS}
    documented = {
        (operation.name, method, route)
        for operation, method, path in operations.documented()
        if method != '*' and not operation.is_redacted
        for route in [path.replace('{volume_id}', '{id}').replace(
            '{snapshot_id}', '{id}')]}
    assert documented <= asked


def shape(row):
    """Return the route of a row, as operations.documented() has it."""
    segments = ['{id}' if segment.startswith('$') or segment == 'colour'
                else segment for segment in row.path.split('/')]
    action = (f' ({next(iter(row.body))})' if segments[-1] == 'action'
              else '')
    return '/'.join(segments) + action


@pytest.fixture(scope='module')
def managed(volumes):
    """Return a managed Holding that must stay as it is."""
    holding = volumes.holding(instance=str(uuid.uuid4()))
    for kind in (*volumes_scene.KINDS, 'image', 'record'):
        holding[kind]
    before = holding.describe()
    yield holding
    assert holding.describe() == before


def ask(volumes, who, row, holding, region=state.GUARDED, version=None):
    """Have a row asked for."""
    return volumes.ask(who, row.method, holding.fill_in(row.path),
                       holding.fill_in(row.body), version or row.since,
                       region)


def assert_refused(answer, row, holding, cinder_witness):
    """Check a refusal: Cinder's form, the guard's words, no dispatch."""
    assert answer.status_code == 403, answer.text
    fault = answer.json()['forbidden']
    assert fault['code'] == 403
    assert fault['message'].startswith(
        f'Volume {holding.volume} is managed by Trove as database instance '
        f'{holding.instance}: {row.operation} is not allowed.')
    assert not cinder_witness.dispatches(
        answer.headers['x-openstack-request-id'])


def without_right(row, tenants):
    """Return those tenants whom the guard refuses a row, and not Cinder."""
    return () if row.operation in ADMINS_ONLY else tenants


@EACH_ROW
def test_tenants_and_admins_cannot_touch_a_managed_volume(
        volumes, cinder_witness, managed, row):
    before = managed.describe()
    for who in ('admin', *without_right(row, TENANTS)):
        answer = ask(volumes, who, row, managed)
        assert_refused(answer, row, managed, cinder_witness)
    assert managed.describe() == before


@rows_if(lambda operation: not operation.used_by_services)
def test_a_service_token_opens_nothing_but_what_nova_does(
        volumes, cinder_witness, managed, row):
    before = managed.describe()
    for who in ('nova', *without_right(row, ['owner by way of nova'])):
        answer = ask(volumes, who, row, managed)
        assert_refused(answer, row, managed, cinder_witness)
    assert managed.describe() == before


def ask_twins(volumes, row, everybody, **kind):
    """Have a row asked for of twins by one principal after another.

    :param kind: of the twins, as of volumes_scene.Holding
    :returns: iterable of (who, answer of the guarded Cinder); that it is the
        stock one's is checked
    """
    for who in everybody:
        answers = {}
        for region in REGIONS:
            holding = volumes.holding(**kind)
            answers[region] = ask(volumes, who, row, holding, region)
            answers[region, 'normal'] = volumes.normal(
                answers[region], holding)
        assert (answers[state.GUARDED, 'normal'] ==
                answers[state.UNGUARDED, 'normal']), who
        yield who, answers[state.GUARDED]


@rows_if(lambda operation: operation.name in ADMINS_ONLY)
def test_cinder_itself_refuses_tenants_what_is_for_admins(volumes, row):
    for who, answer in ask_twins(
            volumes, row, (*TENANTS, 'owner by way of nova'),
            instance=str(uuid.uuid4())):
        assert answer.status_code == 403, who
        assert 'Trove' not in answer.text, who


def assert_dispatched(answer, row, cinder_witness):
    """Check that Cinder itself, and nobody else, has answered."""
    methods = [dispatch['method'] for dispatch in cinder_witness.dispatches(
        answer.headers['x-openstack-request-id'])]
    assert methods == ([row.dispatches] if row.dispatches else [])


@EACH_ROW
def test_trove_is_served_as_without_the_guard(volumes, cinder_witness, row):
    for _, answer in ask_twins(
            volumes, row, ['trove in the project'],
            instance=str(uuid.uuid4())):
        assert_dispatched(answer, row, cinder_witness)


@rows_if(lambda operation:
         operation.used_by_services and not operation.needs_proof)
def test_nova_is_served_as_without_the_guard(volumes, cinder_witness, row):
    for _, answer in ask_twins(
            volumes, row, NOVA, instance=str(uuid.uuid4())):
        assert_dispatched(answer, row, cinder_witness)


# Cinder's own answer is no model here: it checks no policy.
WITHOUT_POLICY = [row for row in table.ROWS
                  if row.operation == 'volume:attachment_show']


@pytest.fixture(scope='module', autouse=True)
def volume_of_the_stranger(volumes):
    """Have a volume in the stranger's project."""
    volumes.do('stranger', 'POST', '/volumes', {'volume': {'size': 1}})


@pytest.mark.parametrize(
    'row', [row for row in table.ROWS if row not in WITHOUT_POLICY], ids=str)
def test_a_stranger_learns_nothing_but_cinder_s_own_words(volumes, row):
    for _, answer in ask_twins(volumes, row, ['stranger'],
                               instance=str(uuid.uuid4())):
        assert answer.status_code >= 400


@pytest.mark.parametrize('row', WITHOUT_POLICY, ids=str)
def test_a_stranger_sees_no_attachment_of_a_managed_volume(
        volumes, cinder_witness, row):
    managed = volumes.holding(instance=str(uuid.uuid4()))
    answer = ask(volumes, 'stranger', row, managed)
    assert answer.status_code == 404
    assert scenes.message(answer) == (
        'Volume attachment could not be found with filter: '
        f'attachment_id = {managed.attachment}.')
    assert managed.attachment not in repr(cinder_witness.dispatches(
        answer.headers['x-openstack-request-id']))


@pytest.mark.parametrize('everybody', [
    ('owner',),
    # What everybody may do takes long.
    pytest.param(('reader', 'owner by way of nova', 'admin'),
                 marks=pytest.mark.production)], ids=' and '.join)
@EACH_ROW
def test_everybody_is_served_an_ordinary_volume_as_without_the_guard(
        volumes, cinder_witness, row, everybody):
    # Of a backup service, Cinder's API would wait for the answer in vain.
    if row.operation == 'volume:backup_force_delete':
        everybody = [who for who in everybody if who != 'admin']
    for who, answer in ask_twins(volumes, row, everybody):
        assert 'Trove' not in answer.text, who
        assert_dispatched(answer, row, cinder_witness)


# The marker.

@pytest.mark.parametrize('row', table.FORGERIES, ids=str)
def test_the_marker_cannot_be_forged(volumes, cinder_witness, row):
    ordinary = volumes.holding()
    request = ordinary.fill_in(row.path), ordinary.fill_in(row.body)
    before = ordinary.describe()
    for who in (*TENANTS, 'admin', *NOVA):
        answer = volumes.ask(who, row.method, *request)
        assert answer.status_code == 403
        assert scenes.message(answer) == (
            'The volume metadata key trove_instance_id marks the volumes '
            'that Trove manages: only Trove may write it.')
        assert not cinder_witness.dispatches(
            answer.headers['x-openstack-request-id'])
    assert ordinary.describe() == before


@pytest.mark.parametrize('row', table.FORGERIES, ids=str)
def test_the_trove_admin_writes_the_marker(volumes, cinder_witness, row):
    for _, answer in ask_twins(volumes, row, ['trove in the project']):
        assert_dispatched(answer, row, cinder_witness)


@pytest.fixture
def policy(cloud):
    """Return a function that writes Cinder's policy file."""
    path = layout.Layout(cloud.root).policy('cinder')
    stock = path.read_text()
    yield path.write_text
    path.write_text(stock)


@pytest.mark.parametrize('row', table.SHEDDINGS, ids=str)
def test_the_marker_cannot_be_shed_whatever_the_rules(
        volumes, cinder_witness, managed, policy, row):
    policy('"trove_guard:volume:update": "@"\n'
           '"trove_guard:volume:metadata_delete": "@"\n')
    before = managed.describe()
    for who in (*TENANTS, 'admin', *NOVA):
        answer = ask(volumes, who, row, managed)
        assert answer.status_code == 403
        assert not cinder_witness.dispatches(
            answer.headers['x-openstack-request-id'])
    assert managed.describe() == before


def test_an_operator_opens_one_operation(volumes, managed, policy):
    snapshot, = (row for row in table.ROWS
                 if row.operation == 'volume:snapshot_create')
    policy('"trove_guard:volume:snapshot_create": "rule:trove_guard:'
           'trove_admin or project_id:%(project_id)s"\n')
    another = volumes.holding(instance=managed.instance)
    assert ask(volumes, 'owner', snapshot, another).status_code == 202
    assert ask(volumes, 'admin', snapshot, another).status_code == 403


# What Nova does on behalf of a tenant, who says of which server.

@pytest.fixture(scope='module')
def database(scene):
    """Return (id, database instance) of a managed server."""
    server, = scene.make('database', managed=True)
    yield server, scene.show(server)['metadata'][scenes.MARKER]
    scene.remove([server])


@pytest.mark.parametrize('who', NOVA)
@pytest.mark.parametrize('connector, is_of, status', [
    (table.CONNECTOR, 'database', 200),
    (table.CONNECTOR, 'ordinary', 403),
    (table.CONNECTOR, 'nobody', 403),
    # Nova reserves a volume before it has the server, and connects it later.
    (None, 'database', 200),
    (None, 'ordinary', 403),
    (None, 'nobody', 200),
])
def test_a_managed_volume_is_attached_to_its_own_server(
        volumes, cinder_witness, database, ordinary, who, connector, is_of,
        status):
    server, instance = database
    holding = volumes.holding(instance=instance)
    answer = volumes.ask(who, 'POST', '/attachments', {'attachment': {
        'volume_uuid': holding.volume, 'connector': connector,
        'instance_uuid': {'database': server, 'ordinary': ordinary,
                          'nobody': str(uuid.uuid4())}[is_of]}})
    assert answer.status_code == status, answer.text
    assert (status == 200) == bool(cinder_witness.dispatches(
        answer.headers['x-openstack-request-id']))


def test_nor_to_another_database_instance_s(volumes, database):
    server, _ = database
    holding = volumes.holding(instance=str(uuid.uuid4()))
    for connector in (table.CONNECTOR, None):
        answer = volumes.ask(
            'owner by way of nova', 'POST', '/attachments', {'attachment': {
                'volume_uuid': holding.volume, 'instance_uuid': server,
                'connector': connector}})
        assert answer.status_code == 403


@pytest.mark.parametrize('who', NOVA)
def test_a_managed_volume_is_connected_to_its_own_server(
        volumes, database, ordinary, who):
    own, instance = database
    connect = {'attachment': {'connector': table.CONNECTOR}}
    answers = {}
    for server in own, ordinary, str(uuid.uuid4()):
        holding = volumes.holding(instance=instance, server=server)
        answers[server] = volumes.ask(
            who, 'PUT', f'/attachments/{holding.attachment}', connect)
    assert [answer.status_code for answer in answers.values()] == [
        200, 403, 403]


# Nova's own calls that end at a volume, by way of a Nova without the guard.

@pytest.mark.parametrize('path, body', [
    ('/os-snapshots', {'snapshot': {
        'volume_id': '$volume', 'force': True}}),
    ('/servers/$server/os-volume_attachments', {'volumeAttachment': {
        'volumeId': '$volume'}}),
])
def test_a_tenant_gains_nothing_by_nova(volumes, ordinary, path, body):
    managed = volumes.holding(instance=str(uuid.uuid4()), server=ordinary)
    path, body = managed.fill_in(path), managed.fill_in(body)
    before = managed.describe()
    answer = volumes.scene.ask(
        'owner', 'POST', path, body, region=state.UNGUARDED)
    assert answer.status_code == 403
    assert f'Volume {managed.volume} is managed by Trove' in answer.text
    assert managed.describe() == before


def boot(volumes, managed, region):
    """Ask for a server with a managed volume, as its owner."""
    scene = volumes.scene
    return scene.ask('owner', 'POST', '/servers', {'server': {
        'name': 'thief', 'imageRef': scene.image,
        'flavorRef': scene.flavors['nano'],
        'networks': [{'uuid': scene.network}],
        'block_device_mapping_v2': [
            {'uuid': scene.image, 'source_type': 'image', 'boot_index': 0,
             'destination_type': 'local'},
            {'uuid': managed.volume, 'source_type': 'volume',
             'destination_type': 'volume'}]}}, region=region)


def test_no_server_boots_with_a_managed_volume(volumes, witness):
    managed = volumes.holding(instance=str(uuid.uuid4()))
    answer = boot(volumes, managed, state.GUARDED)
    assert answer.status_code == 403
    assert not witness.dispatches(answer.headers['x-openstack-request-id'])


def test_nor_is_it_connected_without_the_guard_in_nova(volumes):
    managed = volumes.holding(instance=str(uuid.uuid4()))
    server = boot(volumes, managed, state.UNGUARDED).json()['server']['id']
    volumes.scene.settle(server)
    vm_state = volumes.scene.rows.get(server).vm_state
    attachments = volumes.rows.get_attachments(server)
    volumes.scene.remove([server])
    assert vm_state == 'error'
    assert not any(volumes.rows.get('volume_attachment', attachment,
                                    'connection_info')
                   for _, attachment in attachments)


# The one list that shows how to connect.

def test_a_list_shows_nobody_how_to_connect_to_a_managed_volume(volumes):
    managed = volumes.holding(instance=str(uuid.uuid4()))
    free = volumes.holding()

    def shown(who, region=state.GUARDED):
        listed = volumes.ask(who, 'GET', '/attachments/detail?all_tenants=1',
                             region=region).json()['attachments']
        return [bool(one.get('connection_info')) for holding in (
            managed, free) for one in listed
            if one['id'] == holding.attachment]

    managed['attachment'], free['attachment']
    for who in (*TENANTS, 'admin'):
        assert shown(who) == [False, True], who
        assert shown(who, state.UNGUARDED) == [True, True], who
    for who in ('trove in the project', *NOVA):
        assert shown(who) == [True, True], who
