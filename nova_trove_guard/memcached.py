# SPDX-License-Identifier: Apache-2.0
"""The cache servers, as far as the look-up cache needs them.

Not through a region of dogpile.cache: its regions hide whether a write got
there, know no "add if absent" and no life per key, and move a key to another
server when its own is dead. What nova_trove_guard.cache.Shared promises rests
on the contrary of each. The operator configures what any other service of
OpenStack has: group ``[cache]``, registered by oslo.cache.
"""

import errno
import random
import socket
import ssl
import time
import zlib

from oslo_cache import core
from oslo_log import log as logging
from pymemcache.client import base

from nova_trove_guard import cache

LOG = logging.getLogger(__name__)

# Longer than any pause between two requests of the same thread.
IDLE = 60  # seconds

# A hundred times what is kept of all servers of a large external event.
LONGEST_ANSWER = 16 * 1024 * 1024  # bytes


def servers(conf, prefix):
    """Return the cache servers of nova.conf.

    ``memcache_servers``, ``socket_timeout``, ``memcache_dead_retry`` and
    ``tls_*`` of ``[cache]`` count, whether or not Nova itself caches.

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :param prefix: what all keys start with
    :returns: Servers
    """
    core.configure(conf)
    options = conf.cache
    return Servers([
        Server(base.PooledClient(
            address.removeprefix('inet6:').removeprefix('inet:'),
            connect_timeout=options.socket_timeout,
            timeout=options.socket_timeout,
            no_delay=True, pool_idle_timeout=IDLE, default_noreply=False,
            key_prefix=prefix.encode(), tls_context=_tls_context(options),
            socket_module=Sockets(options.socket_timeout)),
            options.memcache_dead_retry)
        for address in options.memcache_servers])


def _tls_context(options):
    # As oslo_cache.core._build_cache_config does.
    if not options.tls_enabled:
        return None
    context = ssl.create_default_context(cafile=options.tls_cafile)
    if options.tls_certfile is not None:
        context.load_cert_chain(options.tls_certfile, options.tls_keyfile)
    if options.tls_allowed_ciphers is not None:
        context.set_ciphers(options.tls_allowed_ciphers)
    return context


class Servers:
    """Cache servers, each of which has the keys of its own.

    What fails raises cache.Unavailable. No key moves while its server is dead:
    somebody else might still reach the server, and read there what was
    changed elsewhere.

    :param servers: list of Server; in the same order in each process
    """

    def __init__(self, servers):
        self._servers = servers

    def of(self, item):
        """Return the Server that has what is kept of an item (str)."""
        return self._servers[zlib.crc32(item.encode()) % len(self._servers)]

    def each(self, items):
        """Yield (Server, its items) of a number of items."""
        homes = {}
        for item in items:
            homes.setdefault(self.of(item), []).append(item)
        yield from homes.items()


class Server:
    """A cache server, and whether it is worth asking.

    One that failed is left alone for a while: a dead one costs a process one
    time-out, not one for each request. Writes that must not be lost try it
    nevertheless.

    :param client: pymemcache.client.base.PooledClient
    :param pause: for how many seconds
    """

    def __init__(self, client, pause):
        self._client = client
        self._pause = pause
        self._paused_until = 0

    def get_many(self, keys):
        """Return what is there of some keys: dict of bytes by key."""
        return self._ask('get_many', keys)

    def add(self, key, value, seconds):
        """Set a key that is not there, for some seconds."""
        self._ask('add', key, value, seconds)

    def set(self, key, value, seconds, urgent=False):
        """Set a key for some seconds.

        :param urgent: to try even a server that failed just now
        """
        if not self._ask('set', key, value, seconds, urgent=urgent):
            raise cache.Unavailable(f'{self._client.server} stores nothing')

    def delete(self, key, urgent=False):
        """See that a key is not there: see set()."""
        self._ask('delete', key, urgent=urgent)

    def _ask(self, method, *arguments, urgent=False):
        if not urgent and time.monotonic() < self._paused_until:
            raise cache.Unavailable(f'{self._client.server} is left alone')
        call = getattr(self._client, method)
        # Others needn't wait with this one for what may be dead still.
        was_paused, self._paused_until = (
            self._paused_until, self._paused_until and self._later())
        try:
            answer = self._answer(call, arguments)
        except Exception as error:
            self._paused_until = self._later()
            LOG.warning('The cache server %s failed, and is left alone for '
                        'some %s s: %s: %s', self._client.server, self._pause,
                        type(error).__name__, error)
            raise cache.Unavailable(
                f'{self._client.server}: {error}') from error
        if was_paused:
            LOG.warning('The cache server %s works again.',
                        self._client.server)
        self._paused_until = 0
        return answer

    def _answer(self, call, arguments):
        # The server may have been started anew since these were made.
        for _ in self._client.client_pool.free:
            try:
                return call(*arguments)
            except ConnectionRefusedError:
                raise
            except (base.MemcacheUnexpectedCloseError, ConnectionError):
                pass
        return call(*arguments)

    def _later(self):
        # Not all processes at once.
        return time.monotonic() + self._pause * random.uniform(0.9, 1.1)


class Sockets:
    """What pymemcache takes from the module socket, but limited.

    :param seconds: how long an answer may take, from its question on
    """

    def __init__(self, seconds):
        self._seconds = seconds

    def __getattr__(self, name):
        return getattr(socket, name)

    def socket(self, *arguments):
        """Return a new _Socket."""
        return _Socket(self._seconds, *arguments)


class _Socket(socket.socket):
    """Has its limits for a whole answer, not for each part of it.

    A server that sends on and on, but never what ends an answer, would hold a
    thread for good, or take all memory.
    """

    def __init__(self, seconds, *arguments):
        super().__init__(*arguments)
        self._seconds = seconds

    def sendall(self, data, *flags):
        """Send a question, from which on time and bytes count."""
        self._deadline = time.monotonic() + self._seconds
        self._left = LONGEST_ANSWER
        self.settimeout(self._seconds)
        super().sendall(data, *flags)

    def recv(self, size, *flags):
        """Return a part of the answer."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError('no end of the answer in time')
        self.settimeout(seconds)
        part = super().recv(size, *flags)
        self._left -= len(part)
        if self._left < 0:
            raise OSError(errno.EMSGSIZE, 'no end of the answer')
        return part
