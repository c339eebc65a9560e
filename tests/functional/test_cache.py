# SPDX-License-Identifier: Apache-2.0
"""Two nova-api processes with a look-up cache, before the same databases."""

import collections
import contextlib
import uuid

import pytest

from tests import cache_server
from tests.functional import apis
from tests.functional import scene as scenes

# They need memcached.
pytestmark = pytest.mark.production

OPTIONS = """
[trove_guard]
cache_backend = {backend}
statsd_host = 127.0.0.1
statsd_port = {statsd}
[cache]
memcache_servers = 127.0.0.1:{memcached}
memcache_socket_timeout = 3
"""
TROVE = 'trove in the project'


class Pair:
    """The two, and what they tell.

    :param scene: Scene
    :param urls: where each is
    :param statsd: the UDP socket that gets their metrics
    """

    def __init__(self, scene, urls, statsd):
        self._scene = scene
        self._urls = urls
        self._statsd = statsd
        self._counted = collections.Counter()

    def write(self, who, server, key='purpose', value='web'):
        """Write metadata through each; return the statuses."""
        return [self.write_through(number, who, server, key, value)
                for number in range(len(self._urls))]

    def write_through(self, number, who, server, key, value):
        """Write metadata through one; return the status."""
        return self._scene.connection(who).session.request(
            f'{self._urls[number]}/servers/{server}/metadata/{key}', 'PUT',
            json={'meta': {key: value}}, raise_exc=False).status_code

    def mark_through(self, number, server):
        """Have Trove mark a server through one; return the status."""
        return self.write_through(number, TROVE, server, scenes.MARKER,
                                  str(uuid.uuid4()))

    def counted(self, metric, number):
        """Wait until a metric was counted that often, and not oftener."""
        name = f'nova.trove_guard.{metric}'
        while self._counted[name] < number:
            self._counted[self._statsd.recv(1000).decode().partition(
                ':')[0]] += 1
        return self._counted[name] == number


@pytest.fixture
def memcached():
    """Return a running cache_server.Memcached."""
    with cache_server.running() as server:
        yield server


@pytest.fixture(params=['memory', 'memcached'])
def pair(request, cloud, scene, memcached, tmp_path):
    """Return the Pair of each cache_backend."""
    with contextlib.ExitStack() as stack:
        statsd = stack.enter_context(apis.statsd())
        options = OPTIONS.format(
            backend=request.param, memcached=memcached.port,
            statsd=statsd.getsockname()[1])
        urls = []
        for name in ('one', 'another'):
            (tmp_path / name).mkdir()
            urls.append(stack.enter_context(apis.running(
                cloud, tmp_path / name, options)).url)
        yield Pair(scene, urls, statsd)


in_memcached = pytest.mark.parametrize('pair', ['memcached'], indirect=True)


@pytest.fixture
def server(scene):
    """Return a server of the owner's that nobody has marked yet."""
    server, = scene.make('free')
    yield server
    scene.remove([server])


@pytest.fixture
def database(scene):
    """Return a managed server that Trove holds unlocked."""
    server, = scene.make('database', managed=True)
    yield server
    scene.remove([server])


def test_a_mark_through_one_is_seen_by_both_at_once(pair, server):
    assert pair.write('owner', server) * 2 == [200] * 4
    assert pair.mark_through(0, server) == 200
    for _ in range(2):
        assert pair.write('owner', server) == [403, 403]
        assert pair.write('admin', server) == [403, 403]
    assert pair.write(TROVE, server) == [200, 200]


@in_memcached
def test_what_one_has_looked_up_the_other_remembers(pair, server, managed):
    assert pair.write('owner', server) == [200, 200]
    assert pair.counted('lookup.miss', 2)
    assert pair.write('owner', server) == [200, 200]
    assert pair.counted('lookup.hit', 2)
    assert pair.write('owner', managed) == [403, 403]
    assert pair.counted('lookup.hit', 3)
    assert pair.counted('lookup.miss', 3)
    assert pair.counted(
        'decision.enforce.refused.server-metadata-update', 2)
    assert pair.counted(
        'decision.enforce.not_managed.server-metadata-update', 4)


@in_memcached
@pytest.mark.parametrize('break_it, mend_it', [
    (cache_server.Memcached.stop, cache_server.Memcached.start),
    (cache_server.Memcached.hang, cache_server.Memcached.go_on)])
def test_without_the_cache_decisions_are_as_with_it(
        pair, server, database, memcached, break_it, mend_it):
    assert pair.write('owner', server) * 2 == [200] * 4
    assert pair.write('owner', database) == [403, 403]
    break_it(memcached)
    try:
        assert pair.write('owner', server) == [200, 200]
        assert pair.write('owner', database) == [403, 403]
        assert pair.write(TROVE, database) == [200, 200]
        # The other one might still believe what the cache has.
        assert pair.mark_through(0, server) == 503
        assert pair.write('owner', server) == [200, 200]
    finally:
        mend_it(memcached)
    assert pair.mark_through(0, server) == 200
    assert pair.write('owner', server) == [403, 403]
