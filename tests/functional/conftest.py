# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the cloud, fresh for each run, and what every test does in it.

The tests run in the Python of the cloud's own virtual environment.
"""

import subprocess
import sys

import pytest

from tests.cloud import layout
from tests.cloud import state
from tests.functional import databases
from tests.functional import networks_scene
from tests.functional import scene as scenes
from tests.functional import tenants
from tests.functional import volumes_scene
from tests.functional import witness as witnesses


@pytest.fixture(scope='session')
def cloud(request):
    """Bring a fresh cloud up, and down at the end; return state.Cloud.

    It is one as in production, where such tests were asked for.
    """
    command('up', *(['--production'] if is_production(request.config)
                    else []))
    yield state.load()
    command('down')


def is_production(config):
    """Return whether the run is one of what needs more than a default run."""
    return config.option.markexpr.startswith('production')


def command(*arguments):
    """Run a command of tests.cloud, whose failure fails the tests."""
    done = subprocess.run(
        [sys.executable, '-m', 'tests.cloud', *arguments],
        cwd=layout.REPOSITORY, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        pytest.fail(f'The cloud does not go {arguments[0]}:\n{done.stdout}',
                    pytrace=False)


@pytest.fixture(scope='session')
def scene(cloud):
    """Return the Scene of all tests."""
    return scenes.Scene(cloud)


@pytest.fixture(scope='session')
def witness(cloud):
    """Return the Witness of what Nova dispatches."""
    return witnesses.Witness(cloud)


@pytest.fixture(scope='session')
def cinder_witness(cloud):
    """Return the Witness of what Cinder dispatches."""
    return witnesses.Witness(cloud, 'cinder')


@pytest.fixture(scope='session')
def neutron_witness(cloud):
    """Return the Witness of what Neutron dispatches."""
    return witnesses.Witness(cloud, 'neutron')


@pytest.fixture(scope='module')
def networks(scene):
    """Return Networks, of which nothing is managed when they are left.

    A comparison with Trove would ask for each marker.
    """
    networks = networks_scene.Networks(scene)
    yield networks
    networks.rows.delete_tags(networks.tags)


@pytest.fixture(scope='session')
def volumes(scene):
    """Return the Volumes of all tests."""
    return volumes_scene.Volumes(scene)


@pytest.fixture(scope='session')
def troves(scene, witness):
    """Return the Trove of each deployment, by name."""
    troves = {name: databases.Trove(scene, witness, name)
              for name in databases.REGIONS}
    yield troves
    for trove in troves.values():
        if trove.kept:
            trove.discard(trove.kept)


@pytest.fixture(scope='module')
def tenant(trove):
    """Return a tenants.Tenant who attacks the servers he is told of.

    In a deployment that a fixture of the module's names.
    """
    with tenants.attacking(trove.scene) as tenant:
        yield tenant


@pytest.fixture(scope='module')
def instance(trove, tenant):
    """Return the id of a healthy instance, whose server is attacked."""
    instance = trove.take()
    tenant.attack(trove.server_id(instance))
    yield instance
    trove.keep(instance)


@pytest.fixture(scope='module')
def managed(scene):
    """Return a managed server that must stay as it is, locked by Trove."""
    yield from _untouched(scene, locked=True)


@pytest.fixture(scope='module')
def unlocked(scene):
    """Return a managed server that must stay as it is, in a window."""
    yield from _untouched(scene, locked=False)


def _untouched(scene, locked):
    server, = scene.make('database', managed=True, locked=locked)
    before = scene.describe(server)
    yield server
    assert scene.describe(server) == before
    scene.remove([server])


@pytest.fixture(scope='module')
def ordinary(scene):
    """Return a server of the owner's that is not managed."""
    server, = scene.make('ordinary')
    yield server
    scene.remove([server])
