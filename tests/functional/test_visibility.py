# SPDX-License-Identifier: Apache-2.0
"""What a stranger learns of managed servers from a real Nova: nothing.

To the caller something of another project that is managed, something of
another project that is not, and something that is not there at all must look
the same, whatever else is wrong with the request; and as without the guard.
"""

import socket
import urllib.parse
import uuid

import pytest

from tests.cloud import state
from tests.functional import scene as scenes
from tests.functional import wire

ACTION = '/servers/$id/action'
JSON = 'application/json'
# What Nova finds fault with, before or after it looks for the server: method,
# path, body, content type, microversion, and the status of the answer.
FAULTS = {
    'nothing': ('DELETE', '/servers/$id', '', JSON, '2.1', 404),
    'a body that is none': ('POST', ACTION, '{', JSON, '2.1', 400),
    'an empty body': ('POST', ACTION, '', JSON, '2.1', 400),
    'a list': ('POST', ACTION, '[]', JSON, '2.1', 400),
    'two actions': ('POST', ACTION, '{"lock": null, "pause": null}', JSON,
                    '2.1', 400),
    'an unknown action': ('POST', ACTION, '{"x": null}', JSON, '2.1', 400),
    'a bad schema': ('POST', ACTION, '{"resize": {}}', JSON, '2.1', 400),
    'a bad schema of an update': ('PUT', '/servers/$id', '{"x": 1}', JSON,
                                  '2.1', 400),
    'an unsupported content type':
        ('POST', ACTION, '{"lock": null}', 'application/xml', '2.1', 415),
    'a body of a DELETE': ('DELETE', '/servers/$id', '{', JSON, '2.1', 404),
    'a policy': ('POST', ACTION, '{"os-resetState": {"state": "active"}}',
                 JSON, '2.1', 404),
    'a microversion of an action': (
        'POST', ACTION, '{"trigger_crash_dump": null}', JSON, '2.1', 404),
    'a microversion of a path':
        ('DELETE', '/servers/$id/tags', '', JSON, '2.1', 404),
    'a microversion that is not there':
        ('DELETE', '/servers/$id', '', JSON, '9.9', 406),
    'a microversion that is none':
        ('DELETE', '/servers/$id', '', JSON, 'x', 400),
    'a route': ('POST', '/servers/$id/no/route', '{}', JSON, '2.1', 404),
    'another project in the path':
        ('DELETE', f'/{uuid.uuid4().hex}/servers/$id', '', JSON, '2.1', 400),
    'an alias': ('DELETE', '/os-volumes_boot/$id', '', JSON, '2.1', 404),
    'metadata': ('DELETE', '/servers/$id/metadata/trove_instance_id', '',
                 JSON, '2.1', 404),
}


def send(scene, who, region, method, path, body, content_type, version):
    """Send bytes; return the status and the body of the answer."""
    url = {state.GUARDED: scene.cloud.guarded,
           state.UNGUARDED: scene.cloud.unguarded}[region]
    status, text = wire.send(url, wire.request(
        method, f'/v2.1{path}',
        f'X-Auth-Token: {scene.connection(who).auth_token}',
        f'Content-Type: {content_type}',
        f'OpenStack-API-Version: compute {version}', body=body.encode()))
    return status, text.decode()


@pytest.mark.parametrize('fault', FAULTS.values(), ids=FAULTS)
def test_a_server_of_another_project_is_as_one_that_is_not_there(
        scene, managed, ordinary, fault):
    *request, expected = fault
    missing = str(uuid.uuid4())
    answers = {}
    for server in managed, ordinary, missing:
        method, path, *more = request
        for region in state.GUARDED, state.UNGUARDED:
            status, text = send(scene, 'stranger', region, method,
                                path.replace('$id', server), *more)
            answers[server, region] = status, text.replace(server, '$id')
    assert len(set(answers.values())) == 1, answers
    assert answers[managed, state.GUARDED][0] == expected


@pytest.mark.parametrize('fault', FAULTS.values(), ids=FAULTS)
def test_a_server_that_is_not_there_is_as_without_the_guard_to_an_admin(
        scene, fault):
    method, path, *more, _ = fault
    path = path.replace('$id', str(uuid.uuid4()))
    guarded, stock = (send(scene, 'admin', region, method, path, *more)
                      for region in (state.GUARDED, state.UNGUARDED))
    assert guarded == stock


# Volumes and addresses of another project's database.

@pytest.fixture(scope='module')
def database(scene):
    """Return (server, volume, address, floating IP) in Trove's project."""
    trove = scene.connection('trove')
    server = scene.do('trove', 'POST', '/servers', {'server': {
        'name': 'database', 'imageRef': scene.image,
        'flavorRef': scene.flavors['nano'],
        'networks': [{'uuid': scene.network}],
        'metadata': {scenes.MARKER: str(uuid.uuid4())}}})['server']['id']
    scene.await_state(server, 'active')
    volume = trove.block_storage.create_volume(size=1)
    trove.block_storage.wait_for_status(volume, 'available')
    scene.do('trove', 'POST', f'/servers/{server}/os-volume_attachments',
             {'volumeAttachment': {'volumeId': volume.id}})
    trove.block_storage.wait_for_status(volume, 'in-use')
    facts = scene.facts(server)
    floating_ip = scene.connection('admin').network.create_ip(
        floating_network_id=scene.public_network, port_id=facts.port,
        project_id=scene.cloud.projects['trove'])
    yield (server, volume.id, floating_ip.floating_ip_address,
           floating_ip.id)
    scene.connection('admin').network.delete_ip(floating_ip)
    scene.remove([server])


REACHING = {
    'attach': ('POST', '/servers/$server/os-volume_attachments',
               {'volumeAttachment': {'volumeId': '$volume'}}),
    'attach with a bad schema': (
        'POST', '/servers/$server/os-volume_attachments',
        {'volumeAttachment': {'volumeId': '$volume', 'x': 1}}),
    'snapshot': ('POST', '/os-snapshots',
                 {'snapshot': {'volume_id': '$volume', 'force': True}}),
    'delete a volume': ('DELETE', '/os-volumes/$volume', None),
    'take an address': ('POST', '/servers/$server/action',
                        {'addFloatingIp': {'address': '$address'}}),
    'take an address with a bad schema': (
        'POST', '/servers/$server/action',
        {'addFloatingIp': {'address': '$address', 'x': 1}}),
    'release a floating IP':
        ('DELETE', '/os-floating-ips/$released', None),
}


@pytest.mark.parametrize('call', REACHING.values(), ids=REACHING)
def test_what_leads_to_another_project_s_database_is_as_if_it_were_not_there(
        scene, ordinary, database, call):
    server, volume, address, floating_ip = database
    method, path, body = call
    there = {'volume': volume, 'address': address, 'released': floating_ip}
    missing = {'volume': str(uuid.uuid4()), 'address': '203.0.113.254',
               'released': str(uuid.uuid4())}
    answers = []
    for names, region in ((there, state.GUARDED), (there, state.UNGUARDED),
                          (missing, state.GUARDED)):
        facts = scene.facts(ordinary)
        facts.__dict__.update(names)
        answer = scene.ask('owner', method, facts.fill_in(path),
                           facts.fill_in(body), region=region)
        text = answer.text
        for value in names.values():
            text = text.replace(value, '$name')
        answers.append((answer.status_code, text))
    assert len(set(answers)) == 1, answers
    # Nova makes a 500 of Cinder's 404 where a snapshot is wanted.
    assert answers[0][0] in (400, 404, 500)
    assert server not in answers[0][1]


@pytest.mark.parametrize('spelling', ['%3Fcascade=True', '%23', '%252F', '.',
                                      '%20', '%C3%A9'])
def test_a_volume_s_id_can_t_bring_a_query_with_it(
        scene, database, spelling):
    """python-cinderclient pastes it into a URL."""
    _, volume, *_ = database
    for who in 'owner', 'trove':
        answer = scene.ask(who, 'DELETE', f'/os-volumes/{volume}{spelling}')
        if who == 'owner':
            assert answer.status_code == 404
            assert scenes.message(answer) == (
                f'Volume {volume}{urllib.parse.unquote(spelling, "latin-1")} '
                f'could not be found.')
    assert scene.connection('trove').block_storage.get_volume(
        volume).status == 'in-use'


# The end of a body that comes late.

@pytest.mark.parametrize('method, path, body', [
    ('DELETE', '', b'{}'), ('DELETE', '/tags', b'{}'),
    ('PUT', '/tags/x', b'{}'), ('DELETE', '/os-server-password', b'{}'),
    ('POST', '/action', b'{"createImage": {"name": "copy"}}'),
    ('POST', '/action', b'{"os-getConsoleOutput": {}}'),
    ('POST', '/remote-consoles',
     b'{"remote_console": {"protocol": "vnc", "type": "novnc"}}'),
    ('PUT', '', b'{"server": {"name": "taken"}}')])
def test_a_server_that_is_marked_before_the_last_byte_is_guarded(
        scene, witness, method, path, body):
    server, = scene.make('to be marked')
    url = urllib.parse.urlsplit(scene.cloud.guarded)
    text = wire.request(
        method, f'/v2.1/servers/{server}{path}',
        f'X-Auth-Token: {scene.connection("owner").auth_token}',
        'Content-Type: application/json', 'Expect: 100-continue',
        'OpenStack-API-Version: compute 2.96', body=body)
    with socket.create_connection((url.hostname, url.port), 60) as client:
        client.sendall(text[:-1])
        # The request is on its way into Nova's pipeline.
        assert client.recv(65536).startswith(b'HTTP/1.1 100 ')
        answer = scene.ask('trove', 'POST', f'/servers/{server}/metadata',
                           {'metadata': {scenes.MARKER: str(uuid.uuid4())}})
        assert answer.ok
        mark = witness.mark()
        client.sendall(text[-1:])
        status = client.recv(65536).split()[1]
    assert status == b'403'
    assert not witness.mutations_of(server, mark)
    scene.remove([server])
