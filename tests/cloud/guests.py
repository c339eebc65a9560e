# SPDX-License-Identifier: Apache-2.0
"""Fake guest agents of a Trove deployment.

A guest agent answers calls of the task manager and the API over the message
bus, and reports the status of its database to the conductor. These have no
database. Each keeps the status in a file, so that it survives the process, and
so that several processes can run the same deployment.
"""

import functools
import json
import time

from oslo_log import log as logging
import oslo_messaging as messaging
from oslo_serialization import jsonutils
from oslo_utils import encodeutils
import sqlalchemy
from trove.common import context as trove_context
from trove.common import crypto_utils
from trove.common.rpc import serializer
from trove.common import timeutils
from trove.conductor import api as conductor_api
from trove.guestagent import api as guest_api
from trove.instance import models
from trove.instance import service_status
from trove import rpc

from tests.cloud import connections
from tests.cloud import layout

LOG = logging.getLogger(__name__)
PAUSE_SECONDS = 0.5
HEARTBEAT_SECONDS = 3
STATUSES = service_status.ServiceStatuses
BOOTED = sqlalchemy.text(
    "SELECT 1 FROM instances WHERE uuid = :server AND vm_state != 'building'")

# A file system's figures, in GB.
VOLUME = {'used': 0.1, 'total': 1.0}
# A Galera cluster's settings, which each member has.
CLUSTER = {
    'replication_user': {'name': 'clusterrepuser', 'password': 'secret'},
    'cluster_name': '3f0c9a7d5b1e4268',
    'admin_password': 'secret',
}


def _replication_snapshot(snapshot_info, **_arguments):
    """Return a snapshot as trove.guestagent.datastore.manager.Manager does."""
    return {
        'dataset': {
            'datastore_manager': 'mysql',
            'dataset_size': VOLUME['used'],
            'volume_size': VOLUME['total'],
            'snapshot_id': snapshot_info['id'],
        },
        'replication_strategy': 'MysqlGTIDReplication',
        'master': {'host': '127.0.0.1', 'port': 3306},
        'replica_conf': {},
    }


def _prepared(cluster_config=None, **_arguments):
    """Return a new database's status; a cluster member waits for the others.

    See trove.guestagent.datastore.service.BaseDbStatus.end_install.
    """
    return STATUSES.INSTANCE_READY if cluster_config else STATUSES.HEALTHY


# The result of each call. A function is called with the call's arguments.
ANSWERS = {
    'apply_overrides': None,
    'attach_replica': None,
    'attach_replication_slave': None,
    'backup_required_for_replication': True,
    'cleanup_source_on_replica_detach': None,
    'cluster_complete': None,
    'create_database': None,
    'create_user': None,
    'demote_replication_master': None,
    'detach_replica': None,
    'enable_as_master': None,
    'enable_root': {'_name': 'root', '_host': '%', '_password': 'secret',
                    '_databases': [], '_is_root': True},
    'get_cluster_context': CLUSTER,
    'get_filesystem_stats': VOLUME,
    'get_last_txn': ['6b4c2a9e-0000-4000-8000-000000000001', 1],
    'get_latest_txn_id': '6b4c2a9e-0000-4000-8000-000000000001:1',
    'get_replica_context': {},
    'get_replication_snapshot': _replication_snapshot,
    'get_txn_count': 1,
    'install_cluster': None,
    'is_root_enabled': False,
    'list_databases': ([], None),
    'list_users': ([], None),
    'make_read_only': None,
    'mount_volume': None,
    'post_create_backup': {},
    'post_upgrade': None,
    'pre_create_backup': {},
    'pre_upgrade': {},
    'prepare': None,
    'rebuild': None,
    'reset_admin_password': None,
    'reset_configuration': None,
    'resize_fs': None,
    'restart': None,
    'rpc_ping': True,
    'start_db_with_conf_changes': None,
    'stop_db': None,
    'unmount_volume': None,
    'update_guest': None,
    'update_overrides': None,
    'upgrade': None,
    'wait_for_txn': None,
    'write_cluster_configuration_overrides': None,
}
# The status of the database after each call that changes it. A function is
# called with the call's arguments.
BECOMES = {
    'cluster_complete': STATUSES.HEALTHY,
    'prepare': _prepared,
    'rebuild': STATUSES.HEALTHY,
    'restart': STATUSES.HEALTHY,
    'start_db_with_conf_changes': STATUSES.HEALTHY,
    'stop_db': STATUSES.SHUTDOWN,
    'upgrade': STATUSES.HEALTHY,
}
# Trove does not wait for these calls: if they fail, the guest reports it.
FAILS = ('prepare', 'rebuild', 'upgrade')


class Guests:
    """The guests of all instances in this process's database.

    :param files: the cloud's Layout
    :param deployment: the deployment's name
    :param faults: the Faults to inject
    """

    def __init__(self, files, deployment, faults):
        self._directory = files.guests(deployment)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._files = files
        self._faults = faults
        self._guests = {}

    def live(self):
        """Start and end guests together with their instances. Never returns.
        """
        while True:
            try:
                self._look()
            except Exception:
                # Trove's records may change while they are read.
                LOG.exception('The guests failed, and continue')
            time.sleep(PAUSE_SECONDS)

    def _look(self):
        instances = {instance.id: instance
                     for instance in models.DBInstance.find_all(
                         deleted=False).all()}
        for instance_id in self._guests.keys() - instances.keys():
            self._guests.pop(instance_id).end()
        for instance_id in instances.keys() - self._guests.keys():
            instance = instances[instance_id]
            if self._has_booted(instance.compute_instance_id):
                self._guests[instance_id] = Guest(
                    instance, self._directory / instance_id, self._faults)
        for guest in self._guests.values():
            guest.report()

    def _has_booted(self, server_id):
        """Return whether a server is built, from Nova's database."""
        with connections.connected(self._files, 'nova-cell1') as nova:
            return nova.execute(BOOTED, {'server': server_id}).first()


class Guest:
    """A guest: the endpoint of its RPC server, and its heartbeat.

    :param instance: the DBInstance
    :param memory: a file for the status of the database
    :param faults: the Faults to inject
    """

    target = messaging.Target(version=guest_api.API.API_LATEST_VERSION)

    def __init__(self, instance, memory, faults):
        modules = Modules(memory.with_suffix('.modules'))
        self._answers = {
            **ANSWERS,
            'module_apply': modules.apply,
            'module_list': modules.list,
            'module_remove': modules.remove,
        }
        self._id = instance.id
        self._memory = memory
        self._faults = faults
        key = encodeutils.safe_decode(instance.key)
        self._conductor = Conductor(self._id, key)
        self._server = rpc.get_server(
            messaging.Target(topic=f'guestagent.{self._id}', server=self._id),
            [self], key=key)
        self._server.start()

    def __getattr__(self, method):
        if method not in self._answers:
            raise AttributeError(method)
        return functools.partial(self._answer, method)

    def _answer(self, method, _context, **arguments):
        try:
            self._faults.strike_guest(self._id, method)
        except RuntimeError:
            if method in FAILS:
                self._remember(STATUSES.FAILED)
            raise
        if method in BECOMES:
            self._remember(_result(BECOMES[method], arguments))
        return _result(self._answers[method], arguments)

    def report(self):
        """Send the database's status to the conductor if that is due."""
        if not self._memory.exists():
            return
        status = self._memory.read_text()
        known = models.InstanceServiceStatus.find_by(instance_id=self._id)
        age = (timeutils.utcnow() - known.updated_at).total_seconds()
        if known.status.description != status or age > HEARTBEAT_SECONDS:
            try:
                self._faults.strike_guest(self._id, 'heartbeat')
            except RuntimeError:
                return
            self._conductor.heartbeat(
                self._id, {'service_status': status}, sent=time.time())

    def end(self):
        """Stop the RPC server, and delete the status."""
        self._server.stop()
        self._server.wait()
        self._memory.unlink(missing_ok=True)

    def _remember(self, status):
        layout.Layout.write_whole(self._memory, status.description)


def _result(answer, arguments):
    return answer(**arguments) if callable(answer) else answer


class Modules:
    """The modules that are applied to a database.

    :param memory: a file for them
    """

    def __init__(self, memory):
        self._memory = memory

    def apply(self, modules):
        """Apply modules, and return the results."""
        applied = {
            module['module']['id']: {
                'created': '2026-01-01 00:00:00', 'message': None,
                'removed': None, 'status': 'OK', **module['module']}
            for module in modules}
        self._save(self._load() | applied)
        return list(applied.values())

    def list(self, include_contents):
        """Return the modules."""
        return [{**module, 'contents': include_contents and
                 module['contents'] or None}
                for module in self._load().values()]

    def remove(self, module):
        """Remove a module."""
        left = self._load()
        del left[module['module']['id']]
        self._save(left)

    def _load(self):
        try:
            return json.loads(self._memory.read_text())
        except FileNotFoundError:
            return {}

    def _save(self, modules):
        layout.Layout.write_whole(self._memory, json.dumps(modules))


class Conductor(conductor_api.API):
    """The client with which a guest calls Trove's conductor.

    :param instance_id: the guest's database instance
    :param key: the instance's key
    """

    def __init__(self, instance_id, key):
        self._seal = functools.partial(Seal, instance_id)
        self._key = key
        super().__init__(trove_context.TroveContext())

    def get_client(self, target, version_cap, serializer=None):
        """Return the RPC client. Trove's own class calls this."""
        return rpc.get_client(
            target, key=self._key, version_cap=version_cap,
            serializer=serializer, secure_serializer=self._seal)


class Seal(serializer.TroveSerializer):
    """Encrypt the messages of a guest.

    Trove's ConductorGuestSerializer reads the guest's id from the process's
    configuration, but here one process has many guests.

    :param instance_id: the guest's database instance
    :param base: the serializer of the contents
    :param key: the instance's key
    """

    def __init__(self, instance_id, base, key):
        super().__init__(base)
        self._id = instance_id
        self._key = key

    def _serialize_entity(self, ctxt, entity):
        return jsonutils.dumps({'entity': self._seal(entity),
                                'csz-instance-id': self._id})

    def _serialize_context(self, ctxt):
        return {'context': self._seal(ctxt), 'csz-instance-id': self._id}

    def _seal(self, contents):
        return crypto_utils.encode_data(crypto_utils.encrypt_data(
            jsonutils.dumps(contents), self._key))
