# SPDX-License-Identifier: Apache-2.0
"""Hostile bytes from the owner of a managed server, with a valid token.

Whatever they are, Nova dispatches nothing but reads for that server. Each
trick that a stock Nova falls for does its harm there, so that the test of it
is known to be one.
"""

import hypothesis
import pytest

from tests.cloud import releases
from tests.functional import conftest
from tests.functional import tricks
from tests.functional import wire
from tests.unit import nova_api
from tests.unit import requests as hostile

pytestmark = pytest.mark.each_cloud
KEPT = 'kept'
LOCK = b'{"lock": null}'
KEY = f'/v2.1/servers/$server/metadata/{KEPT}'
ACTION = '/v2.1/servers/$server/action'
FORM, JSON, CHUNKED = tricks.FORM, tricks.JSON, tricks.CHUNKED
trick, works_not = tricks.trick, tricks.works_not


def _smuggled():
    """Return a request that lies in the body of another."""
    return wire.request('DELETE', KEY, 'X-Auth-Token: $token')


TRICKS = (
    # Another method than the request line's.
    trick('override', 'GET', f'{KEY}?_method=DELETE'),
    trick('override in lower case', 'GET', f'{KEY}?_method=delete'),
    trick('override with an encoded method', 'GET',
          f'{KEY}?_method=%44ELETE'),
    trick('override behind other parameters', 'GET',
          f'{KEY}?a=b&_method=DELETE&c'),
    trick('override with an encoded name', 'GET',
          f'{KEY}?x=_method&%5Fmethod=DELETE'),
    trick('override by the last of two', 'GET',
          f'{KEY}?_method=GET&_method=DELETE'),
    trick('override behind a semicolon', 'GET', f'{KEY}?a;_method=DELETE'),
    works_not('override of a PUT', 'PUT', f'{KEY}?_method=DELETE'),
    works_not('override of a read to an action', 'GET',
              f'{ACTION}?_method=POST', JSON, body=LOCK),
    works_not('override by the first of two', 'GET',
              f'{KEY}?_method=DELETE&_method=GET'),
    works_not('override in upper case', 'GET', f'{KEY}?_METHOD=DELETE'),
    works_not('override in a header', 'GET', KEY,
              'X-HTTP-Method-Override: DELETE', 'X-Method-Override: DELETE',
              'X-HTTP-Method: DELETE'),
    works_not('override in a form', 'POST', KEY, FORM,
              body=b'_method=DELETE'),
    works_not('override in a form of a GET', 'GET', KEY, FORM,
              body=b'_method=DELETE'),
    works_not('lower-case method', 'delete', KEY),
    works_not('no such method', 'DELETED', KEY),

    # Another path than it looks.
    trick('line feed at the end', 'DELETE', f'{KEY}%0A'),
    trick('line feed behind an action', 'POST', f'{ACTION}%0a', JSON,
          body=LOCK),
    works_not('carriage return at the end', 'DELETE', f'{KEY}%0D%0A'),
    trick('project in the path', 'DELETE',
          f'/v2.1/$project/servers/$server/metadata/{KEPT}'),
    # But it deletes: see test_matrix. Since 2026.1 Nova itself loses bodies
    # on the way from the alias.
    trick('alias', 'PUT', '/v2.1/os-volumes_boot/$server', JSON,
          body=b'{"server": {"name": "renamed"}}',
          works=releases.from_environment() in ('2025.1', '2025.2')),
    trick('legacy API', 'DELETE', f'/v2/servers/$server/metadata/{KEPT}'),
    trick('version in the Accept header', 'DELETE',
          f'/servers/$server/metadata/{KEPT}',
          'Accept: application/json;version=2.1/x'),
    trick('percent-encoded letters', 'DELETE',
          f'/v2.1/%73ervers/$server/%6detadata/{KEPT}'),
    works_not('absolute form', 'DELETE', f'http://$host{KEY}'),
    works_not('absolute form of another host', 'DELETE',
              f'http://elsewhere.example{KEY}'),
    works_not('upper-case id', 'DELETE',
              f'/v2.1/servers/$SERVER/metadata/{KEPT}'),
    works_not('upper-case path', 'DELETE',
              f'/v2.1/SERVERS/$server/metadata/{KEPT}'),
    trick('doubled slash', 'DELETE',
          f'/v2.1//servers/$server/metadata/{KEPT}'),
    trick('doubled slash in the middle', 'DELETE',
          f'/v2.1/servers//$server/metadata/{KEPT}'),
    works_not('dot segments', 'DELETE',
              f'/v2.1/flavors/../servers/$server/metadata/{KEPT}'),
    works_not('path parameters', 'DELETE',
              f'/v2.1/servers;x/$server;x/metadata/{KEPT};x'),
    works_not('percent-encoded slash', 'DELETE',
              f'/v2.1/servers%2F$server/metadata/{KEPT}'),
    works_not('format', 'DELETE', f'{KEY}.json'),
    works_not('query mark in the path', 'DELETE', f'{KEY}%3Fa=b'),

    # Another body than it looks.
    trick('escapes', 'POST', ACTION, JSON, body=b'{"\\u006coc\\u006B": {}}'),
    trick('repeated key', 'POST', ACTION, JSON,
          body=b'{"lock": {"locked_reason": 1}, "lock": null}'),
    trick('no content type', 'POST', ACTION, body=LOCK),
    trick('JSON as text', 'POST', ACTION, 'Content-Type: text/plain',
          body=LOCK),
    works_not('JSON in UTF-16', 'POST', ACTION, JSON,
              body=LOCK.decode().encode('utf-16')),
    trick('chunks', 'POST', ACTION, JSON, CHUNKED, length=False,
          body=wire.chunked(LOCK)),
    trick('chunks and trailers', 'POST', ACTION, JSON, CHUNKED, length=False,
          body=wire.chunked(LOCK, trailers='X-Roles: trove_admin\r\n')),
    works_not('length and chunks', 'POST', ACTION, JSON, CHUNKED,
              'Content-Length: 4', length=False, body=wire.chunked(LOCK)),
    works_not('smuggled behind a length', 'POST', ACTION, JSON, CHUNKED,
              'Content-Length: 4', length=False,
              body=b'0\r\n\r\n' + _smuggled()),
    trick('repeated length', 'POST', ACTION, JSON, 'Content-Length: 0',
          f'Content-Length: {len(LOCK)}', length=False, body=LOCK),
    works_not('two actions', 'POST', ACTION, JSON,
              body=b'{"os-getConsoleOutput": {}, "lock": null}'),
    works_not('JSON as a form', 'POST', ACTION, FORM, body=LOCK),

    # Another caller than the token's.
    trick('forged roles', 'DELETE', KEY,
          *(f'X-{header}' for header in tricks.ROLES)),
    trick('forged roles with underscores', 'DELETE', KEY,
          *(f'X-{header}'.replace('-', '_') for header in tricks.ROLES)),
    trick('repeated header', 'DELETE', KEY, 'X-Roles: trove_admin',
          'X-Roles: admin'),
    works_not('the own token as the service token', 'DELETE', KEY,
              'X-Service-Token: $token'),
    works_not('no service token at all', 'DELETE', KEY,
              'X-Service-Token: trove_admin'),
    trick('repeated token', 'DELETE', KEY, 'X-Auth-Token: $token'),
)

# Tricks that work with uWSGI and MariaDB where they otherwise do not, or the
# other way round.
OTHERWISE_IN_PRODUCTION = frozenset((
    # uWSGI decodes paths, and leaves out what is neither path nor query.
    'absolute form', 'absolute form of another host', 'dot segments',
    'percent-encoded slash',
    # MariaDB does not tell upper from lower case.
    'upper-case id',
    # uWSGI takes no chunks, and of repeated headers the last one or both.
    'chunks', 'chunks and trailers', 'repeated length', 'repeated token'))


@pytest.fixture(scope='module')
def database(scene):
    """Return a managed server in a window, whose metadata can be harmed."""
    server, = scene.make('database', managed=True, metadata={KEPT: 'yes'})
    before = scene.describe(server)
    yield server
    assert scene.describe(server) == before
    scene.remove([server])


@pytest.fixture
def victim(scene, victims):
    """Return a managed server to do harm to, and mend it afterwards."""
    yield victims
    metadata = scene.show(victims)['metadata'] | {KEPT: 'yes'}
    scene.do('trove', 'PUT', f'/servers/{victims}/metadata',
             {'metadata': metadata})
    scene.act('trove', victims, {'unlock': None})


@pytest.fixture(scope='module')
def victims(scene):
    """Return the server of all victims."""
    server, = scene.make('victim', managed=True, metadata={KEPT: 'yes'})
    yield server
    scene.remove([server])


def send(scene, url, trick, server):
    """Play a trick on a server."""
    wire.send(url, trick.fill_in(
        scene, url, server=server, SERVER=server.upper()))


@pytest.mark.parametrize('trick', TRICKS, ids=lambda trick: trick.name)
def test_a_trick_does_not_get_past_the_guard(
        scene, witness, database, trick):
    before = scene.describe(database)
    mark = witness.mark()
    send(scene, scene.cloud.guarded, trick, database)
    assert not witness.mutations_of(database, mark)
    assert scene.describe(database) == before


@pytest.mark.parametrize('trick', TRICKS, ids=lambda trick: trick.name)
def test_it_does_harm_or_fails_without_the_guard(
        request, scene, witness, victim, trick):
    works = trick.works
    if conftest.is_production(request.config):
        works ^= trick.name in OTHERWISE_IN_PRODUCTION
    before = scene.describe(victim)
    mark = witness.mark()
    send(scene, scene.cloud.unguarded, trick, victim)
    assert bool(witness.mutations_of(victim, mark)) >= works
    assert (scene.describe(victim) != before) == works


# Requests that nobody thought of.

settings = hypothesis.settings(
    max_examples=400, deadline=None, derandomize=True, database=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck))


def about(scene, request, server):
    """Return the bytes of a generated request, about a real server."""
    token = scene.connection('owner').auth_token
    text = wire.from_environ(
        request.environ | {'HTTP_X_AUTH_TOKEN': token}, request.body)
    real = {nova_api.MANAGED: server,
            nova_api.PROJECT: scene.cloud.projects['demo']}
    for made_up, there in real.items():
        for spell in (str.lower, str.upper,
                      lambda name: name.replace('-', '')):
            for encoding in ('utf-8', 'utf-16-le', 'utf-32-le'):
                text = text.replace(spell(made_up).encode(encoding),
                                    spell(there).encode(encoding))
    return text


def test_nothing_but_reads_gets_past_the_guard(scene, witness, database):
    @settings
    @hypothesis.given(request=hostile.requests())
    def attack(request):
        mark = witness.mark()
        text = about(scene, request, database)
        wire.send(scene.cloud.guarded, text)
        hypothesis.note(text)
        assert not witness.mutations_of(database, mark)

    attack()


def test_the_same_requests_get_past_without_the_guard(scene, witness):
    server, = scene.make('victim', managed=True)
    mark = witness.mark()

    @hypothesis.settings(settings, max_examples=100)
    @hypothesis.given(request=hostile.requests())
    def attack(request):
        wire.send(scene.cloud.unguarded, about(scene, request, server))

    attack()
    scene.remove([server])
    assert witness.mutations_of(server, mark)
