# SPDX-License-Identifier: Apache-2.0
"""Every operation, by every principal, on servers of either kind.

Twins show what the guard changes: of two servers alike one is asked for by
way of the guarded endpoint and one by way of the stock one. As both are asked
the same in the same order, both must answer the same at each step, whatever
the steps before have made of them.
"""

import json

import pytest

from nova_trove_guard.core import routing
from nova_trove_guard.nova import operations
from tests.cloud import state
from tests.functional import scene as scenes
from tests.functional import table

TENANTS = ('reader', 'owner', 'manager')
TROVE = ('trove', 'owner by way of trove')
OPERATIONS = operations.operations()


def test_the_table_has_every_operation():
    rows = {row.operation for row in table.ROWS}
    assert rows | table.OF_VOLUMES | table.OF_THE_MARKER == set(OPERATIONS)


def test_the_table_has_every_action_and_every_guarded_route_of_a_server():
    asked = {(row.method, row.path.replace('$server', '{}', 1).split('/')[1],
              row.path.count('/'), row.operation) for row in table.ROWS}
    actions = {action for row in table.ROWS
               if row.path == table.S + '/action' for action in row.body}
    assert actions >= set(operations.ACTIONS)
    assert not {
        (method, route)
        for route, methods in operations.ROUTES.items()
        for method, operation in methods.items()
        if operation not in (routing.PASS, operations.ACTION) and
        operation.name not in table.OF_VOLUMES | table.OF_THE_MARKER and
        (method, route.split('/')[1], route.count('/'), operation.name)
        not in asked}


# Nova itself refuses it to tenants, before anybody looks for a server.
EVENTS = 'os-server-external-events:create'
TENANT_ROWS = [row for row in table.ROWS if row.operation != EVENTS]


def refusals():
    """Yield (row, who) of everything that the guard refuses."""
    for row in table.ROWS:
        for who in (*TENANTS, 'admin'):
            if who == 'admin' or row in TENANT_ROWS:
                yield pytest.param(row, who, id=f'{row} {who}')


@pytest.fixture(scope='module', params=['locked', 'unlocked'])
def facts(request, scene):
    """Return the Facts about a managed server that must stay as it is."""
    server = request.getfixturevalue(
        'managed' if request.param == 'locked' else 'unlocked')
    return scene.facts(server)


def assert_refused(answer, row, facts, witness):
    """Check a refusal: Nova's form, the guard's words, no dispatch."""
    assert answer.status_code == 403, answer.text
    text = scenes.message(answer)
    assert text.startswith(
        f'Server {facts.server} is managed by Trove as database instance ')
    assert f': {row.operation} is not allowed.' in text
    assert answer.json()['forbidden']['code'] == 403
    assert not witness.dispatches(answer.headers['x-openstack-request-id'])


@pytest.mark.each_cloud
@pytest.mark.parametrize('row, who', list(refusals()))
def test_a_managed_server_is_nobody_s_but_trove_s(
        scene, witness, facts, row, who):
    answer = scene.ask(who, row.method, facts.fill_in(row.path),
                       facts.fill_in(row.body), row.since)
    assert_refused(answer, row, facts, witness)


@pytest.mark.parametrize('who', TENANTS)
def test_nova_itself_refuses_events_of_tenants(scene, unlocked, who):
    row, = (row for row in table.ROWS if row.operation == EVENTS)
    facts = scene.facts(unlocked)
    guarded, stock = (
        scenes.normal(
            scene.ask(who, row.method, row.path, facts.fill_in(row.body),
                      row.since, region), unlocked, scene.cloud)
        for region in (state.GUARDED, state.UNGUARDED))
    assert guarded == stock
    assert guarded[0] == 403


@pytest.mark.parametrize(
    'row', [row for row in TENANT_ROWS if not row.until], ids=str)
def test_nor_is_it_at_the_latest_microversion(scene, witness, unlocked, row):
    facts = scene.facts(unlocked)
    answer = scene.ask('owner', row.method, facts.fill_in(row.path),
                       facts.fill_in(row.body), 'latest')
    assert_refused(answer, row, facts, witness)


@pytest.mark.parametrize(
    'row', [row for row in TENANT_ROWS if row.since == '2.1'], ids=str)
def test_nor_is_it_by_way_of_the_legacy_api(scene, witness, unlocked, row):
    facts = scene.facts(unlocked)
    answer = scene.ask('owner', row.method, facts.fill_in(row.path),
                       facts.fill_in(row.body), legacy=True)
    assert_refused(answer, row, facts, witness)
    assert 'OpenStack-API-Version' not in answer.headers


@pytest.mark.parametrize('row', table.ROWS, ids=str)
def test_a_stranger_learns_nothing_but_nova_s_own_words(
        scene, witness, unlocked, row):
    facts = scene.facts(unlocked)
    answers = [scene.ask('stranger', row.method, facts.fill_in(row.path),
                         facts.fill_in(row.body), row.since, region)
               for region in (state.GUARDED, state.UNGUARDED)]
    guarded, stock = (scenes.normal(answer, unlocked, scene.cloud)
                      for answer in answers)
    assert guarded == stock
    assert answers[0].status_code >= 400
    # Nova was asked of what is not there.
    assert unlocked not in repr(witness.dispatches(
        answers[0].headers['x-openstack-request-id']))


@pytest.mark.parametrize(
    'row', [row for row in table.ROWS
            if OPERATIONS[row.operation].used_by_services],
    ids=str)
def test_services_reach_a_managed_server(scene, witness, unlocked, row):
    facts = scene.facts(unlocked)
    answer = scene.ask('neutron', row.method, facts.fill_in(row.path),
                       facts.fill_in(row.body), row.since)
    dispatch, = witness.dispatches(answer.headers['x-openstack-request-id'])
    assert dispatch['method'] == row.dispatches


@pytest.mark.parametrize('who', [*TENANTS, 'admin'])
def test_a_managed_server_s_floating_address_can_t_be_moved_away(
        scene, witness, ordinary, who, unlocked):
    facts = scene.facts(unlocked)
    answer = scene.ask(who, 'POST', f'/servers/{ordinary}/action', {
        'addFloatingIp': {'address': facts.floating_address}})
    released = scene.connection('admin').network.delete_ip(
        facts.floating_ip, ignore_missing=False)
    assert released is None
    assert answer.status_code == 403
    assert scenes.message(answer).startswith(f'Server {unlocked} is managed')
    assert not witness.dispatches(answer.headers['x-openstack-request-id'])


# The marker.

@pytest.mark.each_cloud
@pytest.mark.parametrize('who', [*TENANTS, 'admin'])
@pytest.mark.parametrize('row', table.FORGERIES, ids=str)
def test_the_marker_can_t_be_forged(scene, witness, ordinary, row, who):
    facts = scene.facts(ordinary)
    before = scene.describe(ordinary)
    answer = scene.ask(who, row.method, facts.fill_in(row.path),
                       facts.fill_in(row.body))
    assert answer.status_code == 403
    assert scenes.message(answer) == (
        'The server metadata key trove_instance_id marks the servers that '
        'Trove manages: only Trove may write it.')
    assert not witness.dispatches(answer.headers['x-openstack-request-id'])
    assert scene.describe(ordinary) == before


# Whatever has a body fails in Nova's own hands behind the alias: its
# VolumesBootController passes the body on in a place where
# nova.api.validation does not look for it.
@pytest.mark.each_cloud
@pytest.mark.parametrize(
    'row', [row for row in table.FORGERIES if row.path.startswith('/servers')],
    ids=str)
def test_the_trove_admin_writes_the_marker(scene, witness, row):
    server, = scene.make('to be marked')
    facts = scene.facts(server)
    answer = scene.ask('trove', row.method, facts.fill_in(row.path),
                       facts.fill_in(row.body))
    assert answer.ok, answer.text
    dispatch, = witness.dispatches(answer.headers['x-openstack-request-id'])
    assert dispatch['method'] == row.dispatches
    created = (answer.json() or {}).get('server', {}).get('id', server)
    assert scene.settled(created)['metadata'] == table.FORGED
    scene.remove({server, created})


# Twins.

class Twins:
    """Two servers alike: the first is asked for by way of the guard.

    :param scene: the Scene
    :param managed: whether they carry the marker
    :param locked: whether they are locked
    """

    # What leads from a state to another. Of all other states Nova's fake
    # hypervisor believes what Nova's database says, so that an admin can reset
    # them.
    WAYS_BACK = {'resized': {'revertResize': None},
                 'shelved': {'unshelve': None},
                 'shelved_offloaded': {'unshelve': None}}

    def __init__(self, scene, managed, locked):
        self._scene = scene
        self._kind = {'managed': managed, 'locked': locked}
        self.servers = []

    def mend(self):
        """Make both active, and locked or not, as twins are born."""
        rows = [self._scene.rows.get(server) for server in self.servers]
        if not rows or not all(row and _has_one_address(row) for row in rows):
            self.remove()
            self.servers = [self._scene.make('twin', **self._kind)[0]
                            for _ in range(2)]
            return
        for row in rows:
            self._mend(row)

    def _mend(self, row):
        if row.vm_state in self.WAYS_BACK:
            self._scene.act('trove', row.uuid, self.WAYS_BACK[row.vm_state])
            self._scene.settle(row.uuid)
            row = self._scene.rows.get(row.uuid)
        if row.vm_state != 'active':
            self._scene.act('trove', row.uuid,
                            {'os-resetState': {'state': 'active'}})
        if bool(row.locked) != self._kind['locked']:
            action = 'lock' if self._kind['locked'] else 'unlock'
            self._scene.act('trove', row.uuid, {action: None})

    def remove(self):
        """Delete both."""
        self._scene.remove(self.servers)


def _has_one_address(row):
    """Return whether a server has its one interface, as when it was made."""
    return [len(subnet['ips']) for interface in json.loads(row.network_info)
            for subnet in interface['network']['subnets']] == [1]


def twins_of(scene, **kind):
    """Yield Twins, for a fixture, and remove them."""
    twins = Twins(scene, **kind)
    yield twins
    twins.remove()


@pytest.fixture(scope='module')
def databases(scene):
    """Return Twins that are managed, in a window."""
    yield from twins_of(scene, managed=True, locked=False)


@pytest.fixture(scope='module')
def others(request, scene):
    """Return Twins that are not managed."""
    yield from twins_of(scene, managed=False, locked=request.param)


def who_asks_for(is_locked, *everybody, marks=()):
    """Return a param: of Twins that are locked or not, and who asks."""
    lock = 'locked' if is_locked else 'unlocked'
    return pytest.param(
        is_locked, everybody, id=' '.join((lock, *everybody)), marks=(
            pytest.mark.xdist_group(f'matrix of {lock} servers'), *marks))


def ask_twins(scene, twins, row, everybody):
    """Have a row asked for of both twins by one principal after another.

    :returns: iterable of (who, answer of the guarded Nova); that it is the
        stock one's is checked
    """
    twins.mend()
    asked = [(server, scene.facts(server)) for server in twins.servers]
    for who in everybody:
        answers = [
            scene.ask(who, row.method, facts.fill_in(row.path),
                      facts.fill_in(row.body), row.since, region)
            for (_, facts), region in zip(
                asked, (state.GUARDED, state.UNGUARDED))]
        if row.method != 'GET' and any(answer.ok for answer in answers):
            for server in twins.servers:
                scene.settle(server)
        guarded, stock = (
            scenes.normal(answer, server, scene.cloud)
            for answer, server in zip(answers, twins.servers))
        assert guarded == stock, who
        yield who, answers[0]


@pytest.mark.xdist_group('matrix of databases')
@pytest.mark.parametrize('row', table.ROWS, ids=str)
def test_trove_is_served_as_without_the_guard(
        scene, witness, databases, row):
    for _, answer in ask_twins(scene, databases, row, TROVE):
        methods = [dispatch['method'] for dispatch in witness.dispatches(
            answer.headers['x-openstack-request-id'])]
        assert methods == ([row.dispatches] if row.dispatches else [])


@pytest.mark.parametrize('others, everybody', [
    who_asks_for(False, 'owner', 'admin'),
    # What everybody may do takes long, and whether a server is locked does not
    # matter to the guard.
    who_asks_for(False, 'stranger', 'reader', 'manager', 'trove',
                 marks=[pytest.mark.production]),
    who_asks_for(True, 'stranger', 'reader', 'owner', 'manager', 'admin',
                 'trove', marks=[pytest.mark.production])],
    indirect=['others'])
@pytest.mark.parametrize('row', table.ROWS, ids=str)
def test_everybody_is_served_an_ordinary_server_as_without_the_guard(
        scene, others, everybody, row):
    for who, answer in ask_twins(scene, others, row, everybody):
        assert 'Trove' not in answer.text, who
