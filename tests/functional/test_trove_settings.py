# SPDX-License-Identifier: Apache-2.0
"""Operations of Trove's that need nothing of Nova: they unlock no server.

Who can reach a database, its configuration, modules, users and databases. The
tests of a deployment act on one instance, in the order in which they stand
here.
"""

import json

import pytest

from tests.cloud import content
from tests.functional import databases

# What Trove opens to everybody at first (trove_security_group_rule_cidr).
EVERYWHERE = '0.0.0.0/0'
CIDRS = ['198.51.100.0/24', '203.0.113.8/32']


@pytest.fixture(scope='module', params=databases.each_deployment('upkeep'))
def trove(request, troves):
    """Return the Trove of each deployment."""
    return troves[request.param]


@pytest.fixture(autouse=True)
def nothing_is_asked_of_nova(trove, instance):
    """Check that a test leaves the server locked, and as it is."""
    server = trove.server_id(instance)
    with trove.changes(server) as changes:
        yield
        trove.healthy(instance)
    assert changes == []
    assert trove.is_locked(server)


class Access:
    """Who can reach a database, as Neutron has it.

    :param trove: a databases.Trove
    :param instance: the instance's id
    """

    def __init__(self, trove, instance):
        self._neutron = trove.cloud.connection('admin').network
        self._instance = instance
        self.network = trove.scene.network

    def floating_ips(self):
        """Return the network and the project of each floating IP."""
        ports = {port.id: port.network_id for port in self._neutron.ports(
            name=f'trove-{self._instance}')}
        assert ports
        return [(ports[address.port_id], address.project_id)
                for address in self._neutron.ips()
                if address.port_id in ports]

    def cidrs(self):
        """Return from where the database's port can be reached."""
        group, = self._neutron.security_groups(
            name=f'trove_sg-{self._instance}')
        rules = list(self._neutron.security_group_rules(
            security_group_id=group.id, direction='ingress'))
        assert {(rule.protocol, rule.port_range_min, rule.port_range_max)
                for rule in rules} <= {('tcp', 3306, 3306)}
        return sorted(rule.remote_ip_prefix for rule in rules)


@pytest.fixture(scope='module')
def access(trove, instance):
    """Return the Access of the instance."""
    return Access(trove, instance)


def update_access(trove, instance, **access):
    """Have the access to an instance updated, and wait for it."""
    trove.instances.update(instance, **access)
    trove.healthy(instance)


def test_access_at_first(access):
    assert access.floating_ips() == []
    assert access.cidrs() == [EVERYWHERE]


def test_access_is_public(trove, instance, access):
    """The floating IP is the owner's, on the port in the owner's network."""
    update_access(trove, instance, is_public=True, allowed_cidrs=[EVERYWHERE])
    assert access.floating_ips() == [
        (access.network, trove.cloud.projects['demo'])]
    assert access.cidrs() == [EVERYWHERE]


def test_access_of_some(trove, instance, access):
    update_access(trove, instance, is_public=True, allowed_cidrs=CIDRS)
    assert len(access.floating_ips()) == 1
    assert access.cidrs() == CIDRS


def test_access_is_not_public(trove, instance, access):
    update_access(trove, instance, is_public=False, allowed_cidrs=[EVERYWHERE])
    assert access.floating_ips() == []
    assert access.cidrs() == [EVERYWHERE]


@pytest.fixture(scope='module')
def configuration(trove):
    """Return a configuration group that needs no restart."""
    return trove.owner.configurations.create(
        'configuration', json.dumps({'max_connections': 100}),
        datastore=content.DATASTORE, datastore_version=content.VERSIONS[0])


def test_attach_configuration(trove, instance, configuration):
    trove.instances.update(instance, configuration=configuration.id)
    assert trove.healthy(instance).configuration['id'] == configuration.id


def test_change_configuration(trove, instance, configuration):
    trove.owner.configurations.update(
        configuration.id, json.dumps({'max_connections': 200}))
    trove.healthy(instance)
    assert trove.owner.configurations.get(configuration.id).values == {
        'max_connections': 200}


def test_change_configuration_that_needs_a_restart(
        trove, instance, configuration):
    trove.owner.configurations.edit(
        configuration.id, json.dumps({'innodb_buffer_pool_size': 1 << 27}))
    assert trove.instances.get(instance).status == 'RESTART_REQUIRED'
    trove.instances.restart(instance)


def test_detach_configuration(trove, instance, configuration):
    trove.instances.update(instance, remove_configuration=True)
    # Not all of it is changed without.
    assert trove.instances.get(instance).status == 'RESTART_REQUIRED'
    trove.instances.restart(instance)
    assert not hasattr(trove.healthy(instance), 'configuration')
    trove.owner.configurations.delete(configuration.id)


@pytest.fixture(scope='module')
def module(trove):
    """Return a module."""
    module = trove.owner.modules.create('module', 'ping', 'message=hello')
    yield module
    trove.owner.modules.delete(module.id)


def test_apply_module(trove, instance, module):
    applied, = trove.instances.module_apply(instance, [module.id])
    assert (applied.id, applied.status) == (module.id, 'OK')


def test_query_modules(trove, instance, module):
    assert [one.id for one in trove.instances.module_query(instance)] == [
        module.id]


def test_remove_module(trove, instance, module):
    trove.instances.module_remove(instance, module.id)
    assert trove.instances.module_query(instance) == []


def test_enable_root(trove, instance):
    user, password = trove.owner.root.create_instance_root(instance)
    assert user == 'root'
    assert password


def test_create_a_user_and_a_database(trove, instance):
    # Trove waits for neither.
    with trove.cloud.faults(guest={
            'create_database': 'wait', 'create_user': 'wait'}) as strikes:
        trove.owner.databases.create(instance, [{'name': 'shop'}])
        trove.owner.users.create(instance, [{
            'name': 'cashier', 'password': 'secret',
            'databases': [{'name': 'shop'}]}])
        assert {strike['call'] for strike in strikes.wait(2)} == {
            'create_database', 'create_user'}
