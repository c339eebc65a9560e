# SPDX-License-Identifier: Apache-2.0
"""Servers at the odd stages of their life, and those that are no more."""

import uuid

import pytest

from tests.cloud import state
from tests.functional import scene as scenes

GUARDED_CALLS = (
    ('DELETE', '', None),
    ('PUT', '', {'server': {'name': 'renamed'}}),
    ('DELETE', '/metadata/trove_instance_id', None),
    ('POST', '/action', {'os-start': None}),
    ('POST', '/action', {'unshelve': None}),
    ('POST', '/action', {'forceDelete': None}),
    ('POST', '/action', {'createImage': {'name': 'copy'}}),
)


@pytest.fixture(scope='module')
def failed(scene):
    """Return a managed server that no host had room for.

    It never came to a cell of its own, and lives in cell0.
    """
    server, = scene.make('failed', managed=True, life='ERROR',
                         flavor=scene.flavors['huge'])
    yield server
    scene.remove([server])


@pytest.fixture(scope='module')
def shelved(scene):
    """Return a managed server that is on no host any more."""
    server, = scene.make('shelved', managed=True)
    scene.act('trove', server, {'shelve': None})
    scene.await_state(server, 'shelved_offloaded', is_on_a_host=False)
    yield server
    scene.remove([server])


@pytest.fixture(scope='module')
def deleted(scene):
    """Return the id of a managed server that was deleted."""
    server, = scene.make('deleted', managed=True)
    scene.remove([server])
    scene.await_end(server)
    return server


@pytest.fixture(scope='module')
def missing():
    """Return the id of a server that never was."""
    return str(uuid.uuid4())


@pytest.mark.parametrize('method, path, body', GUARDED_CALLS)
@pytest.mark.parametrize('stage', ['failed', 'shelved'])
def test_a_managed_server_is_found_at_each_stage(
        request, scene, witness, stage, method, path, body):
    server = request.getfixturevalue(stage)
    before = scene.show(server)
    answer = scene.ask('owner', method, f'/servers/{server}{path}', body)
    assert answer.status_code == 403
    assert scenes.message(answer).startswith(f'Server {server} is managed')
    assert not witness.dispatches(answer.headers['x-openstack-request-id'])
    assert scene.show(server) == before


@pytest.mark.parametrize('method, path, body', GUARDED_CALLS)
@pytest.mark.parametrize('stage', ['deleted', 'missing'])
@pytest.mark.parametrize('who', ['owner', 'admin', 'trove'])
def test_what_is_not_there_is_not_there_for_nova_to_say(
        request, scene, who, stage, method, path, body):
    server = request.getfixturevalue(stage)
    guarded, stock = (
        scenes.normal(
            scene.ask(who, method, f'/servers/{server}{path}', body,
                      region=region), server, scene.cloud)
        for region in (state.GUARDED, state.UNGUARDED))
    if (stage, body) == ('deleted', {'os-start': None}) and who != 'trove':
        # Nova remembers in which cell it was, and says so by other words.
        guarded, stock = guarded[:2], stock[:2]
    assert guarded == stock
    assert guarded[0] == 404


def test_a_server_is_guarded_from_the_moment_it_is_asked_for(scene, witness):
    """It may not be in a cell yet, or fail on its way: it is found."""
    server = scene.do('trove in the project', 'POST', '/servers', {
        'server': {'name': 'newborn', 'imageRef': scene.image,
                   'flavorRef': scene.flavors['nano'], 'networks': 'none',
                   'metadata': {scenes.MARKER: str(uuid.uuid4())}}})[
        'server']['id']
    answer = scene.ask('owner', 'DELETE', f'/servers/{server}')
    assert answer.status_code == 403
    assert not witness.dispatches(answer.headers['x-openstack-request-id'])
    assert scene.settled(server)['status'] == 'ACTIVE'
    scene.remove([server])
