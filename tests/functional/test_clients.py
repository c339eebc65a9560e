# SPDX-License-Identifier: Apache-2.0
"""The clients show a refusal as they show an error of Nova's own."""

import os
import re
import subprocess

from novaclient import client as nova_client
from novaclient import exceptions as nova_exceptions
from openstack import exceptions as sdk_exceptions
import pytest

from tests.cloud import layout
from tests.cloud import people
from tests.cloud import state

INSTANCE = r'[0-9a-f-]{36}'


def refusal(server, operation, instead):
    """Return a pattern for the message of a refusal."""
    return (f'Server {server} is managed by Trove as database instance '
            f'{INSTANCE}: {operation} is not allowed. Use: {instead}')


CREATE_IMAGE = ('servers:create_image', 'openstack database backup create '
                f'<name> --instance {INSTANCE}')
RESIZE = ('servers:resize', 'openstack database instance resize flavor '
          f'{INSTANCE} <flavor>')
REBOOT = ('servers:reboot', f'openstack database instance restart {INSTANCE}')
DELETE = ('servers:delete', f'openstack database instance delete {INSTANCE}')
LOGS = ('os-remote-consoles', f'openstack database log list {INSTANCE}')


# openstacksdk

@pytest.mark.parametrize('who', ['owner', 'admin'])
@pytest.mark.parametrize('ask, told', [
    (lambda compute, server: compute.create_server_image(server, 'copy'),
     CREATE_IMAGE),
    (lambda compute, server: compute.resize_server(server, '1'), RESIZE),
    (lambda compute, server: compute.reboot_server(server, 'HARD'), REBOOT),
    (lambda compute, server: compute.delete_server(server), DELETE),
    (lambda compute, server: compute.create_server_remote_console(
        server, protocol='vnc', type='novnc'), LOGS),
], ids=['image', 'resize', 'reboot', 'delete', 'console'])
def test_openstacksdk_shows_it(scene, managed, who, ask, told):
    with pytest.raises(sdk_exceptions.ForbiddenException) as caught:
        ask(scene.connection(who).compute, managed)
    assert re.match(refusal(managed, *told), caught.value.details)
    assert caught.value.request_id.startswith('req-')


# python-novaclient

def novaclient(scene, who):
    """Return a novaclient of a principal."""
    connection = scene.connection(who)
    return nova_client.Client('2.90', session=connection.session,
                              region_name=state.GUARDED)


@pytest.mark.parametrize('who', ['owner', 'admin'])
@pytest.mark.parametrize('ask, told', [
    (lambda servers, server: servers.create_image(server, 'copy'),
     CREATE_IMAGE),
    (lambda servers, server: servers.resize(server, '1'), RESIZE),
    (lambda servers, server: servers.reboot(server), REBOOT),
    (lambda servers, server: servers.delete(server), DELETE),
    (lambda servers, server: servers.get_vnc_console(server, 'novnc'), LOGS),
], ids=['image', 'resize', 'reboot', 'delete', 'console'])
def test_novaclient_shows_it(scene, managed, who, ask, told):
    with pytest.raises(nova_exceptions.Forbidden) as caught:
        ask(novaclient(scene, who).servers, managed)
    assert re.match(refusal(managed, *told), caught.value.message)
    assert caught.value.request_id.startswith('req-')


# The openstack command

def openstack(cloud, who, command, region=state.GUARDED):
    """Run an openstack command in a user's shell.

    :returns: (exit status, output)
    """
    others = {name: value for name, value in os.environ.items()
              if not name.startswith('OS_')}
    done = subprocess.run(
        [layout.Layout(cloud.root).venv / 'bin' / 'openstack',
         '--os-region-name', region, *command.split()],
        env=others | cloud.environment(people.named(who)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize('region, error', [
    (state.GUARDED, 'ForbiddenException: 403: Client Error for url: {url}, '
                    'Server {server} is managed by Trove'),
    (state.UNGUARDED, 'ConflictException: 409: Client Error for url: {url}, '
                      'Instance {server} is locked'),
])
def test_openstack_shows_it_as_a_refusal_by_nova(
        cloud, managed, region, error):
    """The second error is Nova's lock's own."""
    nova = {state.GUARDED: cloud.guarded, state.UNGUARDED: cloud.unguarded}
    status, output = openstack(cloud, 'owner', f'server stop {managed}',
                               region)
    assert status == 1
    # An older client tells first that it does not know the microversion.
    told = error.format(
        server=managed, url=f'{nova[region]}/servers/{managed}/action')
    assert any(line.startswith(told) for line in output.splitlines()), output


@pytest.mark.parametrize('command, told', [
    ('server image create --name copy', CREATE_IMAGE),
    ('server resize --flavor m1.small', RESIZE),
    ('server delete', DELETE),
    ('console url show', LOGS),
])
def test_openstack_says_what_to_do_instead(cloud, managed, command, told):
    status, output = openstack(cloud, 'owner', f'{command} {managed}')
    assert status == 1
    assert re.search(refusal(managed, *told), output)


def test_openstack_works_on_an_ordinary_server(cloud, scene, ordinary):
    for command in ('server set --tag mine', 'console log show',
                    'console url show', 'server stop'):
        status, output = openstack(cloud, 'owner', f'{command} {ordinary}')
        assert status == 0, output
    assert scene.settled(ordinary)['status'] == 'SHUTOFF'
