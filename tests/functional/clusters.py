# SPDX-License-Identifier: Apache-2.0
"""A cluster of database instances, as its owner has it."""

import pytest
from troveclient import exceptions

from tests.cloud import content
from tests.functional import databases
from tests.functional import trove_rows


class Cluster:
    """A cluster of a Trove deployment; it is being created.

    :param trove: a databases.Trove
    :param name: the cluster's name
    :param size: the number of members
    :ivar id: the cluster's id
    """

    def __init__(self, trove, name, size):
        self.trove = trove
        self._clusters = trove.owner.clusters
        self.id = self._clusters.create(
            name, content.CLUSTERED_DATASTORE, content.CLUSTERED_VERSIONS[0],
            instances=[self._member() for _ in range(size)]).id

    def _member(self):
        return {'flavorRef': self.trove.flavor('m1.tiny'),
                'volume': {'size': 1},
                'nics': [{'network_id': self.trove.scene.network}]}

    @property
    def members(self):
        """The ids of the members, the oldest first."""
        return self.trove.rows.members(self.id)

    @property
    def servers(self):
        """The ids of the members' servers, in the order of the members.

        Waits until they have some.
        """
        return [self.trove.await_server_id(member) for member in self.members]

    def grow(self):
        """Begin to add a member; return its id."""
        before = self.members
        self._clusters.grow(self.id, [self._member()])
        added, = set(self.members) - set(before)
        return added

    def shrink(self, member):
        """Begin to remove a member."""
        self._clusters.shrink(self.id, [{'id': member}])

    def restart(self):
        """Begin to restart the members."""
        # troveclient has no method for it.
        self.trove.owner.client.post(f'/clusters/{self.id}',
                                     body={'restart': {}})

    def upgrade(self, version):
        """Begin to upgrade the members to a version of the datastore."""
        self._clusters.upgrade(self.id, self.trove.version(
            version, content.CLUSTERED_DATASTORE))

    def delete(self):
        """Begin to delete the cluster."""
        self._clusters.delete(self.id)

    def await_rest(self):
        """Wait until no task of the cluster is under way."""
        databases.await_condition(
            lambda: self.trove.rows.get_cluster(self.id),
            lambda row: row.task == trove_rows.NO_CLUSTER_TASK.code,
            databases.SHORT_PAUSE_SECONDS)

    def await_end(self):
        """Wait until the cluster is gone."""
        databases.await_condition(
            lambda: self.trove.rows.get_cluster(self.id),
            lambda row: row.deleted, databases.SHORT_PAUSE_SECONDS)
        with pytest.raises(exceptions.NotFound):
            self._clusters.get(self.id)

    def healthy(self):
        """Wait until nothing is under way; all must be well and locked.

        :returns: the members' ids
        """
        self.await_rest()
        databases.await_condition(
            lambda: list(map(self.trove.rows.get, self.members)),
            lambda rows: all(trove_rows.is_healthy(row) for row in rows),
            databases.SHORT_PAUSE_SECONDS)
        shown = self._clusters.get(self.id).instances
        assert {member['status'] for member in shown} == {'ACTIVE'}
        for server in self.servers:
            self.trove.await_locked(server)
        return [member['id'] for member in shown]
