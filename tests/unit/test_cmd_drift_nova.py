# SPDX-License-Identifier: Apache-2.0
"""What ``drift`` asks of Nova's lists, against Nova's own API and databases.
"""

import types
from urllib import parse

from nova.compute import vm_states
import pytest

from nova_trove_guard.cmd.drift import sources
from nova_trove_guard.trove import locks
from tests.unit import nova_database
from tests.unit import nova_loader

STATES = (vm_states.ACTIVE, vm_states.ERROR, vm_states.PAUSED,
          vm_states.RESCUED, vm_states.RESIZED, vm_states.SHELVED,
          vm_states.SHELVED_OFFLOADED, vm_states.STOPPED, vm_states.SUSPENDED)


@pytest.fixture
def databases(tmp_path):
    """Have Nova use databases of this test's own, with a server being built.
    """
    with nova_database.NovaDatabases(tmp_path) as nova_databases:
        nova_databases.build({})
        yield nova_databases


class Session:
    """An admin's session that asks Nova's API in this process.

    :param api: nova_api.NovaAPI
    """

    def __init__(self, api):
        self._api = api
        self._token = api.token('admin', 'member', 'reader')

    def request(self, url, method, params=None, **how):
        """Send a request, as keystoneauth1.session.Session does."""
        answer = self._api.ask(
            method, f'/v2.1{url}?{parse.urlencode(params, doseq=True)}',
            token=self._token, headers={
                'X-OpenStack-Nova-API-Version': locks.REASON_MICROVERSION})
        return types.SimpleNamespace(json=lambda: answer.json)


@pytest.fixture
def nova(guarded):
    """Return a sources.Nova."""
    with nova_loader.dispatching(guarded) as api:
        yield sources.Nova(Session(api))


def owner_locks(nova):
    return {server['id'] for servers, _ in nova.owner_locks(None)
            for server in servers}


@pytest.mark.usefixtures('databases')
def test_a_server_that_is_being_built_has_no_lock_of_its_owner_s(nova):
    assert owner_locks(nova) == set()


def test_the_owner_s_locks_are_listed_in_all_states(databases, nova):
    locked = {databases.server({}, vm_state=state, locked=True,
                               locked_by='owner') for state in STATES}
    databases.server({}, locked=True, locked_by='admin')
    assert owner_locks(nova) == locked
