# SPDX-License-Identifier: Apache-2.0
"""What the Trove admin asks of Nova, and the marking of siblings."""

import datetime
import io
import json
import urllib.parse

from keystoneauth1 import exceptions
from keystoneauth1 import session as keystone_session
from keystoneauth1 import token_endpoint
import pytest
import requests

from nova_trove_guard.trove import compute
from nova_trove_guard.trove import sessions

SERVER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000001'
INSTANCE = 'dbdbdbdb-0000-4000-8000-000000000001'
KEY = 'trove_instance_id'


class Service(requests.adapters.BaseAdapter):
    """Responds as it is told to, and records what it was asked.

    :ivar options: of the transport, of each request: timeout and verify
    """

    def __init__(self):
        super().__init__()
        self.requests = []
        self.options = []
        self.answers = []

    def send(self, request, **options):
        self.requests.append(request)
        self.options.append(options)
        status, document = self.answers.pop(0)
        response = requests.Response()
        response.status_code = status
        response.raw = io.BytesIO(json.dumps(document).encode())
        response.request, response.url = request, request.url
        return response

    def close(self):
        pass

    @property
    def bodies(self):
        return [json.loads(request.body) for request in self.requests]


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def identity(service):
    """Return the arguments of a Session that ends at the service."""
    transport = requests.Session()
    transport.mount('http://', service)
    return {'session': transport,
            'auth': token_endpoint.Token('http://nova', 'secret')}


@pytest.fixture
def nova(identity):
    return compute.Compute(keystone_session.Session(**identity), False, KEY,
                           service_type='compute')


@pytest.fixture
def everywhere(identity):
    """Return Compute where users own the servers."""
    return compute.Compute(keystone_session.Session(**identity), True, KEY,
                           service_type='compute')


def shown(uuid=SERVER, **changes):
    """Return what Nova's API shows of a server."""
    return {'id': uuid, 'tenant_id': 'project', 'status': 'ACTIVE',
            'metadata': {KEY: INSTANCE}, 'tags': ['trove_instance'],
            'locked': False, 'locked_reason': None,
            'OS-SRV-USG:launched_at': '2026-11-25T12:00:00.000000',
            **changes}


def test_a_server_is_shown(service, nova):
    service.answers = [(200, {'server': shown()})]
    assert nova.show(SERVER) == compute.Server(
        SERVER, 'project', INSTANCE, 'ACTIVE', is_locked=False,
        lock_reason=None, is_tagged=True,
        launched_at=datetime.datetime(2026, 11, 25, 12))
    assert service.requests[0].headers['OpenStack-API-Version'] == (
        'compute 2.73')


def test_an_unmarked_server_that_is_being_built_is_shown(service, nova):
    service.answers = [(200, {'server': shown(**{
        'status': 'BUILD', 'metadata': {}, 'tags': [],
        'locked': True,
        'locked_reason': 'because', 'OS-SRV-USG:launched_at': None})})]
    assert nova.show(SERVER) == compute.Server(
        SERVER, 'project', None, 'BUILD', is_locked=True,
        lock_reason='because', is_tagged=False, launched_at=None)


def test_a_server_in_a_cell_that_is_down_is_not_shown(service, nova):
    service.answers = [(200, {'server': {
        'id': SERVER, 'status': 'UNKNOWN', 'tenant_id': 'project'}})]
    with pytest.raises(exceptions.ServiceUnavailable, match='cell'):
        nova.show(SERVER)


@pytest.mark.parametrize('act, result', [
    (lambda nova: nova.lock(SERVER, 'because'), False),
    (lambda nova: nova.unlock(SERVER), False),
    (lambda nova: nova.show(SERVER), None)])
def test_a_server_that_is_gone_is_no_error(service, nova, act, result):
    service.answers = [(404, None)]
    assert act(nova) is result


def test_a_lock_has_a_reason(service, nova):
    service.answers = [(202, None)]
    assert nova.lock(SERVER, 'because') is True
    assert service.bodies == [{'lock': {'locked_reason': 'because'}}]


def test_an_unlock_has_none(service, nova):
    service.answers = [(202, None)]
    assert nova.unlock(SERVER) is True
    assert service.bodies == [{'unlock': None}]


@pytest.mark.parametrize('status', [401, 403, 406, 409, 500, 503])
def test_a_refusal_is_an_error(service, nova, status):
    service.answers = [(status, None)] * 2
    with pytest.raises(exceptions.ClientException):
        nova.unlock(SERVER)


@pytest.mark.parametrize('status', [201, 204, 403, 404, 409, 503])
def test_a_tag_that_nova_refuses_is_no_error(service, nova, caplog, status):
    service.answers = [(status, None)]
    nova.tag(SERVER)
    request, = service.requests
    assert (request.method, request.path_url) == (
        'PUT', f'/servers/{SERVER}/tags/trove_instance')
    assert ('Could not tag' in caplog.text) is (status >= 400)


def page(*servers, more=False):
    links = {'servers_links': [{'rel': 'next'}]} if more else {}
    return 200, {'servers': list(servers)} | links


def queries(service):
    return [dict(urllib.parse.parse_qsl(
        urllib.parse.urlsplit(request.url).query))
        for request in service.requests]


def uuids(pages):
    return [[server.uuid for server in page] for page in pages]


def test_unlocked_servers_are_one_call_a_page(service, nova):
    service.answers = [page(shown('1'), shown('2'), more=True),
                       page(shown('3'))]
    assert uuids(nova.unlocked()) == [['1', '2'], ['3']]
    query = {'locked': 'false', 'tags': 'trove_instance', 'limit': '200'}
    assert queries(service) == [query, query | {'marker': '2'}]


def test_they_are_everywhere_where_users_own_them(service, everywhere):
    service.answers = [page()]
    assert uuids(everywhere.unlocked()) == [[]]
    assert queries(service)[0]['all_tenants'] == '1'


def test_what_builds_is_deleted_or_unmarked_is_left_out(service, nova):
    service.answers = [page(shown('1', status='BUILD'),
                            shown('2', metadata={}),
                            shown('3', status='SOFT_DELETED'),
                            {'id': '4', 'status': 'UNKNOWN'},
                            shown('5', status='ERROR'))]
    assert uuids(nova.unlocked()) == [['5']]


def actions(*named):
    """Return what Nova's API shows of a server's actions, latest first."""
    return 200, {'instanceActions': [
        {'action': name, 'project_id': project,
         'start_time': f'2026-11-25T12:00:{second:02}.000000'}
        for name, project, second in named]}


@pytest.fixture
def server():
    return compute.Server.from_api(shown(), KEY)


def test_the_latest_unlock_counts(service, nova, server):
    service.answers = [actions(('resize', 'p', 3), ('unlock', 'p', 2),
                               ('lock', 'p', 1), ('unlock', 'p', 0))]
    assert nova.unlocked_at(server) == datetime.datetime(
        2026, 11, 25, 12, 0, 2)
    assert queries(service) == [{'limit': '50'}]


def test_a_server_may_never_have_been_unlocked(service, nova, server):
    service.answers = [actions(('create', 'p', 0))]
    assert nova.unlocked_at(server) is None


@pytest.mark.parametrize('named, is_owner', [
    ([('lock', 'project', 1)], True),
    ([('lock', 'admin', 2), ('lock', 'project', 1)], False),
    ([], False)])
def test_the_tenant_s_own_lock_is_known_by_its_project(
        service, everywhere, server, named, is_owner):
    service.answers = [actions(*named)]
    assert everywhere.is_locked_by_owner(server) is is_owner


def test_no_tenant_locks_a_server_in_trove_s_project(service, nova, server):
    assert nova.is_locked_by_owner(server) is False
    assert service.requests == []


# Siblings.

@pytest.fixture
def marking(identity):
    """Return the arguments of a session that marks siblings."""
    return {'metadata_key': KEY, 'insecure': False, **identity}


def test_a_volume_is_marked(service, marking):
    service.answers = [(202, None)]
    sessions.VolumeMarkingSession(**marking).request(
        '/volumes', 'POST', endpoint_override='http://cinder',
        json={'volume': {'name': f'trove-{INSTANCE}', 'metadata': {}}})
    assert json.loads(service.requests[0].body)['volume']['metadata'] == {
        KEY: INSTANCE}


# What is named so, by the end of its path.
NAMED = {'ports': ('port', f'trove-{INSTANCE}'),
         'security-groups': ('security_group', f'trove_sg-{INSTANCE}')}
TAG = f'{KEY}_{INSTANCE}'


@pytest.fixture
def create(service, marking):
    """Return a function that creates a resource in Neutron as Trove does."""
    def create(collection, kind, name, **more):
        return sessions.NetworkMarkingSession(
            security_group_prefix='trove_sg', **marking).request(
            f'/v2.0/{collection}', 'POST',
            endpoint_override='http://neutron', raise_exc=False,
            data=json.dumps({kind: {'name': name, **more}}))

    return create


@pytest.mark.parametrize('collection', NAMED)
@pytest.mark.parametrize('shown', [{}, {'tags': []}, {'tags': [f'{TAG}0']}])
def test_what_is_created_without_the_tag_gets_it(
        service, create, collection, shown):
    kind, name = NAMED[collection]
    service.answers = [(201, {kind: {'id': 'new', **shown}}), (201, None)]
    assert create(collection, kind, name).status_code == 201
    tagged = service.requests[1]
    assert (tagged.method, tagged.url, tagged.body) == (
        'PUT', f'http://neutron/v2.0/{collection}/new/tags/{TAG}', None)


def test_a_port_is_tagged_as_it_is_created(service, create):
    """As with ML2's tag_ports_during_bulk_creation."""
    service.answers = [(201, {'port': {'id': 'new', 'tags': ['x', TAG]}})]
    create('ports', 'port', f'trove-{INSTANCE}', tags=['x'])
    request, = service.requests
    assert json.loads(request.body) == {'port': {
        'name': f'trove-{INSTANCE}', 'tags': ['x', TAG]}}


def test_a_security_group_is_created_without_tags(service, create):
    """Neutron would refuse it."""
    service.answers = [(201, {'security_group': {'id': 'new'}}), (201, None)]
    create('security-groups', *NAMED['security-groups'])
    assert json.loads(service.requests[0].body) == {'security_group': {
        'name': f'trove_sg-{INSTANCE}'}}


@pytest.mark.parametrize('collection', NAMED)
def test_what_cannot_be_tagged_serves(service, create, collection, caplog):
    kind, name = NAMED[collection]
    service.answers = [(201, {kind: {'id': 'new'}}), (500, None)]
    assert create(collection, kind, name).status_code == 201
    assert 'Could not tag what Trove has created' in caplog.text
    assert f'/{collection}/new/tags/{TAG}: 500' in caplog.text


@pytest.mark.parametrize('collection', NAMED)
def test_what_is_not_created_is_not_tagged(service, create, collection):
    kind, name = NAMED[collection]
    service.answers = [(409, {'NeutronError': {'message': 'No.'}})]
    assert create(collection, kind, name).status_code == 409
    assert len(service.requests) == 1


@pytest.mark.parametrize('collection, kind, name', [
    ('ports', 'port', 'mine'), ('ports', 'port', ''),
    ('ports', 'port', f'trove-{INSTANCE}-x'),
    ('ports', 'port', f'trove_sg-{INSTANCE}'),
    ('security-groups', 'security_group', f'trove-{INSTANCE}'),
    ('security-groups', 'security_group', f'trove_sgx-{INSTANCE}'),
    ('networks', 'network', f'trove-{INSTANCE}'),
    ('security-group-rules', 'security_group_rule', f'trove_sg-{INSTANCE}')])
def test_what_trove_does_not_name_stays_as_it_is(
        service, create, collection, kind, name):
    service.answers = [(201, {kind: {'id': 'new', 'name': name}})]
    create(collection, kind, name)
    request, = service.requests
    assert json.loads(request.body) == {kind: {'name': name}}


def test_reads_are_not_looked_at(service, marking):
    service.answers = [(200, {'ports': []})]
    sessions.NetworkMarkingSession(
        security_group_prefix='trove_sg', **marking).request(
        '/v2.0/ports', 'GET', endpoint_override='http://neutron')
    assert len(service.requests) == 1


@pytest.mark.parametrize('insecure', [False, True])
def test_a_certificate_goes_unchecked_only_where_configured(
        service, identity, insecure):
    """And never Keystone's, which gets Trove's password."""
    service.answers = [(200, None)] * 2
    session = sessions.ServiceSession(insecure, timeout=7, **identity)
    session.request('http://nova/servers', 'GET')
    session.request('http://keystone/auth/tokens', 'POST',
                    authenticated=False)
    assert [options['verify'] is False for options in service.options] == [
        insecure, False]
    assert [options['timeout'] for options in service.options] == [7, 7]
