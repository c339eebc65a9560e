# SPDX-License-Identifier: Apache-2.0
"""A Trove deployment as its users have it, and what it does to Nova."""

import contextlib
import sqlite3
import time

import pytest
from troveclient import exceptions

from tests.cloud import content
from tests.cloud import layout
from tests.cloud import state

DEADLINE_SECONDS = 90
PAUSE_SECONDS = 1
# Between two looks into a database, which cost little.
SHORT_PAUSE_SECONDS = 0.03
# What changes in Trove's database when its API has something new to say.
CHANGES = """
SELECT task_id, deleted, flavor_id, volume_size, slave_of_id,
       (SELECT status_id FROM service_statuses WHERE instance_id = one.id),
       (SELECT count(*) FROM instance_faults WHERE instance_id = one.id)
FROM instances AS one WHERE id = ?
"""
NOTHING_NEW = object()
BUSY = ('BUILD', 'RESIZE', 'REBOOT', 'UPGRADE', 'PROMOTE', 'EJECT', 'DETACH',
        'BACKUP')
REGIONS = {'trove': state.GUARDED, 'trove-user': state.USER}
# In whose project the servers are.
PROJECTS = {'trove': 'trove', 'trove-user': 'demo'}


def each_deployment(group):
    """Return the params of a fixture: each deployment, in a group of tests.

    :param group: of pytest-xdist, with the deployment behind it
    """
    return [pytest.param(name, marks=pytest.mark.xdist_group(
        f'{group} of {name}')) for name in REGIONS]


class Trove:
    """A Trove deployment, as the owner and an operator use it.

    :param scene: a tests.functional.scene.Scene
    :param witness: a tests.functional.witness.Witness
    :param deployment: the deployment's name
    """

    def __init__(self, scene, witness, deployment):
        self.cloud = scene.cloud
        self.scene = scene
        self.deployment = deployment
        self.region = REGIONS[deployment]
        self._witness = witness
        owner = self.cloud.trove('owner', self.region)
        self.instances = owner.instances
        self.versions = owner.datastore_versions
        self.operator = self.cloud.trove(
            'admin', self.region).mgmt_instances
        self._admin = self.cloud.connection('admin', self.region)

    def create(self, name):
        """Begin to create an instance; return its id."""
        return self.instances.create(
            name, flavor_id=self.flavor('m1.tiny'), volume={'size': 1},
            nics=self._nics()).id

    def replicate(self, name, source):
        """Begin to create a replica of an instance; return its id."""
        return self.instances.create(
            name, replica_of=source, nics=self._nics()).id

    def _nics(self):
        return [{'net-id': self._admin.network.find_network('private').id}]

    def flavor(self, name):
        """Return the id of a flavor."""
        return self._admin.compute.find_flavor(name).id

    def image(self, name):
        """Return the id of an image."""
        return self._admin.image.find_image(name).id

    def version(self, name):
        """Return the id of a version of the datastore."""
        return self.versions.get(content.DATASTORE, name).id

    def server_id(self, instance):
        """Return the id of the Nova server of an instance."""
        return self.operator.show(instance).server['id']

    def server(self, instance):
        """Return the Nova server of an instance as an admin sees it."""
        return self._admin.compute.get_server(self.server_id(instance))

    def volume(self, instance):
        """Return the Cinder volume of an instance as an admin sees it."""
        return self._admin.block_storage.get_volume(
            self.operator.show(instance).volume['id'])

    def healthy(self, instance):
        """Wait until nothing is under way; the instance must be well.

        :returns: the instance
        """
        shown = self.await_shown(
            instance, lambda shown: shown.status not in BUSY and
            shown.operating_status in ('HEALTHY', ''))
        assert (shown.status, shown.operating_status) == (
            'ACTIVE', 'HEALTHY'), getattr(shown, 'fault', None)
        return shown

    def over(self, instance):
        """Wait until an operation that may fail is over.

        Trove leaves instances busy for good after some failures, and shows
        the fault.
        """
        self.await_shown(instance, lambda shown: shown.status not in BUSY or
                         hasattr(shown, 'fault'))

    def await_end(self, instance):
        """Wait until an instance is gone."""
        self.await_shown(instance, lambda shown: shown is None)

    def await_shown(self, instance, is_there):
        """Wait until Trove shows something of an instance.

        It is asked when its database has changed, and once a second: an
        answer makes it ask Nova, Neutron and Cinder.

        :param is_there: function of the instance, None for one that is gone
        :returns: the instance
        """
        looked = [None, -PAUSE_SECONDS]

        def read():
            seen = self._changes(instance)
            now = time.monotonic()
            if seen == looked[0] and now - looked[1] < PAUSE_SECONDS:
                return NOTHING_NEW
            looked[:] = seen, now
            try:
                return self.instances.get(instance)
            except exceptions.NotFound:
                return None

        return await_condition(
            read, lambda shown: shown is not NOTHING_NEW and is_there(shown),
            SHORT_PAUSE_SECONDS)

    def _changes(self, instance):
        database = layout.Layout(self.cloud.root).database(self.deployment)
        with contextlib.closing(sqlite3.connect(
                f'file:{database}?mode=ro', timeout=60, uri=True)) as trove:
            return trove.execute(CHANGES, [instance]).fetchone()

    def is_locked(self, server):
        """Return whether Nova has a server locked."""
        return bool(self.scene.rows.of(server).locked)

    def await_locked(self, server):
        """Wait until Nova has a server locked; return it (dict)."""
        await_condition(lambda: self.is_locked(server), bool,
                        SHORT_PAUSE_SECONDS)
        return self.scene.show(server)

    def await_unlocked(self, server):
        """Wait until Nova has a server unlocked."""
        await_condition(lambda: not self.is_locked(server), bool,
                        SHORT_PAUSE_SECONDS)

    @contextlib.contextmanager
    def changes(self, server):
        """Record what Nova is asked to change of a server.

        :returns: (yields) a list that, when the context is left, holds the
            methods of Nova's controllers that were dispatched, in order;
            without the tag that goes with each lock
        """
        mark = self._witness.mark()
        methods = []
        yield methods
        trove = self.cloud.connection('trove').current_user_id
        others = []
        for dispatch in self._witness.mutations_of(server, mark):
            if trove in (dispatch['user_id'], dispatch['service_user_id']):
                if dispatch['controller'] != 'ServerTagsController':
                    methods.append(dispatch['method'])
            else:
                others.append(dispatch)
        # Of a server that is gone Nova may tell everybody that it is.
        assert not others or self.scene.show(server) is None


ATTACKS = (
    ('POST', '/action', {'createImage': {'name': 'stolen'}}),
    ('POST', '/action', {'createBackup': {
        'name': 'stolen', 'backup_type': 'daily', 'rotation': 1}}),
    ('POST', '/action', {'resize': {'flavorRef': '1'}}),
    ('POST', '/action', {'unlock': None}),
    ('POST', '/action', {'lock': None}),
    ('POST', '/action', {'os-stop': None}),
    ('DELETE', '', None),
    ('DELETE', '/metadata/trove_instance_id', None),
)


def attack(scene, server):
    """Try as a tenant to get at a server through Nova, in each way once.

    :returns: the answers (list of requests.Response) but the refusals
    """
    answers = [scene.ask(who, method, f'/servers/{server}{path}', body)
               for who in ('owner', 'manager')
               for method, path, body in ATTACKS]
    return [answer for answer in answers
            if answer.status_code not in (403, 404)]


def await_condition(read, is_there, pause=PAUSE_SECONDS):
    """Read again and again until it is there; return what was read.

    :param pause: between two reads, in seconds
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_there(found := read()):
        assert time.monotonic() < deadline, getattr(found, '_info', found)
        time.sleep(pause)
    return found
