# SPDX-License-Identifier: Apache-2.0
"""What is remembered of servers, and that it never opens a hole.

The order of steps is all that counts for the cache that processes share:
every order is tried, with a cache that forgets at any moment. Then the real
one: a memcached that is killed, hangs or talks nonsense.
"""

import contextlib
import datetime
import ipaddress
import itertools
import json
import os
import pathlib
import socket
import tempfile
import threading
import time
import types

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
import greenlet
import hypothesis
from hypothesis import strategies as st
from oslo_config import cfg
import pytest

from nova_trove_guard import cache
from nova_trove_guard.core import options
from nova_trove_guard.core.reports import metrics
from nova_trove_guard import memcached
from nova_trove_guard.nova import lookup
from nova_trove_guard.nova import operations
from tests import cache_server
from tests.unit import nova_api
from tests.unit import test_filter as filters

SERVER = '0c1d2a3b-2222-4222-8222-000000000002'
MANAGED = lookup.ManagedServer(SERVER, 'project', 'user', 'instance')
EPOCH = b'0' * 32
FREE = cache._not_managed(SERVER, EPOCH)
TENANT = ('member', 'reader')
# They need memcached.
PRODUCTION = pytest.mark.production
WAIT = 60  # seconds, for what is to happen


# Every order of steps.

class Store:
    """A cache server in a dict, each call of which is a step."""

    def __init__(self, items, step):
        self.items = dict(items)
        self._step = step
        self.is_cut_off = False

    def of(self, item):
        """Stand for memcached.Servers, too."""
        return self

    def each(self, items):
        """See of()."""
        return [(self, list(items))]

    def get_many(self, keys):
        """Return what is there: a step that the tenant takes."""
        return {key: self.items[key] for key in keys if key in self.items}

    def add(self, key, value, seconds):
        """Set what is not there."""
        self._step()
        self.items.setdefault(key, value)

    def set(self, key, value, seconds, urgent=False):
        """Set, or fail."""
        self._step()
        if self.is_cut_off and urgent:
            raise memcached.Unavailable('cut off')
        self.items[key] = value

    def delete(self, key, urgent=False):
        """Delete, or fail."""
        self._step()
        if self.is_cut_off and urgent:
            raise memcached.Unavailable('cut off')
        self.items.pop(key, None)


class World:
    """Nova's database, a cache, and who uses them, one step at a time.

    :param items: what the cache has in the beginning
    """

    def __init__(self, items):
        self.store = Store(items, self.step)
        self.memory = cache.Shared(
            self.store, lookup.ManagedServer, 600, 60)
        self.is_marked = False
        # Whether the Trove admin was told that the server is marked.
        self.is_told = False
        self.holes = []

    @staticmethod
    def step():
        """Let others go on."""
        greenlet.getcurrent().parent.switch()

    def tenant(self, calls=1):
        """Ask of the server what only Trove may, as nova-api does."""
        for _ in range(calls):
            self.step()
            was_told = self.is_told
            memory = self.memory.recall([SERVER]).get(SERVER, cache.NOTHING)
            if memory.known:
                is_managed = memory.server is not None
            else:
                self.step()
                is_managed = self.is_marked
                if is_managed:
                    self.memory.remember_managed(MANAGED)
                else:
                    self.memory.remember_not_managed(SERVER, memory)
            if was_told and not is_managed:
                self.holes.append(dict(self.store.items))

    def admin(self, *, succeeds=True, cut_off=False):
        """Mark the server.

        :param succeeds: whether Nova does it
        :param cut_off: whether the cache is, from then on
        """
        with contextlib.suppress(memcached.Unavailable):
            with self.memory.changing(SERVER, marks=True):
                self.step()
                self.is_marked |= succeeds
                self.store.is_cut_off = cut_off
            self.is_told |= succeeds

    def dying_admin(self):
        """Mark the server, but die before the second write."""
        self.unfinished = self.memory.changing(SERVER, marks=True)
        self.unfinished.__enter__()
        self.step()
        self.is_marked = True

    def failing_admin(self):
        """Try to mark the server, which Nova refuses."""
        self.admin(succeeds=False)

    def cut_off_admin(self):
        """Mark the server, and lose the cache."""
        self.admin(cut_off=True)

    def two_calls(self):
        """Ask twice."""
        self.tenant(2)

    def evict(self, *keys):
        """Have the cache forget."""
        self.step()
        for key in keys or list(self.store.items):
            self.store.items.pop(key, None)

    def evict_epoch(self):
        """Have the cache forget the epoch."""
        self.evict(f'{SERVER}/epoch')


def run(items, actors, order):
    """Return the World in which actors took their steps in an order.

    :param order: iterable of the indexes of actors
    :returns: World, and for each actor whether it has come to its end
    """
    world = World(items)
    waiting = [greenlet.greenlet(getattr(world, name)) for name in actors]
    for actor in waiting:  # to its first step
        actor.switch()
    for actor in order:
        if not waiting[actor].dead:
            waiting[actor].switch()
    for actor in waiting:
        while not actor.dead:
            actor.switch()
    return world


def orders(counts):
    """Yield each order of the steps of actors that take some number each."""
    if not any(counts):
        yield ()
    for actor, count in enumerate(counts):
        if count:
            rest = (*counts[:actor], count - 1, *counts[actor + 1:])
            for order in orders(rest):
                yield actor, *order


# The most steps that each takes.
STEPS = {'tenant': 3, 'two_calls': 6, 'admin': 4, 'failing_admin': 4,
         'cut_off_admin': 4, 'dying_admin': 2, 'evict': 1, 'evict_epoch': 1}

BEGINNINGS = {
    'empty': {}, 'epoch': {f'{SERVER}/epoch': EPOCH},
    'remembered': {SERVER: FREE, f'{SERVER}/epoch': EPOCH},
    'remembered without epoch': {SERVER: FREE}}

COMPANIES = [
    ('two_calls', 'admin'), ('tenant', 'tenant', 'admin'),
    ('two_calls', 'admin', 'evict'), ('two_calls', 'admin', 'evict_epoch'),
    ('tenant', 'admin', 'failing_admin'), ('tenant', 'admin', 'admin'),
    ('two_calls', 'cut_off_admin'), ('two_calls', 'dying_admin'),
    ('tenant', 'tenant', 'dying_admin')]


# There are many orders of these, and what it takes is an epoch.
CROWD = ('tenant', 'tenant', 'admin', 'evict_epoch')


@pytest.mark.parametrize('actors, items', [
    *(pytest.param(actors, items, id=f'{"+".join(actors)}, {name}')
      for actors in COMPANIES for name, items in BEGINNINGS.items()),
    pytest.param(CROWD, BEGINNINGS['epoch'], id='+'.join(CROWD))])
def test_no_order_of_steps_opens_a_hole(actors, items):
    counts = tuple(STEPS[name] for name in actors)
    for order in orders(counts):
        world = run(items, actors, order)
        # Whether it was answered or not, it is marked: nobody believes
        # anything else in the end.
        world.is_told = world.is_marked
        play(world, world.two_calls)
        assert world.holes == [], (order, world.holes)


@pytest.mark.parametrize('name', STEPS)
@pytest.mark.parametrize('items', BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_nobody_takes_more_steps_than_are_ordered(name, items):
    world = World(items)
    actor = greenlet.greenlet(getattr(world, name))
    actor.switch()
    taken = 0
    while not actor.dead:
        actor.switch()
        taken += 1
    assert taken <= STEPS[name]


def play(world, function, *arguments):
    """Return what a function returns that nobody interrupts."""
    actor = greenlet.greenlet(function)
    result = actor.switch(*arguments)
    while not actor.dead:
        result = actor.switch()
    return result


def known(world):
    """Return whether it is remembered what the server is."""
    memories = play(world, world.memory.recall, [SERVER])
    return memories[SERVER].known


def test_what_is_no_server_of_trove_s_is_remembered_from_the_second_time():
    world = World({})
    play(world, world.tenant)
    assert not known(world)
    play(world, world.tenant)
    assert known(world)


def test_nobody_remembers_while_a_server_is_marked():
    world = World(BEGINNINGS['remembered'])
    play(world, world.dying_admin)
    world.is_marked = False
    play(world, world.two_calls)
    assert not known(world)


def test_a_mark_that_nova_refused_does_not_keep_anybody_from_remembering():
    world = World(BEGINNINGS['remembered'])
    play(world, world.failing_admin)
    assert not known(world)
    play(world, world.two_calls)
    assert known(world)


def test_without_the_first_write_nothing_is_passed_on():
    world = World(BEGINNINGS['remembered'])
    world.store.is_cut_off = True
    play(world, world.admin)
    assert not world.is_marked and not world.is_told


def test_without_the_second_write_nobody_is_told():
    world = World({})
    play(world, world.cut_off_admin)
    assert world.is_marked and not world.is_told


GARBAGE = [
    b'', b'\xff', b'{', b'[' * 100000, b'null', b'7', b'"free"', b'[]', b'{}',
    FREE[:-1], FREE + b' ', FREE.upper(), FREE.split()[0],
    cache._not_managed(nova_api.MANAGED, EPOCH),
    cache._not_managed(SERVER, b''), cache._not_managed(SERVER, b'marking'),
    cache._not_managed(SERVER, b'\xff' * 32),
    json.dumps([nova_api.FREE[:-1] + '9', 'p', 'u', 'i']).encode(),
    json.dumps([SERVER, None, 'u', 'i']).encode(),
    json.dumps([SERVER, 'p', 'u', 'i', 'x']).encode()]


@pytest.mark.parametrize('what', GARBAGE, ids=lambda what: repr(what[:60]))
@pytest.mark.parametrize('epoch', [EPOCH, b'', b'marking', b'\xff' * 32])
def test_garbage_is_not_believed(what, epoch):
    world = World({SERVER: what, f'{SERVER}/epoch': epoch})
    assert not known(world)
    play(world, world.two_calls)  # raises nothing


@pytest.mark.parametrize('epoch', [b'', b'marking', b'\xff' * 32, b'1' * 32])
def test_only_its_own_epoch_makes_it_believed(epoch):
    world = World({SERVER: FREE, f'{SERVER}/epoch': epoch})
    assert not known(world)


# Ids.

@pytest.mark.parametrize('identifier, server_id', [
    (SERVER, SERVER), (SERVER.upper(), SERVER), (None, None), ('', None),
    (SERVER.replace('-', ''), None), (f'{{{SERVER}}}', None),
    (f'urn:uuid:{SERVER}', None), (SERVER + '\n', None), (SERVER + ' ', None),
    (SERVER.replace('1', '\uff11'), None), ('x', None), (SERVER + '0', None),
    ('../../etc/passwd', None), ('a b\r\nflush_all', None)])
def test_only_nova_s_own_form_of_an_id_is_a_key(identifier, server_id):
    assert operations.canonical(identifier) == server_id


# In one process.

def in_process(seconds=600, size=10):
    """Return a memory of this process."""
    return cache.InProcess(seconds, size)


def numbered(number):
    """Return a ManagedServer."""
    return lookup.ManagedServer(
        f'00000000-0000-4000-8000-{number:012}', 'project', 'user', '')


def test_a_process_remembers_what_is_trove_s():
    memory = in_process()
    memory.remember_managed(MANAGED)
    assert memory.recall([SERVER, nova_api.FREE]) == {
        SERVER: cache.Memory(True, MANAGED)}


def test_a_process_remembers_nothing_else():
    memory = in_process()
    memory.remember_not_managed(SERVER, cache.NOTHING)
    assert memory.recall([SERVER]) == {}


@pytest.mark.parametrize('marks', [True, False])
def test_a_process_forgets_what_was_changed_even_by_a_call_that_failed(marks):
    memory = in_process()
    memory.remember_managed(MANAGED)
    with contextlib.suppress(KeyError), memory.changing(SERVER, marks):
        raise KeyError
    assert memory.recall([SERVER]) == {}


def test_a_process_forgets_in_time(monkeypatch):
    memory = in_process(seconds=10)
    memory.remember_managed(MANAGED)
    later = time.time() + 11
    monkeypatch.setattr(time, 'time', lambda: later)
    assert memory.recall([SERVER]) == {}


def test_a_process_remembers_so_many_servers_those_last_asked_for():
    memory = in_process(size=3)
    for number in range(3):
        memory.remember_managed(numbered(number))
    memory.recall([numbered(0).uuid])
    memory.remember_managed(numbered(3))
    everyone = [numbered(number).uuid for number in range(4)]
    assert sorted(memory.recall(everyone)) == [
        everyone[0], everyone[2], everyone[3]]


def test_threads_share_the_memory_of_a_process():
    recent = cache.Recent(50)

    def use():
        for number in range(5000):
            recent[number % 100] = number
            recent.get((number + 1) % 100)
            recent.pop((number + 2) % 100)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recent) <= 50


# The real one.

@pytest.fixture
def server():
    """Return a running cache_server.Memcached."""
    with cache_server.running() as running:
        yield running


@pytest.fixture
def garbler(request):
    """Return the address of a TCP server that answers with what it has to."""
    listening = socket.create_server(('127.0.0.1', 0))
    stopped = threading.Event()

    def talk(connection):
        with connection, contextlib.suppress(OSError):
            for part in request.param():
                connection.recv(65536)
                connection.sendall(part)
            stopped.wait(WAIT)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=talk, args=listening.accept()[:1],
                                 daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield types.SimpleNamespace(port=listening.getsockname()[1])
    stopped.set()
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def of_processes(*ports, timeout=3, retry=300, count=1, backend='memcached',
                 tls_cafile=None, **settings):
    """Return the memories of some processes, with cache servers."""
    conf = cfg.ConfigOpts()
    conf([])
    memcached.core.configure(conf)
    conf.set_override('memcache_servers',
                      [f'127.0.0.1:{port}' for port in ports], 'cache')
    # The name that each release of oslo.cache takes.
    conf.set_override('memcache_socket_timeout', timeout, 'cache')
    conf.set_override('memcache_dead_retry', retry, 'cache')
    conf.set_override('tls_enabled', tls_cafile is not None, 'cache')
    conf.set_override('tls_cafile', tls_cafile, 'cache')
    wanted = options.settings(
        conf, {'cache_backend': backend} | settings)
    return [cache.of(conf, wanted, lookup.ManagedServer)
            for _ in range(count)]


def not_managed(memory, server_id=SERVER):
    """Remember of a server that it is not Trove's, as look-ups do."""
    for _ in range(2):
        recalled = memory.recall([server_id]).get(server_id, cache.NOTHING)
        memory.remember_not_managed(server_id, recalled)


def recalled(memory, server_id=SERVER):
    """Return (whether a server is known, the ManagedServer)."""
    found = memory.recall([server_id]).get(server_id, cache.NOTHING)
    return found.known, found.server


@PRODUCTION
def test_processes_share_what_they_remember(server):
    one, another = of_processes(server.port, count=2)
    one.remember_managed(numbered(1))
    not_managed(one)
    assert recalled(another) == (True, None)
    assert recalled(another, numbered(1).uuid) == (True, numbered(1))


@PRODUCTION
def test_a_mark_through_one_process_is_seen_by_another(server):
    one, another = of_processes(server.port, count=2)
    not_managed(another)
    with one.changing(SERVER, marks=True):
        assert recalled(another) == (False, None)
        not_managed(another)
        assert recalled(another) == (False, None)
    assert recalled(another) == (False, None)


@PRODUCTION
def test_a_change_by_one_process_is_seen_by_another(server):
    one, another = of_processes(server.port, count=2)
    another.remember_managed(MANAGED)
    with one.changing(SERVER, marks=False):
        pass
    assert recalled(another) == (False, None)


@PRODUCTION
def test_clouds_with_other_markers_can_share_cache_servers(server):
    one, = of_processes(server.port)
    another, = of_processes(server.port, metadata_key='owner')
    one.remember_managed(MANAGED)
    assert recalled(another) == (False, None)


@PRODUCTION
def test_other_servers_can_be_remembered_for_no_time_at_all(server):
    memory, = of_processes(server.port, cache_time_not_managed='0')
    not_managed(memory)
    memory.remember_managed(numbered(1))
    assert recalled(memory) == (False, None)
    assert recalled(memory, numbered(1).uuid) == (True, numbered(1))


@PRODUCTION
def test_many_servers_are_recalled_at_once(server):
    memory, = of_processes(server.port, timeout=WAIT)
    everyone = [numbered(number) for number in range(2000)]
    for each in everyone:
        memory.remember_managed(each)
    found = memory.recall([each.uuid for each in everyone])
    assert [found[each.uuid].server for each in everyone] == everyone


@pytest.fixture
def asked(monkeypatch):
    """Return a list that gets each question to a cache server."""
    questions = []
    exchange = memcached.Connections.exchange

    def note(self, question, read):
        questions.append(question)
        return exchange(self, question, read)

    monkeypatch.setattr(memcached.Connections, 'exchange', note)
    return questions


def use(memory, times=20):
    """Use what may be a dead cache for a number of requests."""
    for _ in range(times):
        assert recalled(memory) == (False, None)
        not_managed(memory)
        memory.remember_managed(MANAGED)


@PRODUCTION
def test_a_cache_that_is_killed_is_asked_once(server, asked):
    memory, = of_processes(server.port)
    not_managed(memory)
    assert recalled(memory) == (True, None)
    server.stop()
    asked.clear()
    use(memory)
    assert len(asked) == 1
    with pytest.raises(memcached.Unavailable):
        memory.changing(SERVER, marks=True).__enter__()


@PRODUCTION
def test_a_cache_that_hangs_costs_one_time_out(server, asked):
    memory, = of_processes(server.port)
    not_managed(memory)
    server.hang()
    try:
        asked.clear()
        use(memory)
        assert len(asked) == 1
        with pytest.raises(memcached.Unavailable):
            memory.changing(SERVER, marks=True).__enter__()
    finally:
        server.go_on()


@PRODUCTION
def test_a_mark_that_loses_the_cache_in_the_middle_is_not_told(server):
    one, another = of_processes(server.port, count=2)
    not_managed(another)
    passed_on = []
    with pytest.raises(memcached.Unavailable):
        with one.changing(SERVER, marks=True):
            passed_on.append(True)
            server.hang()
    server.go_on()
    assert passed_on and recalled(another) == (False, None)


@PRODUCTION
def test_a_cache_that_was_started_anew_works_at_once(server):
    memory, = of_processes(server.port, timeout=WAIT)
    not_managed(memory)
    server.stop()
    server.start()
    assert recalled(memory) == (False, None)
    not_managed(memory)
    assert recalled(memory) == (True, None)


@PRODUCTION
def test_a_dead_cache_is_asked_again_after_a_while(server, asked):
    memory, = of_processes(server.port, retry=0)
    server.stop()
    use(memory, 2)
    server.start()
    not_managed(memory)
    assert recalled(memory) == (True, None)
    assert len(asked) > 2


@PRODUCTION
def test_a_mark_finds_out_that_a_dead_cache_works_again(server):
    memory, = of_processes(server.port)
    server.stop()
    use(memory)
    server.start()
    with memory.changing(SERVER, marks=True):
        pass
    not_managed(memory)
    assert recalled(memory) == (True, None)


@PRODUCTION
def test_nothing_moves_from_a_dead_cache_to_another(server):
    """Somebody else might still reach the first, and believe it."""
    with cache_server.running() as other:
        memory, = of_processes(server.port, other.port)
        ids = [numbered(number).uuid for number in range(20)]
        other.stop()
        marked = []
        for server_id in ids:
            with contextlib.suppress(memcached.Unavailable):
                with memory.changing(server_id, marks=True):
                    marked.append(server_id)
        assert 0 < len(marked) < len(ids)
        for server_id in set(ids) - set(marked):
            not_managed(memory, server_id)
            assert recalled(memory, server_id) == (False, None)
        for server_id in marked:
            not_managed(memory, server_id)
            assert recalled(memory, server_id) == (True, None)


ANSWERS = {
    'nothing': lambda: (),
    'an HTTP answer': lambda: [b'HTTP/1.1 400 Bad Request\r\n\r\n'],
    'binary': lambda: [bytes(range(256)) * 10],
    'an error': lambda: [b'SERVER_ERROR out of memory\r\n'],
    'another key': lambda: [b'VALUE other 0 2\r\n{}\r\nEND\r\n'],
    'no number': lambda: [b'VALUE x 0 many\r\n'],
    'a value without end': lambda: [
        b'VALUE x 0 9999999999999\r\n' + b'x' * 65536],
    'a part': lambda: [b'VALUE '],
    'all of it, and more than there is room for': lambda: (
        b'x' * 65536 for _ in itertools.count())}


@pytest.mark.parametrize('garbler', ANSWERS.values(), ids=ANSWERS.keys(),
                         indirect=True)
def test_a_cache_that_talks_nonsense_is_asked_once(garbler, asked):
    memory, = of_processes(garbler.port)
    use(memory)
    assert len(asked) == 1
    with pytest.raises(memcached.Unavailable):
        memory.changing(SERVER, marks=True).__enter__()


def certify(directory, address):
    """Write certificate and key (PEM) of a server, and return their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'cache')])
    now = datetime.datetime.now(datetime.UTC)
    certificate = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now,
        now + datetime.timedelta(hours=1)).add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False).sign(key, hashes.SHA256())
    paths = directory / 'certificate.pem', directory / 'key.pem'
    paths[0].write_bytes(certificate.public_bytes(
        serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    return paths


@PRODUCTION
@pytest.mark.parametrize('address, trusts', [
    ('127.0.0.1', True), ('127.0.0.2', False)])
def test_a_cache_server_behind_tls_must_be_who_it_says(address, trusts):
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # memcached is somebody else
        certificate, key = certify(pathlib.Path(directory), address)
        with cache_server.running(
                '-Z', '-o', f'ssl_chain_cert={certificate},'
                            f'ssl_key={key}') as running:
            memory, = of_processes(running.port, timeout=WAIT,
                                   tls_cafile=str(certificate))
            not_managed(memory)
            assert recalled(memory) == (trusts, None)


VALUES = (b'VALUE p/one 0 3\r\nabc\r\nVALUE p/two 0 7\r\nx\r\nEND\n\r\n'
          b'END\r\n')
NAMES = {b'p/one': 'one', b'p/two': 'two', b'p/three': 'three'}


@pytest.mark.parametrize('length', range(len(VALUES) + 1))
def test_an_answer_may_come_in_any_parts(length):
    made = memcached._values(bytearray(VALUES[:length]), NAMES)
    assert made == (None if length < len(VALUES) else {
        'one': b'abc', 'two': b'x\r\nEND\n'})


@pytest.mark.parametrize('answer', [
    VALUES + VALUES, VALUES + b'END\r\n', b'END\r\nEND\r\n',
    VALUES.replace(b' 3', b' 4'), VALUES.replace(b' 3', b' 2'),
    VALUES.replace(b' 3', b' -3'), VALUES.replace(b' 3', b' +3'),
    VALUES.replace(b' 3', b' ' + b'9' * 5000),
    VALUES.replace(b' 0 3', b' 0'), VALUES.replace(b' 0 3', b' 0 3 4'),
    VALUES.replace(b'VALUE p/two', b'VALUE p/four'),
    VALUES.replace(b'VALUE p/two', b'STAT p/two'),
    b'VALUE p/one 0 3\r\nEND\r\n', b'VALUE p/one 0 -20\r\nEND\r\n',
    b'VALUE p/one 0 1\r\nabcEND\r\n',
    b'ERROR\r\n', b'CLIENT_ERROR bad\r\n', b'STORED\r\n', b'values'])
def test_values_that_are_nonsense(answer):
    with pytest.raises(ValueError):
        memcached._values(bytearray(answer), NAMES)


@hypothesis.given(answer=st.one_of(
    st.binary(max_size=99), st.lists(st.sampled_from([
        b'VALUE ', b'p/one', b'p/two', b' 0 ', b'-', b'1', b'9', b'\r\n',
        b'END\r\n', b'x']), max_size=20).map(b''.join)))
def test_whatever_is_answered_is_read_or_refused(answer):
    try:
        made = memcached._values(bytearray(answer), NAMES)
    except ValueError:
        return
    assert made is None or made.keys() <= set(NAMES.values())


@pytest.mark.parametrize('answer, line', [
    (b'', None), (b'STORED', None), (b'STORED\r', None),
    (b'STORED\r\n', b'STORED')])
def test_a_line_has_an_end(answer, line):
    assert memcached._line(bytearray(answer), (b'STORED',)) == line


@pytest.mark.parametrize('answer', [
    b'\r\n', b'NOT_STORED\r\n', b'STORED\r\nSTORED\r\n', b'ERROR\r\n'])
def test_a_line_is_one_of_those_that_it_may_be(answer):
    with pytest.raises(ValueError):
        memcached._line(bytearray(answer), (b'STORED',))


@pytest.mark.parametrize('garbler', [lambda: [b'ERROR\r\n', b'END\r\n']],
                         indirect=True)
def test_nobody_gets_the_rest_of_another_s_answer(garbler):
    """A connection that is out of step would tell of another server."""
    connections = memcached.Connections('127.0.0.1', garbler.port, WAIT)
    for _ in range(2):
        with pytest.raises(ValueError):
            connections.exchange(b'get\r\n', lambda answer: memcached._line(
                answer, (b'END',)))


@PRODUCTION
def test_a_connection_is_used_again_but_not_after_a_while(
        server, monkeypatch):
    made = []
    create = socket.create_connection
    monkeypatch.setattr(
        socket, 'create_connection',
        lambda *where: made.append(create(*where)) or made[-1])
    memory, = of_processes(server.port, timeout=WAIT)
    for _ in range(3):
        not_managed(memory)
    assert len(made) == 1
    monkeypatch.setattr(memcached, 'IDLE', 0)
    assert recalled(memory) == (True, None)
    assert len(made) == 2 and made[0].fileno() == -1


@pytest.mark.parametrize('flood, seconds, end', [
    (b'x', 0.3, TimeoutError), (b'x' * 65536, WAIT, ValueError)],
    ids=['a drop', 'a flood'])
def test_an_answer_has_an_end(flood, seconds, end):
    listening = socket.create_server(('127.0.0.1', 0))

    def send():
        with contextlib.suppress(OSError), listening.accept()[0] as one:
            while True:
                one.sendall(flood)
                if len(flood) == 1:
                    time.sleep(0.01)

    threading.Thread(target=send, daemon=True).start()
    connections = memcached.Connections(*listening.getsockname(), seconds)
    with listening, pytest.raises(end):
        connections.exchange(b'get x\r\n', lambda answer: None)


@PRODUCTION
def test_a_cache_server_that_works_is_no_failure(server):
    memory, = of_processes(server.port)
    assert list(memory._servers.failures()) == []
    server.stop()
    failure, = memory._servers.failures()
    assert f'127.0.0.1:{server.port}' in failure


@pytest.mark.parametrize('garbler', [
    lambda: [b'STORED\r\n', b'END\r\n', b'NOT_FOUND\r\n']], indirect=True)
def test_a_cache_server_that_keeps_nothing_is_a_failure(garbler):
    memory, = of_processes(garbler.port)
    failure, = memory._servers.failures()
    assert 'does not keep what it is given' in failure


@pytest.mark.parametrize('address, shown', [
    ('10.0.0.1', '10.0.0.1:11211'), ('cache:1', 'cache:1'),
    ('inet:[10.0.0.1]:1', '10.0.0.1:1'), ('inet6:[::1]:1', '[::1]:1'),
    ('[::1]', '[::1]:11211')])
def test_addresses_are_as_in_other_services(address, shown):
    conf = cfg.ConfigOpts()
    conf([])
    memcached.core.configure(conf)
    conf.set_override('memcache_servers', [address], 'cache')
    assert str(memcached.servers(conf, '').of('any')._connections) == shown


# In Nova's pipeline.

@pytest.fixture(params=[
    'off', 'memory', pytest.param('memcached', marks=PRODUCTION)])
def workers(request, load_nova_api, guarded):
    """Return two processes of Nova's API, as good as, by cache_backend."""
    text = filters.GUARDED + f'cache_backend = {request.param}\n'
    if request.param == 'memcached':
        server = request.getfixturevalue('server')
        text += (f'[cache]\nmemcache_servers = 127.0.0.1:{server.port}\n'
                 'memcache_socket_timeout = 3\n')
    return types.SimpleNamespace(
        backend=request.param,
        apis=[load_nova_api(filters.paste(guarded), text) for _ in range(2)])


@pytest.fixture
def free(monkeypatch):
    """Return the metadata of the server FREE, in which it is Trove's or not.

    Its `look_ups` are counted.
    """
    state = types.SimpleNamespace(metadata={}, look_ups=0)

    def instance(compute, context, server_id):
        found = look_up(compute, context, server_id)
        if found.uuid == nova_api.FREE:
            state.look_ups += 1
            found.metadata = dict(state.metadata)
        return found

    look_up = nova_api.instance
    monkeypatch.setattr(nova_api, 'instance', instance)
    return state


MARK = ('POST', filters.FREE + '/metadata', {'metadata': filters.MARKER})


def stop(api, status):
    """Have a tenant stop the server FREE."""
    answer = api.ask('POST', filters.FREE + '/action', json={'os-stop': None},
                     token=api.token(*TENANT))
    assert (answer.status_int == 403) == (status == 403)


def mark(api, free):
    """Have the Trove admin mark the server FREE; return the status."""
    method, path, body = MARK
    free.metadata = filters.MARKER
    answer = api.ask(method, path, json=body, token=api.token('trove_admin'))
    return answer.status_int


def test_from_the_mark_on_the_server_is_guarded(workers, free):
    for _ in range(3):
        for api in workers.apis:
            stop(api, 200)
    assert free.look_ups == {'off': 6, 'memory': 6, 'memcached': 2}[
        workers.backend]
    assert mark(workers.apis[0], free) < 300
    for _ in range(3):
        for api in workers.apis:
            stop(api, 403)


def test_a_server_of_trove_s_is_looked_up_once(workers, free):
    free.metadata = filters.MARKER
    for _ in range(3):
        for api in workers.apis:
            stop(api, 403)
    assert free.look_ups == {'off': 6, 'memory': 2, 'memcached': 1}[
        workers.backend]


@pytest.mark.parametrize('method, path, body', [
    ('DELETE', '', None), ('DELETE', '/metadata/trove_instance_id', None),
    ('PUT', '/metadata', {'metadata': {}}),
    ('POST', '/action', {'forceDelete': None}),
    ('POST', '/action', {'rebuild': {'metadata': {}}})])
def test_what_the_trove_admin_changes_is_looked_up_anew(
        workers, free, method, path, body):
    api = workers.apis[0]
    free.metadata = filters.MARKER
    stop(api, 403)
    free.metadata = {}
    api.ask(method, filters.FREE + path, json=body,
            token=api.token('trove_admin'))
    assert len(api.dispatched) == 1
    stop(api, 200)


@PRODUCTION
@pytest.mark.parametrize('fault', ['killed', 'hangs'])
def test_a_cache_that_fails_in_the_middle_changes_no_decision(
        workers, server, free, fault):
    for _ in range(3):
        stop(workers.apis[0], 200)
    if fault == 'killed':
        server.stop()
    else:
        server.hang()
    try:
        for _ in range(10):
            stop(workers.apis[0], 200)
        api = workers.apis[0]
        status = mark(api, free)
        if workers.backend == 'memcached':
            assert status == 503
            assert api.dispatched == []
        else:
            assert status < 300
        # However it came to be marked.
        for _ in range(3):
            for api in workers.apis:
                stop(api, 403)
    finally:
        server.go_on()


def test_nonexistent_servers_are_not_remembered(workers, monkeypatch):
    written = []
    for kind, name in ((memcached.Server, 'set'), (memcached.Server, 'add'),
                       (cache.Recent, '__setitem__')):
        monkeypatch.setattr(
            kind, name, lambda *arguments: written.append(arguments))
    api = workers.apis[0]
    for path in (nova_api.MISSING, 'x', nova_api.FREE.replace('-', '')):
        api.ask('DELETE', f'/v2.1/servers/{path}', token=api.token(*TENANT))
    assert written == []


@PRODUCTION
def test_audit_refuses_nothing_without_its_cache(
        load_nova_api, guarded, server, free):
    api = load_nova_api(filters.paste(guarded), filters.GUARDED + (
        'mode = audit\ncache_backend = memcached\n'
        f'[cache]\nmemcache_servers = 127.0.0.1:{server.port}\n'))
    server.stop()
    assert mark(api, free) < 300
    assert len(api.dispatched) == 1


@PRODUCTION
def test_a_lost_cache_in_the_middle_of_a_mark_is_told_as_503(
        load_nova_api, guarded, server, free, monkeypatch):
    api = load_nova_api(filters.paste(guarded), filters.GUARDED + (
        'cache_backend = memcached\n'
        f'[cache]\nmemcache_servers = 127.0.0.1:{server.port}\n'))
    delete = memcached.Server.delete

    def lose(self, key, urgent=False):
        server.stop()
        return delete(self, key, urgent)

    monkeypatch.setattr(memcached.Server, 'delete', lose)
    assert mark(api, free) == 503
    assert len(api.dispatched) == 1


def test_off_nothing_is_remembered_or_asked():
    assert of_processes(backend='off') == [None]
    servers = lookup.Servers('x', metrics.Off())
    assert servers.changing(SERVER, True) is None
    assert servers.recall([
        operations.Named(operations.SERVER_IN_PATH, SERVER)]) == {}
