# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a server: whether it is Trove's, or is not.

That a server is Trove's may be out of date: the guard then refuses what it
need not, for a while. That it is not Trove's may never be: the guard would
let pass what it must refuse. The first is all that a process remembers for
itself (Memory); the second takes a cache that all processes of the API share
(Shared), where whoever marks a server can have it forgotten.

Only what exists in Nova is remembered, and only by an id in the one form in
which Nova makes it: nobody can fill a cache with ids of their own invention.
"""

import collections
import contextlib
import dataclasses
import hashlib
import json
import re
import threading
import uuid

from oslo_cache import core

from nova_trove_guard import memcached

_EPOCH = re.compile(b'[0-9a-f]{32}')

# A request of the Trove admin's that takes longer than this did not end.
LONGEST_REQUEST = 24 * 3600  # seconds


@dataclasses.dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a server.

    :ivar known: whether it is known if the server is Trove's
    :ivar server: the nova.lookup.ManagedServer, None where it is
        not Trove's or nothing is known
    :ivar epoch: with what a look-up that starts now may be remembered, if the
        server turns out not to be Trove's (bytes), None for not at all
    """

    known: bool = False
    server: object = None
    epoch: bytes | None = None


NOTHING = Memory()


class InProcess:
    """Remembers the servers of Trove's in this process.

    :param seconds: for how long
    :param size: how many
    """

    def __init__(self, seconds, size):
        self._region = core.create_region().configure(
            'dogpile.cache.memory', expiration_time=seconds,
            arguments={'cache_dict': Recent(size)})

    def recall(self, server_ids):
        """Return what is remembered: dict of Memory by server id.

        :param server_ids: iterable of ids (str), in their canonical form
        """
        found = ((server_id, self._region.get(server_id))
                 for server_id in server_ids)
        return {server_id: Memory(True, server) for server_id, server in found
                if server is not core.NO_VALUE}

    def remember_managed(self, server):
        """Remember that a server is Trove's.

        :param server: ManagedServer
        """
        self._region.set(server.uuid, server)

    def remember_not_managed(self, server_id, memory):
        """Remember that a server exists and is not Trove's: not here.

        :param memory: what was recalled before it was looked up
        """

    @contextlib.contextmanager
    def changing(self, server_id, marks):
        """Have forgotten what a call may change that is passed on within.

        :param server_id: the server that it changes
        :param marks: whether it may make the server Trove's
        :raises memcached.Unavailable: where it must not be passed on, or was,
            and must not be answered as successful
        """
        try:
            yield
        finally:
            self._region.delete(server_id)


class Recent:
    """A mapping, for dogpile.cache, of what was last asked for.

    :param size: how much of it
    """

    def __init__(self, size):
        self._size = size
        self._items = collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, key, default=None):
        """Return a value, or the default."""
        with self._lock:
            if key not in self._items:
                return default
            self._items.move_to_end(key)
            return self._items[key]

    def __setitem__(self, key, value):
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            if len(self._items) > self._size:
                self._items.popitem(last=False)

    def pop(self, key, default=None):
        """Take a value out, and return it or the default."""
        with self._lock:
            return self._items.pop(key, default)

    def __len__(self):
        return len(self._items)


class Shared:
    """Remembers both in memcached, for all processes of the API.

    Two keys for each server: what it is, and its *epoch*, a random value.
    "Not Trove's" bears the epoch that was there before the look-up began, and
    counts only while the same is there (recall() reads both keys at once). A
    call that may mark a server is passed on between two writes: the first
    sets the epoch to MARKING, under which nothing is remembered or believed,
    the second deletes the epoch. A process that finds none adds a new one,
    after a look-up and not for it.

    *A call that is answered as successful has marked the server for all.* Say
    Nova's database has the marker since moment C. The second write, at D,
    comes after C and before the answer; where it fails, the answer is 503.
    Whoever asks after the answer believes "not Trove's" only with an epoch
    that is there then. No epoch of before D is, as each is a new random value
    that is added once: it was added after D. It was read before the look-up
    began that it is remembered with, so that this began after C, and found
    the marker. Nothing in this rests on time: not on clocks, nor on how long
    a reader stops between any two steps, nor on what the cache forgets, by
    eviction or a restart; only on each key being in one place
    (memcached.Servers), in which it has one value at a time.

    *A call that is not answered*, as its process dies or loses the cache in
    the middle, may have marked the server or not. The first write failed:
    then it was not passed on, and is refused with 503. Only the second did
    not happen: then MARKING stays for LONGEST_REQUEST, and nothing is
    remembered or believed. The Trove admin has no answer, and asks again.
    That leaves one case, in which "not Trove's" is believed for as long as it
    is remembered: the cache loses MARKING (or another marking of the same
    server deletes it) while the call runs, and nobody gets an answer to it.

    What changes Nova's database past the guard, or past the cache (a process
    of the API that is configured with another, or with none), is seen when
    what is remembered ends.

    :param servers: memcached.Servers
    :param make: function (uuid, project_id, user_id, database_instance) that
        returns a ManagedServer
    :param seconds: for how long "Trove's" is remembered
    :param seconds_not_managed: for how long "not Trove's" is, 0 for not at
        all
    """

    MARKING = b'marking'

    def __init__(self, servers, make, seconds, seconds_not_managed):
        self._servers = servers
        self._make = make
        self._seconds = seconds
        self._seconds_not_managed = seconds_not_managed

    def recall(self, server_ids):
        """See InProcess."""
        memories = {}
        for home, ids in self._servers.each(server_ids):
            with _tolerated():
                kept = home.get_many(
                    [key for server_id in ids
                     for key in (server_id, _epoch(server_id))])
                for server_id in ids:
                    memories[server_id] = self._memory(
                        server_id, kept.get(server_id),
                        kept.get(_epoch(server_id), b''))
        return memories

    def _memory(self, server_id, what, epoch):
        if epoch and _EPOCH.fullmatch(epoch) is None:  # MARKING, or garbage
            epoch = None
        if epoch and what == _not_managed(server_id, epoch):
            return Memory(True, None, epoch)
        # One that is all in JSON, whatever is in the cache.
        match _parsed(what):
            case [str(name), str(project), str(user), str(instance)] if (
                    name == server_id):
                return Memory(True, self._make(name, project, user, instance))
        return Memory(epoch=epoch)

    def remember_managed(self, server):
        """See InProcess."""
        self._write(server.uuid, self._seconds, json.dumps([
            server.uuid, server.project_id, server.user_id,
            server.database_instance]).encode())

    def remember_not_managed(self, server_id, memory):
        """See InProcess."""
        if not self._seconds_not_managed or memory.epoch is None:
            return
        if memory.epoch:
            self._write(server_id, self._seconds_not_managed,
                        _not_managed(server_id, memory.epoch))
            return
        with _tolerated():
            self._servers.of(server_id).add(
                _epoch(server_id), uuid.uuid4().hex.encode(), LONGEST_REQUEST)

    def _write(self, server_id, seconds, what):
        with _tolerated():
            self._servers.of(server_id).set(server_id, what, seconds)

    @contextlib.contextmanager
    def changing(self, server_id, marks):
        """See InProcess."""
        home = self._servers.of(server_id)
        if marks:
            home.set(_epoch(server_id), self.MARKING, LONGEST_REQUEST,
                     urgent=True)
        try:
            yield
        finally:
            if marks:
                home.delete(_epoch(server_id), urgent=True)
            with _tolerated():
                home.delete(server_id)


def _tolerated():
    """Return a context in which one goes on without the cache if it fails."""
    return contextlib.suppress(memcached.Unavailable)


def _epoch(server_id):
    return f'{server_id}/epoch'


def _not_managed(server_id, epoch):
    return b'%s is not managed since %s' % (server_id.encode(), epoch)


def _parsed(what):
    """Return JSON (bytes or None) as data, None for what is none."""
    try:
        return json.loads(what) if what else None
    except (ValueError, RecursionError):
        return None


def of(conf, settings, make):
    """Return the memory that an operator wants: InProcess, Shared or None.

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :param settings: nova_trove_guard.core.options.Settings
    :param make: see Shared
    """
    return _BACKENDS[settings.cache_backend](conf, settings, make)


def servers(conf, settings):
    """Return the cache servers of an operator (memcached.Servers).

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :param settings: nova_trove_guard.core.options.Settings
    :raises ValueError: for the address of a server that is none
    """
    # Two clouds may share cache servers, but not what marks a server.
    marker = hashlib.sha256(settings.metadata_key.encode()).hexdigest()
    return memcached.servers(conf, f'nova-trove-guard/1/{marker[:16]}/')


_BACKENDS = {
    'off': lambda conf, settings, make: None,
    'memory': lambda conf, settings, make: InProcess(
        settings.cache_time, settings.cache_size),
    'memcached': lambda conf, settings, make: Shared(
        servers(conf, settings), make, settings.cache_time,
        settings.cache_time_not_managed),
}
