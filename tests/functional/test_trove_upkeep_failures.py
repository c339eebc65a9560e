# SPDX-License-Identifier: Apache-2.0
"""Restores, growing clusters and new accesses that fail, wait or are killed.

Whatever happens at whatever step, each server is locked at the end.
"""

import functools

import pytest

from tests.cloud import layout
from tests.functional import backups
from tests.functional import cases
from tests.functional import clusters
from tests.functional import databases
from tests.functional import trove_rows

pytestmark = pytest.mark.xdist_group('upkeep failures')


class Operation:
    """An operation that can be begun again and again.

    :param trove: a databases.Trove
    :ivar instance: the id of the instance that it makes, or works on
    """

    def __init__(self, trove):
        self.trove = trove
        self.instance = None

    @property
    def newborn(self):
        """The servers (list of ids) that the operation has made."""
        return self.trove.scene.rows.marked(self.instance)

    def await_newborn(self):
        """Wait until the operation has made a server; return its id."""
        server, = databases.await_condition(
            lambda: self.newborn, bool, databases.SHORT_PAUSE_SECONDS)
        return server

    def await_locked(self):
        """Wait until all servers are locked."""
        for server in (*self.others, *self.newborn):
            self.trove.await_locked(server)

    def check(self, changes):
        """Check what Nova was asked, as databases.Trove.all_changes has it."""
        for server in self.others:
            assert changes[server] == []
        for server in self.newborn:
            assert changes[server] == ['_lock']

    def remove_newborn(self):
        """Delete what the operation has made, behind Trove's back."""
        self.trove.scene.remove(self.newborn)
        self.trove.rows.delete(self.instance)


class Restore(Operation):
    """The creation of an instance from a backup."""

    def __init__(self, trove):
        super().__init__(trove)
        self._source = trove.take()
        self.others = [trove.server_id(self._source)]
        self._backup = backups.create(trove, 'backup', self._source)

    def begin(self):
        """Begin to create an instance."""
        self.instance = self.trove.restore('restored', self._backup.id)

    def healthy(self):
        """Wait until the instance is well."""
        self.trove.healthy(self.instance)

    def await_failure(self):
        """Wait until Trove has given up."""
        # Its API would wait for a guest that there may not be.
        databases.await_condition(
            lambda: self.trove.rows.get(self.instance), trove_rows.has_failed,
            databases.SHORT_PAUSE_SECONDS)

    def clean_up(self):
        """Make room for the next one."""
        self.remove_newborn()

    def end(self):
        """Leave nothing behind."""
        backups.delete(self.trove, self._backup)
        self.trove.keep(self._source)


class Grow(Operation):
    """The growth of a cluster by a member."""

    def __init__(self, trove):
        super().__init__(trove)
        self._cluster = clusters.Cluster(trove, 'cluster', 2)
        self._cluster.healthy()
        self._members = self._cluster.members
        self.others = self._cluster.servers

    def begin(self):
        """Begin to add a member."""
        self.instance = self._cluster.grow()

    def healthy(self):
        """Wait until the cluster is well."""
        self._cluster.healthy()

    def await_failure(self):
        """Wait until Trove has given up, and blamed all members for it."""
        databases.await_condition(
            lambda: {self.trove.rows.get(member).task
                     for member in self._cluster.members},
            lambda tasks: tasks == {trove_rows.GROWING_ERROR.code},
            databases.SHORT_PAUSE_SECONDS)

    def clean_up(self):
        """Make room for the next one.

        Trove leaves a cluster busy for good whose growth has failed.
        """
        self.remove_newborn()
        for member in self._members:
            self.trove.rows.end_tasks(member)
        self.trove.rows.end_cluster_task(self._cluster.id)

    def end(self):
        """Leave nothing behind."""
        for member in self._members:
            self.trove.discard(member)


PUBLIC = {'is_public': True, 'allowed_cidrs': ['203.0.113.0/24']}
PRIVATE = {'is_public': False, 'allowed_cidrs': ['0.0.0.0/0']}


class PublicAccess(Operation):
    """The opening of an instance to the public, for some addresses."""

    newborn = ()

    def __init__(self, trove):
        super().__init__(trove)
        self.instance = trove.take()
        self.others = [trove.server_id(self.instance)]

    @property
    def _failures(self):
        """How many failures Trove has logged.

        It records none: its task manager fails to
        (trove.taskmanager.manager.Manager.update_access).
        """
        log = layout.Layout(self.trove.cloud.root).log(self.trove.deployment)
        return log.read_text().count(
            f'Failed to update access configuration for {self.instance}')

    def begin(self):
        """Begin to change the access."""
        self._failures_before = self._failures
        self.trove.instances.update(self.instance, **PUBLIC)

    def healthy(self):
        """Wait until the access is changed."""
        self.trove.healthy(self.instance)

    def await_failure(self):
        """Wait until Trove has given up."""
        databases.await_condition(
            lambda: self._failures,
            lambda failures: failures > self._failures_before,
            databases.SHORT_PAUSE_SECONDS)

    def clean_up(self):
        """Change the access back."""
        self.trove.rows.end_tasks(self.instance)
        # Trove changes what differs from its records, which know of nothing
        # that a failure or a kill has left in Neutron.
        for access in (PUBLIC, PRIVATE):
            self.trove.instances.update(self.instance, **access)
            self.trove.healthy(self.instance)

    def end(self):
        """Leave nothing behind."""
        self.trove.keep(self.instance)


@pytest.fixture(scope='module')
def operations(troves):
    """Return a function that finds an Operation by class and deployment."""
    made = []

    @functools.cache
    def find(operation, deployment):
        made.append(operation(troves[deployment]))
        return made[-1]

    yield find
    for operation in made:
        operation.end()


@pytest.fixture
def operation(case, operations):
    """Return the Operation of a Case, ready to begin."""
    operation = operations(case.operation, case.deployment)
    yield operation
    operation.clean_up()


SERVERS = '/servers$'
SERVER = '/servers/[0-9a-f-]{36}$'
VOLUMES = '/volumes$'
FLOATING_IPS = '/floatingips'
SECURITY_GROUP_RULES = '/security-group-rules'

FAILURES = (
    cases.Case(Restore, cases.api('cinder', path=VOLUMES)),
    cases.Case(Restore, cases.api('nova', path=SERVERS), 'trove'),
    cases.Case(Restore, cases.guest(prepare=1)),
    cases.Case(Grow, cases.api('nova', path=SERVERS)),
    cases.Case(Grow, cases.guest(install_cluster=1)),
    cases.Case(PublicAccess, cases.api('neutron', path=FLOATING_IPS)),
    cases.Case(PublicAccess, cases.api('neutron', 'DELETE',
                                       SECURITY_GROUP_RULES), 'trove'),
)


@pytest.mark.parametrize('case', FAILURES, ids=str)
def test_an_operation_that_fails_ends_locked(case, operation):
    with operation.trove.all_changes() as changes:
        with operation.trove.cloud.faults(**case.faults) as strikes:
            operation.begin()
            strikes.wait()
            operation.await_failure()
        operation.await_locked()
    operation.check(changes)


WAITS = (
    cases.Case(Restore, cases.api('cinder', path=VOLUMES, effect='wait'),
               'trove'),
    cases.Case(Grow, cases.guest('wait', install_cluster=1)),
    cases.Case(PublicAccess, cases.api('neutron', path=FLOATING_IPS,
                                       effect='wait')),
    cases.Case(PublicAccess, cases.api('neutron', path=FLOATING_IPS,
                                       effect='wait'), 'trove'),
)


@pytest.mark.parametrize('case', WAITS, ids=str)
def test_no_server_is_unlocked_in_the_middle_of_an_operation(case, operation):
    scene = operation.trove.scene
    with operation.trove.all_changes() as changes:
        with operation.trove.cloud.faults(**case.faults) as strikes:
            operation.begin()
            strikes.wait()
            operation.await_locked()
            for server in (*operation.others, *operation.newborn):
                assert not databases.attack(scene, server)
        operation.healthy()
        operation.await_locked()
    operation.check(changes)


LOCKS = [
    cases.Case(operation, cases.api('nova', action='lock', effect='wait'))
    for operation in (Restore, Grow)]
# A tenant's lock would wait as well.
ATTACKS = [attack for attack in databases.ATTACKS
           if attack[2] != {'lock': None}]


@pytest.mark.parametrize('case', LOCKS, ids=str)
def test_a_tenant_gets_nothing_done_before_a_new_server_is_locked(
        case, operation):
    trove = operation.trove
    with trove.all_changes() as changes:
        with trove.cloud.faults(**case.faults) as strikes:
            operation.begin()
            strikes.wait()
            newborn = operation.await_newborn()
            assert not trove.is_locked(newborn)
            assert not databases.attack(trove.scene, newborn, ATTACKS)
        operation.healthy()
        operation.await_locked()
    operation.check(changes)


# kill -9

KILLS = (
    cases.Case(Restore, cases.api('nova', path=SERVERS, effect='wait')),
    # The task manager never learns that the server is active.
    cases.Case(Restore, cases.api('nova', 'GET', SERVER, effect='wait'),
               'trove'),
    cases.Case(Grow, cases.guest('wait', install_cluster=1)),
    cases.Case(PublicAccess, cases.api('neutron', path=FLOATING_IPS,
                                       effect='wait'), 'trove'),
)


@pytest.mark.parametrize('case', KILLS, ids=str)
def test_each_server_is_locked_after_a_kill(case, operation):
    """Also a server of which the killed task manager never heard."""
    trove = operation.trove
    with trove.all_changes() as changes:
        with trove.cloud.faults(**case.faults) as strikes:
            operation.begin()
            strikes.wait()
            trove.cloud.kill_trove(trove.deployment)
        trove.cloud.start_trove(trove.deployment)
        if case.operation is not PublicAccess:
            trove.await_relocked(operation.await_newborn())
        operation.await_locked()
    for server in operation.others:
        assert changes[server] == []
    for server in operation.newborn:
        assert set(changes[server]) == {'_lock'}
