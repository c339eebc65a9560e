# SPDX-License-Identifier: Apache-2.0
"""Trove's Nova client and task manager, with a made-up Nova behind HTTP."""

import io
import itertools
import json
import re
import types

from keystoneauth1 import token_endpoint
from novaclient import client as nova_client
from novaclient import exceptions as nova_exceptions
import pytest
import requests
from trove.common import cfg
from trove.common import exception
from trove.taskmanager import manager

from nova_trove_guard.trove import client
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import sessions
from nova_trove_guard.trove import taskmanager
from nova_trove_guard.trove import windows

SERVER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000001'
SIBLING = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000002'
INSTANCE = 'dbdbdbdb-0000-4000-8000-000000000001'


class Nova(requests.adapters.BaseAdapter):
    """Answers as Nova does, as far as Trove asks it.

    :ivar asked: (method, path) of all requests, with the action's name
    :ivar answers: status codes that the next changes of servers get
    """

    def __init__(self):
        super().__init__()
        self.asked = []
        self.answers = []
        self.status = 'ACTIVE'
        self.locked = False
        self.honours_lock = False
        self.metadata = None
        self._ids = iter((SERVER, SIBLING))

    def send(self, request, **_):
        path = re.sub('http://nova', '', request.url)
        body = json.loads(request.body) if request.body else {}
        action = next(iter(body), '') if path.endswith('/action') else ''
        self.asked.append((request.method, path + (action and f' {action}')))
        status, document = self._answer(request.method, path, body)
        response = requests.Response()
        response.status_code = status
        response.raw = io.BytesIO(json.dumps(document).encode())
        response.headers['Content-Type'] = 'application/json'
        response.request, response.url = request, request.url
        return response

    def _answer(self, method, path, body):
        if method == 'GET':
            return 200, {'server': {'id': path.split('/')[2],
                                    'status': self.status}}
        if path == '/servers':
            self.metadata = body['server'].get('metadata')
            return 202, {'server': {'id': next(self._ids), 'links': []}}
        if self.honours_lock and self.locked:
            return 409, {'conflictingRequest': {
                'code': 409, 'message': f'Instance {SERVER} is locked'}}
        status = self.answers.pop(0) if self.answers else 202
        if status < 400:
            return status, {'server': {'id': SERVER}, 'tags': []}
        return status, {'computeFault': {'code': status, 'message': 'No.'}}

    def close(self):
        pass


class Windows:
    """Stands for windows.Windows."""

    def __init__(self, nova):
        self.nova = nova
        self.told = []
        self.fails = False

    def open(self, server_id, operation):
        self._tell('open', server_id, False)

    def reopen(self, server_id):
        self._tell('reopen', server_id, False)

    def close(self, server_id, operation, opened_at, is_deleted):
        self._tell('deleted' if is_deleted else 'close', server_id, True)

    def lock(self, server_id, operation):
        self._tell('lock', server_id, True)

    def is_active(self, server_id):
        return self.nova.status == 'ACTIVE'

    def _tell(self, what, server_id, locked):
        self.told.append((what, server_id))
        if self.fails:
            raise OSError('Nova is down')
        self.nova.locked = locked


@pytest.fixture
def nova():
    return Nova()


@pytest.fixture
def told(nova):
    return Windows(nova)


@pytest.fixture
def context():
    return types.SimpleNamespace()


@pytest.fixture
def settings():
    return types.SimpleNamespace(
        unlock='always', metadata_key='trove_instance_id',
        server_owner='trove', trove_managed_instances=True)


@pytest.fixture
def servers(nova, told, context, settings):
    """Return Trove's novaclient."""
    transport = requests.Session()
    transport.mount('http://nova', nova)
    return nova_client.Client(
        '2.57', endpoint_override='http://nova',
        session=sessions.WindowedSession(
            context, told, settings, session=transport,
            auth=token_endpoint.Token('http://nova', 'secret')))


@pytest.fixture
def operation(context, told):
    """Return a TroveOperation that is under way, and end it."""
    with windows.TroveOperation(told, 'resize_flavor', INSTANCE) as operation:
        context.trove_guard_operation = operation
        yield operation
    context.trove_guard_operation = None


CHANGES = [
    lambda nova: nova.servers.reboot(SERVER),
    lambda nova: nova.servers.resize(SERVER, '2'),
    lambda nova: nova.servers.confirm_resize(SERVER),
    lambda nova: nova.servers.rebuild(SERVER, 'image', userdata='x'),
    lambda nova: nova.servers.set_tags(SERVER, ['mine']),
    lambda nova: nova.volumes.delete_server_volume(SERVER, 'volume'),
    lambda nova: nova.servers.interface_detach(SERVER, 'port'),
]


@pytest.mark.parametrize('change', CHANGES)
def test_each_change_outside_an_operation_has_a_window(
        servers, told, change):
    change(servers)
    assert told.told == [('open', SERVER), ('close', SERVER)]


def test_an_operation_has_one_window_for_all_its_changes(
        servers, told, operation):
    for change in CHANGES:
        change(servers)
    operation.__exit__(None, None, None)
    assert told.told == [('open', SERVER), ('close', SERVER)]


def test_reads_open_nothing(servers, nova, told):
    servers.servers.get(SERVER)
    assert nova.asked == [('GET', f'/servers/{SERVER}')]
    assert told.told == []


def test_an_operation_that_is_refused_nothing_needs_no_window(
        servers, told, settings, operation):
    settings.unlock = 'when_needed'
    for change in CHANGES:
        change(servers)
    assert told.told == []


def test_the_lock_opens_a_window_where_one_is_needed(
        servers, nova, told, settings, operation):
    settings.unlock = 'when_needed'
    nova.locked = nova.honours_lock = True
    servers.servers.reboot(SERVER)
    servers.servers.resize(SERVER, '2')
    assert told.told == [('open', SERVER)]


def test_a_window_that_was_closed_by_others_is_opened_again(
        servers, nova, told, operation):
    nova.honours_lock = True
    servers.servers.resize(SERVER, '2')
    nova.locked = True
    servers.servers.confirm_resize(SERVER)
    assert told.told == [('open', SERVER), ('reopen', SERVER)]


def test_a_refusal_that_has_nothing_to_do_with_the_lock_stays_one(
        servers, nova, told, operation):
    nova.answers = [409]
    with pytest.raises(nova_exceptions.Conflict):
        servers.servers.reboot(SERVER)
    assert told.told == [('open', SERVER)]


def test_nothing_is_changed_where_the_window_does_not_open(
        servers, nova, told, operation):
    told.fails = True
    with pytest.raises(OSError):
        servers.servers.reboot(SERVER)
    told.fails = False
    assert nova.asked == []


def create(servers, **arguments):
    return servers.servers.create('name', 'image', 'flavor', nics='none',
                                  **arguments)


def test_a_server_without_the_marker_gets_it(servers, nova, operation):
    create(servers)
    assert nova.metadata == {'trove_instance_id': INSTANCE}


def test_the_marker_of_trove_s_own_stays(servers, nova, operation):
    create(servers, meta={'trove_instance_id': 'mine', 'colour': 'red'})
    assert nova.metadata == {'trove_instance_id': 'mine', 'colour': 'red'}


def test_a_new_server_is_locked_when_trove_sees_it_active(
        servers, nova, told, operation):
    nova.status = 'BUILD'
    create(servers)
    servers.servers.get(SERVER)
    assert told.told == []
    nova.status = 'ACTIVE'
    servers.servers.get(SERVER)
    servers.servers.get(SERVER)
    assert told.told == [('lock', SERVER)]


def test_a_new_server_s_siblings_are_locked_meanwhile(
        servers, nova, told, operation):
    create(servers)
    create(servers)
    servers.servers.get(SERVER)
    assert sorted(told.told) == [('lock', SERVER), ('lock', SIBLING)]


def test_a_deleted_server_is_not_locked_again(servers, told, operation):
    servers.servers.delete(SERVER)
    operation.__exit__(None, None, None)
    assert told.told == [('open', SERVER), ('deleted', SERVER)]


def test_a_server_that_is_gone_is_deleted(servers, nova, told, operation):
    nova.answers = [404]
    with pytest.raises(nova_exceptions.NotFound):
        servers.servers.delete(SERVER)
    operation.__exit__(None, None, None)
    assert told.told == [('open', SERVER), ('deleted', SERVER)]


@pytest.mark.parametrize('status', [409, 403, 500, 503])
def test_a_failing_delete_is_nothing_that_trove_could_swallow(
        servers, nova, told, operation, status):
    nova.answers = [status]
    with pytest.raises(sessions.DeleteFailed):
        try:
            servers.servers.delete(SERVER)
        except Exception:
            pytest.fail('Trove swallows it')
    operation.__exit__(None, None, None)
    assert told.told == [('open', SERVER), ('close', SERVER)]


def test_nor_is_an_unlock_that_fails_before_it(
        servers, nova, told, operation):
    told.fails = True
    with pytest.raises(sessions.DeleteFailed):
        servers.servers.delete(SERVER)
    told.fails = False
    assert nova.asked == []


def test_outside_an_operation_it_is_an_error_like_others(servers, nova):
    nova.answers = [500]
    with pytest.raises(exception.TroveError):
        servers.servers.delete(SERVER)


# The task manager.

@pytest.fixture
def process(monkeypatch, told, settings):
    """Plug the made-up Windows in."""
    monkeypatch.setattr(client, 'process_windows', lambda region: told)
    monkeypatch.setattr(client, 'process_compute', lambda region: None)
    monkeypatch.setattr(taskmanager.opts, 'register', lambda conf: settings)
    return told


def served(monkeypatch, name, work):
    """Have Trove's own task manager do some work for a call."""
    monkeypatch.setattr(manager.Manager, name, work)
    return getattr(taskmanager.Manager(), name)


CALLS = ('resize_volume', 'resize_flavor', 'reboot', 'restart', 'migrate',
         'detach_replica', 'promote_to_replica_source',
         'eject_replica_source', 'rebuild', 'delete_instance',
         'create_backup', 'create_instance', 'upgrade', 'update_access',
         'create_cluster', 'grow_cluster', 'shrink_cluster',
         'restart_cluster', 'upgrade_cluster', 'delete_cluster')


@pytest.mark.parametrize('call', CALLS)
def test_each_call_is_an_operation(
        monkeypatch, process, servers, context, call):
    def work(self, context, instance_id):
        assert context.trove_guard_operation.name == call
        assert context.trove_guard_operation.database_instance == INSTANCE
        servers.servers.reboot(SERVER)
        servers.servers.confirm_resize(SERVER)
        return 'done'

    serve = served(monkeypatch, call, work)
    assert serve(context, instance_id=INSTANCE) == 'done'
    assert process.told == [('open', SERVER), ('close', SERVER)]
    servers.servers.reboot(SERVER)
    assert len(process.told) == 4


def test_a_call_within_a_call_is_a_part_of_it(
        monkeypatch, process, servers, context):
    def outer(self, context, instance_id):
        self.restart(context, instance_id=instance_id)
        servers.servers.reboot(SERVER)

    def inner(self, context, instance_id):
        servers.servers.reboot(SERVER)

    monkeypatch.setattr(manager.Manager, 'restart', inner)
    served(monkeypatch, 'reboot', outer)(context, instance_id=INSTANCE)
    assert process.told == [('open', SERVER), ('close', SERVER)]


def test_a_datastore_s_own_call_is_an_operation(
        monkeypatch, process, servers, context):
    def work(context, cluster_id):
        servers.servers.reboot(SERVER)
        servers.servers.reboot(SERVER)

    monkeypatch.setattr(manager.Manager, '__getattr__',
                        lambda self, name: work)
    taskmanager.Manager().mongodb_add_shard_cluster(
        context, cluster_id='cluster')
    assert process.told == [('open', SERVER), ('close', SERVER)]


def test_a_failing_delete_shows_in_the_database_instance(
        monkeypatch, process, nova, servers, context):
    def work(self, context, instance_id):
        try:
            servers.servers.delete(SERVER)
        except Exception:
            pass

    shown = []
    monkeypatch.setattr(instances, 'delete_failed', shown.append)
    nova.answers = [500]
    with pytest.raises(exception.TroveError, match='could not be deleted'):
        served(monkeypatch, 'delete_instance', work)(
            context, instance_id=INSTANCE)
    assert shown == [INSTANCE]
    assert process.told == [('open', SERVER), ('close', SERVER)]


def test_the_reconciler_is_a_periodic_task(monkeypatch, process):
    runs = itertools.count()
    task_manager = taskmanager.Manager()
    task_manager._reconciler = types.SimpleNamespace(run=lambda: next(runs))
    task_manager.run_periodic_tasks(context=None)
    assert next(runs) == 1


def test_off_it_is_trove_s_own(monkeypatch, process, settings):
    settings.trove_managed_instances = False
    task_manager = taskmanager.Manager()
    for call in CALLS:
        assert getattr(task_manager, call).__func__ is getattr(
            manager.Manager, call)
    task_manager.run_periodic_tasks(context=None, raise_on_error=True)


@pytest.mark.parametrize('owner, stock', [
    ('trove', 'trove.common.clients_admin.nova_client_trove_admin'),
    ('user', 'trove.common.clients.nova_client')])
def test_off_the_client_is_trove_s_own(monkeypatch, owner, stock):
    settings = client.opts.register(cfg.CONF)
    cfg.CONF.set_override('server_owner', owner, 'trove_guard')
    monkeypatch.setattr(stock, lambda *arguments: arguments)
    try:
        assert client.nova_client('context', 'region', 'password') == (
            'context', 'region', 'password')
    finally:
        cfg.CONF.clear_override('server_owner', 'trove_guard')
    assert settings.trove_managed_instances is False
