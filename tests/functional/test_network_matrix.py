# SPDX-License-Identifier: Apache-2.0
"""Every operation, asked for by everybody, of what is managed and what is not.

The guarded Neutron and the stock one, which share plugins and database, get
the same requests about ports and security groups that are twins. Of what is
managed nothing is done but for the Trove admin, and what Nova does for its
servers; whoever sees nothing of it is answered as if it were not there. Of
all else both must answer the same.
"""

import functools
import uuid

import pytest

from nova_trove_guard.neutron import operations
from tests.cloud import layout
from tests.cloud import state
from tests.functional import networks_scene
from tests.functional import networks_table as table
from tests.functional import scene as scenes

pytestmark = pytest.mark.xdist_group('matrix of networks')

TENANTS = ('reader', 'owner', 'manager')
# Nova itself, and on behalf of a tenant.
NOVA = ('nova', 'owner by way of nova')
OPERATIONS = operations.operations()
REGIONS = (state.GUARDED, state.UNGUARDED)
EACH_ROW = pytest.mark.parametrize('row', table.ROWS, ids=str)
# What names the port in a row; all else leads to the security group.
OF_PORT = ('port', 'bound_port', 'floating_ip', 'forwarding', 'trunk',
           'subport_trunk', 'ndp_proxy')


def rows_if(is_wanted):
    """Return a parametrization by the rows that are wanted."""
    return pytest.mark.parametrize(
        'row', [row for row in table.ROWS if is_wanted(row)], ids=str)


def used_by_services(row):
    """Return whether it is for Nova, too, to ask for a row."""
    return OPERATIONS[row.operation].used_by_services


def test_the_table_has_every_operation():
    assert {row.operation for row in table.ROWS} == {
        name for name in OPERATIONS if name != operations.UNKNOWN.name}


@pytest.fixture(scope='module')
def holdings(networks):
    """Return a function that finds a managed Holding for a row.

    Rows that name the same have one together: nothing changes it.
    """
    @functools.cache
    def find(project, names):
        holding = networks.holding(
            instance=str(uuid.uuid4()), project=project)
        for name in names:
            holding[name]
        return holding

    return lambda project, row: find(
        project, frozenset(networks_scene.named(row)))


@pytest.fixture
def managed(holdings, row):
    """Return a managed Holding with what a row names, to stay as it is."""
    yield from untouched(holdings('demo', row))


@pytest.fixture
def managed_of_trove(holdings, row):
    """Return one that is in Trove's project, on the tenant's network."""
    yield from untouched(holdings('trove', row))


def untouched(holding):
    """Yield a managed Holding, and check that it has not changed."""
    before = holding.describe()
    assert before['standardattributes']
    yield holding
    assert holding.describe() == before


def ask(networks, who, row, holding, region=state.GUARDED):
    """Have a row asked for."""
    return networks.ask(who, row.method, holding.fill_in(row.path),
                        holding.fill_in(row.body), region)


def subject(row, holding):
    """Return how the guard names what a row is about."""
    named = networks_scene.named(row)
    if 'bound_port' in named:
        name = 'bound_port'
    else:
        name = 'port' if named.intersection(OF_PORT) else 'group'
    what = 'Port' if 'port' in name else 'Security group'
    return f'{what} {holding[name]}'


def assert_refused(answer, row, holding, neutron_witness):
    """Check a refusal: Neutron's form, the guard's words, no dispatch."""
    assert answer.status_code == 403, answer.text
    fault = answer.json()['NeutronError']
    assert set(fault) == {'type', 'message', 'detail'}
    assert fault['message'].startswith(
        f'{subject(row, holding)} is managed by Trove as database instance '
        f'{holding.instance}: {row.operation} is not allowed.')
    assert not dispatched(answer, neutron_witness)


def dispatched(answer, neutron_witness):
    """Return what Neutron has called (list) to answer."""
    return [dispatch['method'] for dispatch in neutron_witness.dispatches(
        answer.headers['x-openstack-request-id'])]


@EACH_ROW
def test_tenants_and_admins_cannot_touch_what_is_managed(
        networks, neutron_witness, managed, row):
    for who in (*TENANTS, 'admin'):
        answer = ask(networks, who, row, managed)
        assert_refused(answer, row, managed, neutron_witness)


@rows_if(lambda row: networks_scene.named(row).intersection(OF_PORT))
def test_the_network_s_owner_cannot_touch_a_managed_port(
        networks, neutron_witness, managed_of_trove, row):
    for who in (*TENANTS, 'admin'):
        answer = ask(networks, who, row, managed_of_trove)
        assert_refused(answer, row, managed_of_trove, neutron_witness)


@rows_if(lambda row: not used_by_services(row))
def test_a_service_token_opens_nothing_but_what_nova_does(
        networks, neutron_witness, managed, row):
    for who in NOVA:
        answer = ask(networks, who, row, managed)
        assert_refused(answer, row, managed, neutron_witness)


def ask_twins(networks, neutron_witness, row, everybody, **kind):
    """Have a row asked for of twins by one principal after another.

    :param kind: of the twins, as of networks_scene.Holding
    :returns: iterable of (who, answer of the guarded Neutron, what it called);
        that these are the stock one's is checked
    """
    answers = {}
    for who in everybody:
        # What nobody has been let through to can be asked about again.
        if not answers or any(methods for _, methods in answers.values()):
            twins = {region: networks.holding(**kind) for region in REGIONS}
        for region, twin in twins.items():
            answer = ask(networks, who, row, twin, region)
            answers[region] = (
                networks.normal(answer), dispatched(answer, neutron_witness))
            if region == state.GUARDED:
                guarded = answer
        assert answers[state.GUARDED] == answers[state.UNGUARDED], who
        yield who, guarded, answers[state.GUARDED][1]


# What Neutron does takes long: most of it is for --production.

@pytest.mark.production
@EACH_ROW
def test_trove_is_served_as_without_the_guard(networks, neutron_witness, row):
    everybody = ['trove', 'trove in the project']
    called = [methods for *_, methods in ask_twins(
        networks, neutron_witness, row, everybody,
        instance=str(uuid.uuid4()))]
    assert [row.dispatches] in called


@rows_if(used_by_services)
def test_nova_is_served_as_without_the_guard(networks, neutron_witness, row):
    called = [methods for *_, methods in ask_twins(
        networks, neutron_witness, row, NOVA, instance=str(uuid.uuid4()))]
    assert [row.dispatches] in called


@pytest.mark.production
@EACH_ROW
def test_a_stranger_learns_nothing_but_that_there_is_nothing(
        networks, row):
    managed = networks.holding(instance=str(uuid.uuid4()), other='stranger')
    for name in networks_scene.named(row):
        managed[name]
    before = managed.describe()
    answer = ask(networks, 'stranger', row, managed)
    assert managed.describe() == before
    twin = networks.holding(instance=managed.instance, other='stranger')
    nowhere = networks_scene.Nowhere(twin)
    stock = [ask(networks, 'stranger', row, holding, state.UNGUARDED)
             for holding in (nowhere, twin)]
    # Neutron may refuse in another way what is there than what is not.
    assert networks.normal(answer) in [
        networks.normal(one) for one in stock if not one.ok]


@pytest.mark.production
@EACH_ROW
def test_everybody_is_served_what_is_ordinary_as_without_the_guard(
        networks, neutron_witness, row):
    everybody = ['reader', 'stranger', 'owner', 'owner by way of nova',
                 'admin', 'nova']
    seen = []
    for who, answer, methods in ask_twins(
            networks, neutron_witness, row, everybody):
        assert 'Trove' not in answer.text, who
        seen.append(methods)
    assert [row.dispatches] in seen


# The marker.

@pytest.mark.parametrize('row', table.FORGERIES, ids=str)
def test_the_marker_cannot_be_forged(networks, neutron_witness, row):
    ordinary = networks.holding()
    ordinary['port'], ordinary['group']
    before = ordinary.describe()
    for who in (*TENANTS, 'admin', *NOVA):
        answer = ask(networks, who, row, ordinary)
        assert answer.status_code == 403, answer.text
        assert 'only Trove may write it' in scenes.message(answer)
        assert not dispatched(answer, neutron_witness)
    assert ordinary.describe() == before


@pytest.mark.parametrize('row', table.FORGERIES, ids=str)
def test_the_trove_admin_writes_the_marker(networks, neutron_witness, row):
    for *_, methods in ask_twins(networks, neutron_witness, row, ['trove']):
        assert methods == [row.dispatches]


@pytest.fixture
def policy(cloud):
    """Return a function that writes Neutron's policy file."""
    path = layout.Layout(cloud.root).policy('neutron')
    stock = path.read_text()
    yield path.write_text
    path.write_text(stock)


def test_an_operator_opens_one_operation(networks, policy):
    policy('"trove_guard:network:create_security_group_rule": '
           '"rule:trove_guard:trove_admin or project_id:%(project_id)s"\n')
    open_it, = (row for row in table.ROWS
                if row.body == {'security_group_rule': table.RULE})
    another = networks.holding(instance=str(uuid.uuid4()))
    assert ask(networks, 'owner', open_it, another).status_code == 201
    assert ask(networks, 'admin', open_it, another).status_code == 403
    delete = next(row for row in table.ROWS
                  if row.path == '/security-groups/$group')
    assert ask(networks, 'owner', delete, another).status_code == 403


@pytest.mark.parametrize('row', table.SHEDDINGS, ids=str)
def test_the_marker_cannot_be_shed_whatever_the_rules(
        networks, neutron_witness, managed, policy, row):
    policy(''.join(
        f'"trove_guard:{operation.name}": "@"\n'
        for operation in OPERATIONS.values()
        if not operation.trove_admin_only))
    for who in (*TENANTS, 'admin', *NOVA):
        answer = ask(networks, who, row, managed)
        assert answer.status_code == 403, answer.text
        assert not dispatched(answer, neutron_witness)


# A security group is managed as long as a managed port has it, too.

BOUND = [row for row in table.ROWS if '$group' in f'{row.path}{row.body}']


@pytest.mark.parametrize('row', BOUND, ids=str)
def test_the_security_group_of_a_managed_port_is_managed(
        networks, neutron_witness, row):
    managed = networks.holding(instance=str(uuid.uuid4()))
    of_bound = networks_scene.Renamed(managed, group='bound_group')
    managed['port']
    before = managed.describe()
    for who in 'owner', 'admin', 'nova':
        answer = ask(networks, who, row, of_bound)
        assert answer.status_code == 403
        assert (f'Security group {managed.bound_group} is managed by Trove as '
                f'database instance {managed.instance}' in answer.text)
        assert not dispatched(answer, neutron_witness)
    assert managed.describe() == before


def test_and_is_not_any_more_when_no_managed_port_has_it(networks):
    managed = networks.holding(instance=str(uuid.uuid4()))
    rename = ('PUT', f'/security-groups/{managed.bound_group}',
              {'security_group': {'name': 'renamed'}})
    assert networks.ask('owner', *rename).status_code == 200
    managed['port']
    assert networks.ask('owner', *rename).status_code == 403
    networks.do('trove', 'DELETE', f'/ports/{managed.port}')
    assert networks.ask('owner', *rename).status_code == 200
