# SPDX-License-Identifier: Apache-2.0
"""Trove works whichever service has the guard, on the way there and back.

A guard changes no request, and takes no notice of another guard: where none
of Trove's calls is refused by both together, none is by one. For example, a
database instance goes through regions where one of Nova, Cinder and Neutron
has the guard. Nova itself calls the guarded Cinder and Neutron in all of them.
"""

import pytest

from tests.cloud import state
from tests.functional import databases


@pytest.fixture(scope='module')
def trove(scene, witness):
    """Return the Trove whose volumes are detached to be resized."""
    return databases.Trove(scene, witness, 'trove-user')


@pytest.fixture(scope='module')
def moved(trove):
    """Return the id of an instance whose region is recorded anew."""
    instance = trove.take()
    yield instance
    trove.rows.move(instance, trove.region)
    trove.instances.delete(instance)
    trove.await_end(instance)


@pytest.mark.parametrize('size, region', enumerate((
    state.NOVA_GUARDED, state.CINDER_GUARDED, state.NEUTRON_GUARDED,
    state.UNGUARDED), 2))
def test_trove_works_where_only_some_services_have_the_guard(
        trove, moved, size, region):
    trove.rows.move(moved, region)
    trove.instances.resize_volume(moved, size)
    assert trove.healthy(moved).volume['size'] == size
    trove.operator.reboot(moved)
    trove.healthy(moved)
    assert trove.await_locked(trove.server_id(moved))
    volume = trove.volume(moved)
    assert (volume.status, volume.size) == ('in-use', size)
    assert volume.metadata['trove_instance_id'] == moved
