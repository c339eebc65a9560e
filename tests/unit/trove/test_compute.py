# SPDX-License-Identifier: Apache-2.0
"""What the Trove admin asks of Nova, and the marking of siblings."""

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
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.requests = []
        self.answers = []

    def send(self, request, **_):
        self.requests.append(request)
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


def microversion(request):
    return request.headers.get('OpenStack-API-Version')


def test_a_lock_has_a_reason(service, nova):
    service.answers = [(202, None)]
    assert nova.lock(SERVER, 'because') is True
    assert service.bodies == [{'lock': {'locked_reason': 'because'}}]
    assert microversion(service.requests[0]) == 'compute 2.73'


def test_an_older_nova_gets_none(service, nova):
    service.answers = [(406, None), (202, None)]
    assert nova.lock(SERVER, 'because') is True
    assert service.bodies[1] == {'lock': None}


@pytest.mark.parametrize('tagging', [201, 204, 403, 404, 406, 409, 503])
def test_it_is_tagged_as_well_where_users_own_servers(
        service, everywhere, tagging):
    service.answers = [(202, None), (tagging, None)]
    assert everywhere.lock(SERVER, 'because') is True
    request = service.requests[1]
    assert (request.method, request.path_url) == (
        'PUT', f'/servers/{SERVER}/tags/trove_instance')
    assert microversion(request) == 'compute 2.26'


def test_nothing_is_tagged_that_is_gone(service, everywhere):
    service.answers = [(404, None)]
    assert everywhere.lock(SERVER, 'because') is False
    assert len(service.requests) == 1


@pytest.mark.parametrize('act', [
    lambda nova: nova.lock(SERVER, 'because'),
    lambda nova: nova.unlock(SERVER),
    lambda nova: nova.is_active(SERVER)])
def test_a_server_that_is_gone_is_no_error(service, nova, act):
    service.answers = [(404, None)]
    assert act(nova) is False


@pytest.mark.parametrize('answer, is_locked', [
    ((200, {'server': {'locked': True}}), True),
    ((200, {'server': {'locked': False}}), False),
    ((404, None), True)])
def test_it_tells_whether_a_server_is_locked(
        service, nova, answer, is_locked):
    service.answers = [answer]
    assert nova.is_locked(SERVER) is is_locked


@pytest.mark.parametrize('status', [401, 403, 409, 500, 503])
def test_a_refusal_is_one(service, nova, status):
    service.answers = [(status, None)] * 2
    with pytest.raises(exceptions.ClientException):
        nova.unlock(SERVER)


def page(*servers, more=False):
    links = {'servers_links': [{'rel': 'next'}]} if more else {}
    return 200, {'servers': list(servers)} | links


def server(name, status='ACTIVE', metadata=None):
    return {'id': name, 'status': status,
            'metadata': {KEY: INSTANCE} if metadata is None else metadata}


def queries(service):
    return [dict(urllib.parse.parse_qsl(
        urllib.parse.urlsplit(request.url).query))
        for request in service.requests]


def test_unlocked_servers_are_one_call_a_page(service, nova):
    service.answers = [page(server('1'), server('2'), more=True),
                       page(server('3'))]
    assert [one.uuid for one in nova.unlocked()] == ['1', '2', '3']
    assert queries(service) == [{'locked': 'false'},
                                {'locked': 'false', 'marker': '2'}]


def test_they_are_everywhere_where_users_own_them(service, everywhere):
    service.answers = [page()]
    assert not list(everywhere.unlocked())
    assert queries(service) == [{'locked': 'false', 'all_tenants': '1',
                                 'tags': 'trove_instance'}]


def test_what_builds_or_is_not_trove_s_is_left_alone(service, nova):
    service.answers = [page(server('1', status='BUILD'),
                            server('2', metadata={}),
                            server('3', status='ERROR'))]
    assert [one.uuid for one in nova.unlocked()] == ['3']


# Siblings.

def test_a_volume_is_marked(service, identity):
    service.answers = [(202, None)]
    sessions.VolumeMarkingSession(KEY, **identity).request(
        '/volumes', 'POST', endpoint_override='http://cinder',
        json={'volume': {'name': f'trove-{INSTANCE}', 'metadata': {}}})
    assert json.loads(service.requests[0].body)['volume']['metadata'] == {
        KEY: INSTANCE}


def test_a_port_is_tagged(service, identity):
    service.answers = [(201, {'port': {'id': 'port',
                                       'name': f'trove-{INSTANCE}'}}),
                       (201, None)]
    sessions.PortMarkingSession(KEY, **identity).request(
        '/v2.0/ports', 'POST', endpoint_override='http://neutron',
        data='{}', raise_exc=False)
    tagged = service.requests[1]
    assert (tagged.method, tagged.url, tagged.body) == (
        'PUT', f'http://neutron/v2.0/ports/port/tags/{KEY}_{INSTANCE}', None)


def test_a_port_that_can_t_be_tagged_serves(service, identity):
    service.answers = [(201, {'port': {'id': 'port',
                                       'name': f'trove-{INSTANCE}'}}),
                       (500, None)]
    answer = sessions.PortMarkingSession(KEY, **identity).request(
        '/v2.0/ports', 'POST', endpoint_override='http://neutron',
        data='{}', raise_exc=False)
    assert answer.status_code == 201


@pytest.mark.parametrize('name', ['mine', '', f'trove-{INSTANCE}-x'])
def test_what_trove_does_not_name_stays_as_it_is(service, identity, name):
    service.answers = [(201, {'port': {'id': 'port', 'name': name}})]
    sessions.PortMarkingSession(KEY, **identity).request(
        '/v2.0/ports', 'POST', endpoint_override='http://neutron',
        data='{}')
    assert len(service.requests) == 1
