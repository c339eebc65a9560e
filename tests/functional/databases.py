# SPDX-License-Identifier: Apache-2.0
"""A Trove deployment as its users have it, and what it does to Nova."""

import collections
import contextlib
import functools
import math
import time

import pytest
from troveclient import exceptions

from tests.cloud import content
from tests.cloud import layout
from tests.cloud import state
from tests.cloud import troves
from tests.functional import nova_rows
from tests.functional import trove_rows

DEADLINE_SECONDS = 90
PAUSE_SECONDS = 1
# unlock_timeout of the deployments (tests/cloud/templates), and more.
UNLOCK_TIMEOUT = 100
# Between two looks into a database, which cost little.
SHORT_PAUSE_SECONDS = 0.03
# After which Trove is asked though its database has not changed.
PATIENCE_SECONDS = 3
NOTHING_NEW = object()
BUSY = ('BUILD', 'RESIZE', 'REBOOT', 'UPGRADE', 'PROMOTE', 'EJECT', 'DETACH',
        'BACKUP')
# A resize goes from one to the other, whichever the instance has.
FLAVORS = ('m1.tiny', 'm1.small')
REGIONS = {'trove': state.GUARDED, 'trove-user': state.USER}
# In whose project the servers are.
PROJECTS = {'trove': 'trove', 'trove-user': 'demo'}


def each_deployment(group, default=tuple(REGIONS)):
    """Return the params of a fixture: each deployment, in a group of tests.

    :param group: of pytest-xdist, with the deployment behind it
    :param default: the deployments that the default tests are for; tests for
        the others are production tests, as they take long
    """
    return [pytest.param(name, marks=(
        pytest.mark.xdist_group(f'{group} of {name}'),
        *(() if name in default else (pytest.mark.production,))))
        for name in REGIONS]


class Trove:
    """A Trove deployment, as the owner and an operator use it.

    :param scene: a tests.functional.scene.Scene
    :param witness: a tests.functional.witness.Witness
    :param deployment: the deployment's name
    :param database: the URL of its database, for SQLAlchemy; None for the
        cloud's own
    :ivar owner: the owner's troveclient.v1.client.Client
    :ivar kept: the id of an instance at rest, None if there is none
    :ivar network: what asks Neutron as the Trove admin
    """

    def __init__(self, scene, witness, deployment, database=None):
        self.cloud = scene.cloud
        self.scene = scene
        self.deployment = deployment
        self.region = REGIONS[deployment]
        files = layout.Layout(self.cloud.root)
        self.rows = trove_rows.TroveRows(
            database or files.database_url(deployment))
        self._guests = files.guests(deployment)
        self.kept = None
        self._witness = witness
        self.owner = self.cloud.trove('owner', self.region)
        self.instances = self.owner.instances
        self.versions = self.owner.datastore_versions
        self.operator = self.cloud.trove(
            'admin', self.region).mgmt_instances
        self._admin = self.cloud.connection('admin', self.region)
        self.network = self.cloud.connection('trove').network

    def take(self):
        """Return an instance at rest: the one that was kept, or a new one."""
        instance, self.kept = self.kept, None
        if instance is None:
            instance = self.create('database')
            self.healthy(instance)
            self.await_locked(self.server_id(instance))
        return instance

    def keep(self, instance):
        """Put an instance to rest for take(), if its server is as it was.

        No operation of the instance may be under way.
        """
        server = self.server_id(instance)
        self.scene.settle(server)
        row = self.scene.rows.get(server)
        if row is None:
            return
        if row.vm_state == nova_rows.RESIZED:
            # Nova refuses where the resize is just being confirmed.
            self.scene.ask('admin', 'POST', f'/servers/{server}/action',
                           {'revertResize': None}, region=state.UNGUARDED)
            await_condition(
                lambda: self.scene.rows.get(server),
                lambda row: nova_rows.is_settled(row) and
                row.vm_state != nova_rows.RESIZED, SHORT_PAUSE_SECONDS)
        if self._is_whole(instance):
            self.rows.end_tasks(instance)
            # What tests.cloud.guests reads and reports.
            layout.Layout.write_whole(self._guests / instance, 'healthy')
            self.healthy(instance)
            self.kept = instance

    def _is_whole(self, instance):
        """Return whether the server is as Trove has the instance."""
        row = self.rows.get(instance)
        server = self.server(instance)
        return (
            server.status == 'ACTIVE' and self.is_locked(server.id) and
            self.flavor(server.flavor['original_name']) == row.flavor and
            [volume.id for volume in server.attached_volumes] == [row.volume])

    def discard(self, instance):
        """Delete an instance behind Trove's back; its guest ends."""
        server = self.server_id(instance)
        if server:
            self.scene.remove([server])
        self.rows.delete(instance)

    def create(self, name):
        """Begin to create an instance; return its id."""
        return self.instances.create(
            name, flavor_id=self.flavor('m1.tiny'), volume={'size': 1},
            nics=self._nics()).id

    def restore(self, name, backup):
        """Begin to create an instance from a backup; return its id."""
        # An instance that was resized before has a larger backup.
        size = math.ceil(self.owner.backups.get(backup).size)
        return self.instances.create(
            name, flavor_id=self.flavor('m1.tiny'), volume={'size': size},
            nics=self._nics(), restorePoint={'backupRef': backup}).id

    def replicate(self, name, source):
        """Begin to create a replica of an instance; return its id."""
        return self.instances.create(
            name, replica_of=source, nics=self._nics()).id

    def _nics(self):
        return [{'net-id': self.scene.network}]

    def flavor(self, name):
        """Return the id of a flavor."""
        return self._flavors[name]

    @functools.cached_property
    def _flavors(self):
        return {flavor.name: flavor.id
                for flavor in self._admin.compute.flavors()}

    def other_flavor(self, instance):
        """Return the id of that of FLAVORS that an instance does not have."""
        has = self.rows.get(instance).flavor
        return next(flavor for flavor in map(self.flavor, FLAVORS)
                    if flavor != has)

    def image(self, name):
        """Return the id of an image."""
        return self._admin.image.find_image(name).id

    def version(self, name, datastore=content.DATASTORE):
        """Return the id of a version of a datastore."""
        return self.versions.get(datastore, name).id

    def server_id(self, instance):
        """Return the id of the Nova server of an instance."""
        return self.rows.get(instance).server

    def await_server_id(self, instance):
        """Wait until an instance has a Nova server; return its id."""
        return await_condition(lambda: self.server_id(instance), bool,
                               SHORT_PAUSE_SECONDS)

    def server(self, instance):
        """Return the Nova server of an instance as an admin sees it."""
        return self._admin.compute.get_server(self.server_id(instance))

    def volume(self, instance):
        """Return the Cinder volume of an instance as an admin sees it."""
        return self._admin.block_storage.get_volume(
            self.rows.get(instance).volume)

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

    def over(self, instance, has_fault=False):
        """Wait until an operation that may fail is over.

        Trove leaves instances busy for good after some failures, and shows
        the fault.

        :param has_fault: whether its failure must leave a fault; Trove
            records it last
        """
        self.await_shown(instance, lambda shown: hasattr(shown, 'fault') or
                         not has_fault and shown.status not in BUSY)

    def await_end(self, instance):
        """Wait until an instance is gone."""
        self.await_shown(instance, lambda shown: shown is None)

    def await_shown(self, instance, is_there):
        """Wait until Trove shows something of an instance that is not busy.

        It is asked when its database says that the instance is not busy and
        that, or the state of the server, is new; and at times without.

        :param is_there: function of the instance, None for one that is gone
        :returns: the instance
        """
        looked = [None, -PATIENCE_SECONDS]

        def read():
            row = self.rows.get(instance)
            if trove_rows.is_busy(row):
                return NOTHING_NEW
            server = row.server and self.scene.rows.get(row.server)
            seen = row, server and server.vm_state
            now = time.monotonic()
            if seen == looked[0] and now - looked[1] < PATIENCE_SECONDS:
                return NOTHING_NEW
            looked[:] = seen, now
            try:
                return self.instances.get(instance)
            except exceptions.NotFound:
                return None

        return await_condition(
            read, lambda shown: shown is not NOTHING_NEW and is_there(shown),
            SHORT_PAUSE_SECONDS)

    def is_locked(self, server):
        """Return whether Nova has a server locked."""
        return bool(self.scene.rows.get(server).locked)

    def await_locked(self, server):
        """Wait until Nova has a server locked; return it (dict)."""
        await_condition(lambda: self.is_locked(server), bool,
                        SHORT_PAUSE_SECONDS)
        return self.scene.show(server)

    def await_relocked(self, server):
        """Wait until a server is locked that nobody works on any more.

        The time passes in which an operation may hold it unlocked.
        """
        row = await_condition(
            lambda: self.scene.rows.get(server), lambda row: row is None or
            row.vm_state != 'building', SHORT_PAUSE_SECONDS)
        if row is not None and not row.locked:
            self.scene.rows.let_time_pass(server, UNLOCK_TIMEOUT)
        await_condition(
            lambda: self.scene.rows.get(server),
            lambda row: row is None or row.locked, SHORT_PAUSE_SECONDS)

    def relocks(self, server):
        """Return how often the reconciler has logged that it locked a server.

        It does so some time after the lock.
        """
        return self.count_logged(f'Locked server {server} of ')

    def log(self):
        """Return the log (str) of the deployment's task managers."""
        logs = layout.Layout(self.cloud.root).logs
        return ''.join(
            path.read_text() for pattern in (
                f'{self.deployment}.log',
                f'{self.deployment}-taskmanager@*.log')
            for path in logs.glob(pattern))

    def count_logged(self, text, host=troves.FIRST_HOST):
        """Return how often a process of the deployment has logged a text.

        :param host: what state.Cloud.start_trove() was called with
        """
        return layout.Layout(self.cloud.root).log(
            troves.process_name(self.deployment, host)).read_text().count(text)

    def await_logged(self, text, host=troves.FIRST_HOST, count=1):
        """Wait until a process of the deployment has logged a text so often.

        :param host: what state.Cloud.start_trove() was called with
        """
        await_condition(lambda: self.count_logged(text, host),
                        lambda found: found >= count, SHORT_PAUSE_SECONDS)

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
        methods += self._changes_since(mark, server)

    @contextlib.contextmanager
    def all_changes(self):
        """Record what Nova is asked to change of each server.

        :returns: (yields) a dict that, when the context is left, holds by the
            server's id what changes() yields; nothing of a server is []
        """
        mark = self._witness.mark()
        changes = collections.defaultdict(list)
        yield changes
        for server in self._witness.servers_since(mark):
            changes[server] = self._changes_since(mark, server)

    def _changes_since(self, mark, server):
        trove = self.cloud.connection('trove').current_user_id
        methods = []
        others = []
        for dispatch in self._witness.mutations_of(server, mark):
            if trove in (dispatch['user_id'], dispatch['service_user_id']):
                if dispatch['controller'] != 'ServerTagsController':
                    methods.append(dispatch['method'])
            else:
                others.append(dispatch)
        # Of a server that is gone Nova may tell everybody that it is.
        assert not others or self.scene.show(server) is None
        return methods


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


def attack(scene, server, attacks=ATTACKS):
    """Try as a tenant to get at a server through Nova, in each way once.

    :param attacks: some of ATTACKS
    :returns: the answers (list of requests.Response) but the refusals
    """
    answers = [scene.ask(who, method, f'/servers/{server}{path}', body)
               for who in ('owner', 'manager')
               for method, path, body in attacks]
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
