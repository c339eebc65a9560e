# SPDX-License-Identifier: Apache-2.0
"""A Trove deployment as its users have it, and what it does to Nova."""

import contextlib
import time

from troveclient import exceptions

from tests.cloud import content
from tests.cloud import state

DEADLINE_SECONDS = 90
PAUSE_SECONDS = 0.2
BUSY = ('BUILD', 'RESIZE', 'REBOOT', 'UPGRADE', 'PROMOTE', 'EJECT', 'DETACH',
        'BACKUP')
REGIONS = {'trove': state.GUARDED, 'trove-user': state.USER}
# In whose project the servers are.
PROJECTS = {'trove': 'trove', 'trove-user': 'demo'}


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
        shown = await_condition(
            lambda: self.instances.get(instance),
            lambda shown: shown.status not in BUSY and
            shown.operating_status in ('HEALTHY', ''))
        assert (shown.status, shown.operating_status) == (
            'ACTIVE', 'HEALTHY'), getattr(shown, 'fault', None)
        return shown

    def over(self, instance):
        """Wait until an operation that may fail is over.

        Trove leaves instances busy for good after some failures, and shows
        the fault.
        """
        await_condition(
            lambda: self.instances.get(instance),
            lambda shown: shown.status not in BUSY or
            hasattr(shown, 'fault'))

    def await_end(self, instance):
        """Wait until an instance is gone."""
        await_condition(lambda: self._exists(instance),
                        lambda exists: not exists)

    def _exists(self, instance):
        try:
            return self.instances.get(instance)
        except exceptions.NotFound:
            return None

    def is_locked(self, server):
        """Return whether Nova has a server locked."""
        return self.scene.show(server)['locked']

    def await_locked(self, server):
        """Wait until Nova has a server locked; return it (dict)."""
        return await_condition(lambda: self.scene.show(server),
                               lambda shown: shown['locked'])

    def await_unlocked(self, server):
        """Wait until Nova has a server unlocked."""
        await_condition(lambda: self.scene.show(server),
                        lambda shown: not shown['locked'])

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


def await_condition(read, is_there):
    """Read again and again until it is there; return what was read."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_there(found := read()):
        assert time.monotonic() < deadline, getattr(found, '_info', found)
        time.sleep(PAUSE_SECONDS)
    return found
