# SPDX-License-Identifier: Apache-2.0
"""Trove's Nova client, with windows over a made-up Nova behind HTTP."""

import io
import json
import re
import types

from keystoneauth1 import token_endpoint
from novaclient import client as nova_client
from novaclient import exceptions as nova_exceptions
import pytest
import requests

from nova_trove_guard.trove import sessions
from nova_trove_guard.trove import windows
from tests.unit.trove import made_up_nova
from tests.unit.trove.made_up_nova import INSTANCE
from tests.unit.trove.made_up_nova import OTHER
from tests.unit.trove.made_up_nova import SERVER


class Api(requests.adapters.BaseAdapter):
    """Responds as Nova's API does, over the servers of a made_up_nova.Nova.

    :ivar asked: (method, path) of all requests, with the action's name
    :ivar answers: status codes that the next changes of servers get
    :ivar headers: of the last request
    :ivar honours_lock: whether the caller is no admin
    """

    def __init__(self, nova):
        super().__init__()
        self.nova = nova
        self.asked = []
        self.headers = None
        self.answers = []
        self.honours_lock = False
        self.created = None
        self.before_change = lambda: None
        self._ids = iter((SERVER, OTHER))

    def send(self, request, **_):
        self.headers = request.headers
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
            uuid = path.split('/')[2]
            return 200, {'server': {
                'id': uuid, 'status': self.nova.servers[uuid].status}}
        if path == '/servers':
            self.created = body['server']
            uuid = next(self._ids)
            self.nova.change(uuid, status='BUILD', is_locked=False)
            return 202, {'server': {'id': uuid, 'links': []}}
        self.before_change()
        if self.honours_lock and self.nova.is_locked():
            return 409, {'conflictingRequest': {
                'code': 409, 'message': f'Instance {SERVER} is locked'}}
        status = self.answers.pop(0) if self.answers else 202
        if status < 400:
            return status, {'server': {'id': SERVER}, 'tags': []}
        return status, {'computeFault': {'code': status, 'message': 'No.'}}

    def close(self):
        pass


@pytest.fixture
def nova():
    return made_up_nova.Nova()


@pytest.fixture
def api(nova):
    return Api(nova)


@pytest.fixture
def here(nova):
    return windows.Windows(nova, made_up_nova.Events(), 0.1, 60)


@pytest.fixture
def context():
    return types.SimpleNamespace()


@pytest.fixture
def settings():
    return types.SimpleNamespace(
        unlock='always', metadata_key='trove_instance_id')


@pytest.fixture
def version():
    """Return nova_client_version."""
    return '2.57'


@pytest.fixture
def servers(api, here, context, settings, version):
    """Return Trove's novaclient."""
    transport = requests.Session()
    transport.mount('http://nova', api)
    return nova_client.Client(
        version, endpoint_override='http://nova',
        session=sessions.WindowedSession(
            context, here, settings, insecure=False, session=transport,
            auth=token_endpoint.Token('http://nova', 'secret')))


@pytest.fixture
def operation(context):
    """Return a TroveOperation that is under way, and end it."""
    with windows.TroveOperation('resize_flavor', INSTANCE) as operation:
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
    lambda nova: nova.servers.delete(SERVER),
]
WINDOW = [('unlock', SERVER), ('lock', SERVER)]


@pytest.mark.parametrize('change', CHANGES)
def test_each_change_outside_an_operation_has_a_window(
        servers, nova, change):
    change(servers)
    assert nova.calls == WINDOW


def test_an_operation_has_one_window_for_all_its_changes(
        servers, nova, operation):
    for change in CHANGES:
        change(servers)
    operation.__exit__(None, None, None)
    assert nova.calls == WINDOW


def test_reads_open_nothing(servers, api, nova):
    servers.servers.get(SERVER)
    assert api.asked == [('GET', f'/servers/{SERVER}')]
    assert nova.calls == []


def test_an_operation_that_is_refused_nothing_needs_no_window(
        servers, nova, settings, operation):
    settings.unlock = 'when_needed'
    for change in CHANGES:
        change(servers)
    assert nova.calls == []


def test_the_lock_opens_a_window_where_one_is_needed(
        servers, api, nova, settings, operation):
    settings.unlock = 'when_needed'
    api.honours_lock = True
    servers.servers.reboot(SERVER)
    servers.servers.resize(SERVER, '2')
    assert nova.calls == [('unlock', SERVER)]


def test_a_window_that_others_have_closed_is_opened_again(
        servers, api, nova, operation):
    api.honours_lock = True
    servers.servers.resize(SERVER, '2')
    nova.change(SERVER)
    servers.servers.confirm_resize(SERVER)
    assert nova.calls == [('unlock', SERVER)] * 2


def test_it_is_opened_a_bounded_number_of_times(
        servers, api, nova, operation):
    api.honours_lock = True
    api.before_change = lambda: nova.change(SERVER)
    with pytest.raises(nova_exceptions.Conflict, match='is locked'):
        servers.servers.reboot(SERVER)
    assert nova.calls == [('unlock', SERVER)] * (1 + sessions.REOPENINGS)


def test_an_operator_s_lock_in_a_window_fails_the_operation(
        servers, api, nova, operation):
    api.honours_lock = True
    servers.servers.resize(SERVER, '2')
    nova.change(SERVER, lock_reason='new disks')
    with pytest.raises(windows.ServerHeld, match='new disks'):
        servers.servers.confirm_resize(SERVER)
    assert nova.calls == [('unlock', SERVER)]


@pytest.mark.parametrize('status', [403, 409, 500, 503])
def test_a_refusal_that_has_nothing_to_do_with_the_lock_stays_one(
        servers, api, nova, operation, status):
    api.answers = [status]
    with pytest.raises(nova_exceptions.ClientException):
        servers.servers.delete(SERVER)
    assert nova.calls == [('unlock', SERVER)]


def test_nothing_is_changed_where_the_window_does_not_open(
        servers, api, nova, operation):
    nova.failures = [OSError('Nova is down')]
    with pytest.raises(OSError):
        servers.servers.reboot(SERVER)
    assert api.asked == []


def create(servers, **arguments):
    return servers.servers.create('name', 'image', 'flavor', nics='none',
                                  **arguments)


def test_a_server_without_marker_and_tag_gets_them(servers, api, operation):
    create(servers)
    assert api.created['metadata'] == {'trove_instance_id': INSTANCE}
    assert api.created['tags'] == ['trove_instance']


@pytest.mark.parametrize('version, nics, microversion', [
    ('2.1', None, '2.52'), ('2.12', None, '2.52'),
    ('2.12', [{'port-id': 'port'}], '2.52'), ('2.52', 'none', '2.52'),
    ('2.57', 'none', '2.57')])
def test_a_server_is_tagged_whatever_microversion_trove_uses(
        servers, api, operation, nics, microversion):
    servers.servers.create('name', 'image', 'flavor', nics=nics)
    assert api.created['tags'] == ['trove_instance']
    assert api.headers['OpenStack-API-Version'] == f'compute {microversion}'
    assert api.headers['X-OpenStack-Nova-API-Version'] == microversion
    assert 'networks' in api.created


def test_the_marker_and_tags_of_trove_s_own_stay(servers, api, operation):
    metadata = {'trove_instance_id': 'mine', 'colour': 'red'}
    create(servers, meta=metadata, tags=['trove_instance', 'trove_mysql'])
    assert api.created['metadata'] == metadata
    assert api.created['tags'] == ['trove_instance', 'trove_mysql']


def test_a_new_server_is_locked_when_trove_sees_it_active(
        servers, nova, operation):
    create(servers)
    servers.servers.get(SERVER)
    assert nova.calls == []
    nova.change(SERVER, is_locked=False)
    servers.servers.get(SERVER)
    servers.servers.get(SERVER)
    assert nova.calls == [('lock', SERVER)]


def test_its_siblings_are_locked_meanwhile(servers, nova, operation):
    create(servers)
    create(servers)
    nova.change(OTHER, is_locked=False)
    servers.servers.get(SERVER)
    assert nova.calls == [('lock', OTHER)]
