# SPDX-License-Identifier: Apache-2.0
"""Trove's clusters: what each operation asks of Nova of each member's server.

The tests of a deployment act on one cluster, in the order in which they stand
here.
"""

import pytest

from tests.cloud import content
from tests.functional import clusters
from tests.functional import databases

SIZE = 2


@pytest.fixture(scope='module', params=databases.each_deployment(
    'clusters', ['trove-user']))
def trove(request, troves):
    """Return the Trove of each deployment."""
    return troves[request.param]


@pytest.fixture(scope='module')
def cluster(trove, tenant):
    """Return a healthy cluster, whose servers were attacked from the start."""
    with trove.all_changes() as changes:
        cluster = clusters.Cluster(trove, 'cluster', SIZE)
        for server in cluster.servers:
            tenant.attack(server)
        cluster.healthy()
    cluster.changes = changes
    return cluster


def test_create(trove, cluster):
    assert len(cluster.members) == SIZE
    for server in cluster.servers:
        assert cluster.changes[server] == ['_lock']
    for member in cluster.members:
        server = trove.server(member)
        assert server.metadata['trove_instance_id'] == member
        assert server.project_id == trove.cloud.projects[
            databases.PROJECTS[trove.deployment]]


def test_grow(trove, cluster, tenant):
    with trove.all_changes() as changes:
        added = cluster.grow()
        tenant.attack(trove.await_server_id(added))
        assert len(cluster.healthy()) == SIZE + 1
    *others, newborn = cluster.servers
    assert trove.server_id(added) == newborn
    assert changes[newborn] == ['_lock']
    assert not [changes[server] for server in others if changes[server]]


def test_restart(trove, cluster):
    with trove.all_changes() as changes:
        cluster.restart()
        cluster.healthy()
    assert not [changes[server] for server in cluster.servers
                if changes[server]]


def test_upgrade(trove, cluster):
    version = content.CLUSTERED_VERSIONS[1]
    with trove.all_changes() as changes:
        cluster.upgrade(version)
        members = cluster.healthy()
    assert [trove.instances.get(member).datastore['version']
            for member in members] == [version] * len(members)
    assert not [changes[server] for server in cluster.servers
                if changes[server]]


def test_shrink(trove, cluster):
    removed = cluster.members[-1]
    server = trove.server_id(removed)
    with trove.all_changes() as changes:
        cluster.shrink(removed)
        trove.await_end(removed)
        assert len(cluster.healthy()) == SIZE
    assert changes[server] == ['_unlock', 'delete']
    assert trove.scene.show(server) is None
    assert not [changes[server] for server in cluster.servers
                if changes[server]]


def test_delete(trove, cluster):
    servers = cluster.servers
    with trove.all_changes() as changes:
        cluster.delete()
        cluster.await_end()
    assert [changes[server] for server in servers] == [
        ['_unlock', 'delete']] * SIZE
    assert not [server for server in servers if trove.scene.show(server)]
