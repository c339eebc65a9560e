# SPDX-License-Identifier: Apache-2.0
"""Hostile bytes from the owner of a managed volume, with a valid token.

Whatever they are, Cinder dispatches nothing but reads for that volume. Each
trick that a stock Cinder falls for does its harm there first.
"""

import uuid

import pytest

from tests.functional import tricks
from tests.functional import wire

pytestmark = pytest.mark.xdist_group('matrix of volumes')

READS = ('show', 'index', 'detail', 'summary')
API = '/v3/$project'
KEY = f'{API}/volumes/$volume/metadata/colour'
ACTION = f'{API}/volumes/$volume/action'
BOOTABLE = b'{"os-set_bootable": {"bootable": true}}'
VERSION = 'OpenStack-API-Version: volume 3.70'
JSON, CHUNKED = tricks.JSON, tricks.CHUNKED
trick, works_not = tricks.trick, tricks.works_not

TRICKS = (
    # Another method than the request line's.
    trick('override', 'GET', f'{KEY}?_method=DELETE'),
    trick('override by the last of two', 'GET',
          f'{KEY}?_method=GET&%5Fmethod=DELETE'),
    trick('override of a read to an action', 'GET', f'{ACTION}?_method=POST',
          JSON, body=BOOTABLE),
    works_not('override in a form', 'POST', KEY, tricks.FORM,
              body=b'_method=DELETE'),
    works_not('override in a header', 'GET', KEY,
              'X-HTTP-Method-Override: DELETE'),

    # Another path than it looks.
    trick('format', 'DELETE', f'{KEY}.json'),
    trick('format of an action', 'POST', f'{ACTION}.json', JSON,
          body=BOOTABLE),
    works_not('format in upper case', 'POST', f'{ACTION}.JSON', JSON,
              body=BOOTABLE),
    works_not('line feed at the end', 'DELETE', f'{KEY}%0A'),
    trick('line feed behind an action', 'POST', f'{ACTION}%0a', JSON,
          body=BOOTABLE),
    trick('line feed behind a format', 'POST', f'{ACTION}.json%0a', JSON,
          body=BOOTABLE),
    trick('no project', 'DELETE', '/v3/volumes/$volume/metadata/colour'),
    works_not('another word for a project', 'PUT',
              '/v3/volumes/volumes/$volume/metadata', JSON,
              body=b'{"metadata": {}}'),
    trick('percent-encoded letters', 'DELETE',
          '/v3/%76olumes/$volume/%6detadata/colour'),
    trick('doubled slash', 'DELETE',
          f'{API}//volumes/$volume/metadata/colour'),
    works_not('slash at the end', 'DELETE', f'{KEY}/'),
    works_not('upper-case id', 'DELETE',
              f'{API}/volumes/$VOLUME/metadata/colour'),

    # Another body than it looks.
    trick('escapes', 'POST', ACTION, JSON,
          body=BOOTABLE.replace(b'set', b'\\u0073et')),
    trick('repeated key', 'POST', ACTION, JSON,
          body=b'{"os-set_bootable": 1, ' + BOOTABLE[1:]),
    trick('repeated key within', 'POST', ACTION, JSON,
          body=BOOTABLE.replace(b'{"b', b'{"bootable": 1, "b')),
    works_not('two actions', 'POST', ACTION, JSON,
              body=b'{"os-show_image_metadata": null, ' + BOOTABLE[1:]),
    trick('content type of Cinder\'s own', 'POST', ACTION,
          'Content-Type: application/vnd.openstack.volume+json',
          body=BOOTABLE),
    works_not('no content type', 'POST', ACTION, body=BOOTABLE),
    works_not('JSON as text', 'POST', ACTION, 'Content-Type: text/plain',
              body=BOOTABLE),
    trick('chunks', 'POST', ACTION, JSON, CHUNKED, length=False,
          body=wire.chunked(BOOTABLE)),
    works_not('no body', 'POST', ACTION, JSON),
    trick('an action in the body of another method', 'DELETE',
          f'{API}/groups/$group', VERSION, JSON,
          body=b'{"delete": {"delete-volumes": true}}'),

    # Another caller than the token's.
    trick('forged roles', 'DELETE', KEY,
          *(f'X-{header}' for header in tricks.ROLES)),
    trick('forged roles with underscores', 'DELETE', KEY,
          *(f'X-{header}'.replace('-', '_') for header in tricks.ROLES)),
    works_not('the own token as the service token', 'DELETE', KEY,
              'X-Service-Token: $token'),
)
EACH = pytest.mark.parametrize('trick', TRICKS, ids=lambda trick: trick.name)


@pytest.fixture
def victim(volumes, trick):
    """Return a managed Holding, with what a trick names."""
    holding = volumes.holding(instance=str(uuid.uuid4()))
    holding['volume']
    if b'$group' in trick.request:
        holding['group']
    return holding


def does_harm(volumes, trick, victim, service):
    """Play a trick, and return whether Cinder's database has changed."""
    names = {name: victim[name] for name in ('volume', 'group')
             if f'${name}'.encode() in trick.request}
    before = victim.describe()
    url = volumes.scene.cloud.urls[service]
    wire.send(url, trick.fill_in(
        volumes.scene, url, VOLUME=victim.volume.upper(), **names))
    return victim.describe() != before


@EACH
def test_a_trick_does_not_get_past_the_guard(
        volumes, cinder_witness, trick, victim):
    mark = cinder_witness.mark()
    assert not does_harm(volumes, trick, victim, 'cinder')
    assert not [dispatch for dispatch in cinder_witness.since(mark)
                if dispatch['method'] not in READS]


@EACH
def test_it_does_harm_without_the_guard(volumes, trick, victim):
    assert does_harm(
        volumes, trick, victim, 'cinder-unguarded') == trick.works
