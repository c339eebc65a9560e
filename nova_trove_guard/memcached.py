# SPDX-License-Identifier: Apache-2.0
"""The cache servers, as far as the look-up cache needs them.

Not through a region of dogpile.cache: its regions hide whether a write got
there, know no "add if absent" and no life per key, and move a key to another
server when its own is dead. What nova_trove_guard.cache.Shared promises rests
on the contrary of each. Nor through a client library: what is asked here is
asked on the way of every guarded call, and the four commands of memcached's
text protocol that it takes are faster by hand; and a whole answer has a limit
in time and length, where libraries have one for each part of it. The operator
configures what any other service of OpenStack has: group ``[cache]``,
registered by oslo.cache.
"""

import collections
import contextlib
import random
import socket
import ssl
import time
import uuid
import zlib

from oslo_cache import core
from oslo_log import log as logging
from oslo_utils import netutils

LOG = logging.getLogger(__name__)

PORT = 11211

# Longer than any pause between two requests of the same thread.
IDLE = 60  # seconds

# A hundred times what is kept of all servers of a large external event.
LONGEST_ANSWER = 16 * 1024 * 1024  # bytes
PART = 64 * 1024  # bytes

SECONDS_OF_CHECK = 60


def servers(conf, prefix):
    """Return the cache servers of nova.conf.

    ``memcache_servers``, ``socket_timeout``, ``memcache_dead_retry`` and
    ``tls_*`` of ``[cache]`` count, whether or not Nova itself caches.

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :param prefix: what all keys start with
    :returns: Servers
    :raises ValueError: for the address of a server that is none
    """
    core.configure(conf)
    options = conf.cache
    return Servers([
        Server(prefix, options.memcache_dead_retry, Connections(
            *netutils.parse_host_port(
                address.removeprefix('inet6:').removeprefix('inet:'), PORT),
            _timeout(options), _tls_context(options)))
        for address in options.memcache_servers])


def _timeout(options):
    # The oslo.cache of OpenStack 2025.1 and 2025.2 has another name for it.
    return (options.socket_timeout if 'socket_timeout' in options
            else options.memcache_socket_timeout)


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


class Unavailable(Exception):
    """A cache server does not answer, or answers what makes no sense."""


class Servers:
    """Cache servers, each of which has the keys of its own.

    What fails raises Unavailable. No key moves while its server is dead:
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

    def failures(self):
        """Yield (str) what is wrong with each server that keeps no value."""
        key, value = f'check/{uuid.uuid4()}', b'kept'
        for server in self._servers:
            try:
                server.set(key, value, SECONDS_OF_CHECK, urgent=True)
                kept = server.get_many([key]).get(key)
                server.delete(key)
            except Unavailable as error:
                yield str(error)
            else:
                if kept != value:
                    yield f'{server} does not keep what it is given'


class Server:
    """A cache server, and whether it is worth asking.

    One that failed is left alone for a while: a dead one costs a process one
    time-out, not one for each request. Writes that must not be lost try it
    nevertheless.

    :param prefix: what all keys start with
    :param pause: for how many seconds
    :param connections: Connections to it
    """

    def __init__(self, prefix, pause, connections):
        self._prefix = prefix
        self._pause = pause
        self._connections = connections
        self._paused_until = 0

    def __str__(self):
        return str(self._connections)

    def get_many(self, keys):
        """Return what is there of some keys: dict of bytes by key.

        :param keys: list of str, of letters that need no escape
        """
        names = {f'{self._prefix}{key}'.encode(): key for key in keys}
        return self._ask(b'get %s\r\n' % b' '.join(names),
                         lambda answer: _values(answer, names))

    def add(self, key, value, seconds):
        """Set a key that is not there, for some seconds."""
        self._store(b'add', key, value, seconds, (b'STORED', b'NOT_STORED'))

    def set(self, key, value, seconds, urgent=False):
        """Set a key for some seconds.

        :param urgent: to try even a server that failed just now
        """
        self._store(b'set', key, value, seconds, (b'STORED',), urgent)

    def delete(self, key, urgent=False):
        """See that a key is not there: see set()."""
        self._ask(f'delete {self._prefix}{key}\r\n'.encode(),
                  lambda answer: _line(answer, (b'DELETED', b'NOT_FOUND')),
                  urgent)

    def _store(self, command, key, value, seconds, wanted, urgent=False):
        self._ask(b'%s %s 0 %d %d\r\n%s\r\n' % (
            command, f'{self._prefix}{key}'.encode(), seconds, len(value),
            value), lambda answer: _line(answer, wanted), urgent)

    def _ask(self, question, read, urgent=False):
        """Return what the server answers; see Connections.exchange.

        :raises Unavailable: where it does not, or nonsense
        """
        if not urgent and time.monotonic() < self._paused_until:
            raise Unavailable(f'{self} is left alone')
        # Others needn't wait with this one for what may be dead still.
        was_paused, self._paused_until = (
            self._paused_until, self._paused_until and self._later())
        try:
            answer = self._connections.exchange(question, read)
        except Exception as error:
            self._paused_until = self._later()
            LOG.warning('The cache server %s failed, and is left alone for '
                        'some %s s: %s: %s', self, self._pause,
                        type(error).__name__, error)
            raise Unavailable(f'{self}: {error}') from error
        if was_paused:
            LOG.warning('The cache server %s works again.', self)
        self._paused_until = 0
        return answer

    def _later(self):
        # Not all processes at once.
        return time.monotonic() + self._pause * random.uniform(0.9, 1.1)


class Connections:
    """Connections to a cache server, each in use by one thread at a time.

    :param host: its name or address
    :param port: its port
    :param seconds: how long an answer may take, from its question on
    :param tls_context: ssl.SSLContext, None for plain TCP
    """

    def __init__(self, host, port, seconds, tls_context=None):
        self._address = host, port
        self._seconds = seconds
        self._tls_context = tls_context
        self._idle = collections.deque()

    def __str__(self):
        return netutils.escape_ipv6(self._address[0]) + f':{self._address[1]}'

    def exchange(self, question, read):
        """Return what a server answers to a question.

        :param question: bytes; asked again where an old connection turns out
            to be none any more
        :param read: function that makes of the answer so far (bytearray)
            what is returned, None for "there must be more"
        :raises Exception: what `read` raises; OSError for all else
        """
        deadline = time.monotonic() + self._seconds
        while True:
            connection, is_new = self._take(deadline)
            try:
                answer = _answer(connection, question, read, deadline)
            except OSError as error:
                connection.close()
                # The server may have been started anew since it was made.
                if is_new or isinstance(error, TimeoutError):
                    raise
            except BaseException:
                # The next question could get the rest of this answer.
                connection.close()
                raise
            else:
                self._idle.append((connection, time.monotonic()))
                return answer

    def _take(self, deadline):
        """Return a connection, and whether it is a new one."""
        with contextlib.suppress(IndexError):
            while True:
                connection, since = self._idle.pop()
                if time.monotonic() - since < IDLE:
                    return connection, False
                connection.close()
        connection = socket.create_connection(
            self._address, _left(deadline))
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls_context is not None:
                connection = self._tls_context.wrap_socket(
                    connection, server_hostname=self._address[0])
        except BaseException:
            connection.close()
            raise
        return connection, True


def _left(deadline):
    """Return how many seconds are left until then, which are some."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError('no end of the answer in time')
    return seconds


def _answer(connection, question, read, deadline):
    """See Connections.exchange.

    A server that sends on and on, but never what ends an answer, would hold a
    thread for good, or take all memory.
    """
    connection.settimeout(_left(deadline))
    connection.sendall(question)
    answer = bytearray()
    while len(answer) <= LONGEST_ANSWER:
        connection.settimeout(_left(deadline))
        part = connection.recv(PART)
        if not part:
            raise ConnectionResetError('the server hung up')
        answer += part
        made = read(answer)
        if made is not None:
            return made
    raise ValueError('no end of the answer')


def _line(answer, wanted):
    """Return the line of which an answer consists, None while it has no end.

    :param wanted: the lines that it may be
    :raises ValueError: if it is another
    """
    if not answer.endswith(b'\r\n'):
        return None
    line = bytes(answer[:-2])
    if line not in wanted:
        raise ValueError(f'answered {line[:80]!r}')
    return line


def _values(answer, names):
    """Return the values in an answer to "get", None while it has no end.

    :param names: dict of the keys by what memcached calls them
    :returns: dict of bytes by key
    :raises ValueError: for nonsense
    """
    if len(answer) > 5 and not answer.startswith((b'VALUE ', b'END\r\n')):
        raise ValueError(f'answered {bytes(answer[:80])!r}')
    if not answer.endswith(b'END\r\n'):
        return None
    found, position = {}, 0
    while not answer.startswith(b'END\r\n', position):
        end = answer.index(b'\r\n', position)
        word, name, _, size = bytes(answer[position:end]).split(b' ')
        if word != b'VALUE' or name not in names or not size.isdigit():
            raise ValueError(f'answered {bytes(answer[position:end][:80])!r}')
        position = end + 2 + int(size)
        found[names[name]] = bytes(answer[end + 2:position])
        if not answer.startswith(b'\r\n', position):
            raise ValueError('a value is not as long as it says')
        position += 2
    if position + 5 != len(answer):
        raise ValueError('there is something behind the answer')
    return found
