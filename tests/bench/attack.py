# SPDX-License-Identifier: Apache-2.0
"""(11) What a tenant suffers while another one attacks, with the guard or not.

The attacker sends requests of one kind over several connections, as fast as
the service answers. Another tenant, in another project, reads and writes a
resource with pauses. That tenant's latency counts.

All requests of the attacker are such that the service alone refuses them, too:
neither side does work that the other is spared.
"""

import dataclasses
import functools
import json
import random
import statistics
import uuid

from tests.bench import clients
from tests.bench import load
from tests.bench import measure
from tests.bench import whole_cloud
from tests.cloud import state

CONNECTIONS = 4
SECONDS = 600
PAUSE_SECONDS = 0.05
ATTACK, VICTIM = 'attack', 'victim'
# Default of Nova and Cinder (oslo_middleware.sizelimit). Neutron has none, and
# the guard in it has one of its own.
BODY_BYTES = 114688
NETWORK_BODY_BYTES = 1024 * 1024
REFUSED = (400, 403, 404, 409, 413)


@dataclasses.dataclass(frozen=True)
class Attack:
    """A kind of attack.

    :ivar name: what it is
    :ivar service: whose API is attacked
    :ivar asks: a tuple of clients.Ask
    """

    name: str
    service: str
    asks: tuple


def attacks(managed, flavor):
    """Return the kinds of attacks.

    :param managed: ids of locked managed servers in the attacker's project
    :param flavor: the id of a flavor
    :returns: a list of Attack
    """
    drawn = random.Random(0)

    def ids(number):
        return [str(uuid.UUID(int=drawn.getrandbits(128), version=4))
                for _ in range(number)]

    def attack(name, service, *requests):
        return Attack(name, service, tuple(
            clients.Ask(ATTACK, 1, method, path, REFUSED,
                        None if body is None else json.dumps(
                            body, separators=(',', ':')))
            for method, path, body in requests))

    # A parser is slower with lists than with a long string.
    lists = [[]] * (BODY_BYTES // 3 - 100)
    stop = {'os-stop': None}
    return [
        Attack('refusals', 'nova', tuple(
            dataclasses.replace(ask, kind=ATTACK)
            for ask in load.mix((), managed) if ask.kind == load.MANAGED)),
        attack('unknown ids', 'nova',
               ('DELETE', '/servers/{unknown}', None),
               ('POST', '/servers/{unknown}/action', stop)),
        attack('largest bodies', 'nova',
               ('PUT', '/servers/{unknown}/metadata/x',
                {'meta': {'x': lists}}),
               ('POST', '/servers/{unknown}/action', {'os-stop': lists})),
        attack('thousands of volumes', 'nova', ('POST', '/servers', {
            'server': {
                'name': 'x', 'imageRef': '', 'flavorRef': flavor,
                'networks': 'none', 'block_device_mapping': [
                    {'volume_id': each} for each in ids(2000)]}})),
        attack('thousands of servers', 'nova', (
            'POST', '/os-server-external-events', {'events': [
                {'name': 'network-changed', 'server_uuid': each}
                for each in ids(1300)]})),
        attack('unknown ids', 'cinder',
               ('DELETE', '/volumes/{unknown}', None),
               ('POST', '/volumes/{unknown}/action', {'os-detach': {}})),
        attack('largest bodies', 'cinder',
               ('PUT', '/volumes/{unknown}', {'volume': {'name': lists}})),
        attack('thousands of volumes', 'cinder',
               ('PUT', '/groups/{unknown}', {'group': {
                   'add_volumes': ','.join(ids(3000))}})),
        attack('thousands of short ids', 'cinder',
               ('PUT', '/groups/{unknown}', {'group': {
                   'add_volumes': ','.join(map(str, range(20000)))}})),
        attack('unknown ids', 'neutron',
               ('DELETE', '/v2.0/ports/{unknown}', None),
               ('PUT', '/v2.0/ports/{unknown}', {'port': {'name': 'x'}})),
        attack('largest bodies', 'neutron',
               ('PUT', '/v2.0/ports/{unknown}', {'port': {'name': lists * (
                   NETWORK_BODY_BYTES // BODY_BYTES)}})),
        attack('thousands of ports', 'neutron', (
            'POST', '/v2.0/floatingips', {'floatingip': {
                'floating_network_id': str(uuid.UUID(int=0)),
                'port_id': ids(20000)}})),
    ]


def run(seconds=SECONDS):
    """Return the Result.

    :param seconds: how long each side is measured, with all attacks
    """
    with (clients.Crew(CONNECTIONS + 1) as crew,
          whole_cloud.running() as cloud):
        servers = whole_cloud.Servers(cloud)
        managed = servers.create_managed('managed', 8, str(uuid.uuid4()))
        server, = servers.create('victim', 1, 'stranger')
        stranger = cloud.connection('stranger', state.UNGUARDED)
        asked = whole_cloud.reads_and_writes(
            VICTIM, server, stranger.block_storage.create_volume(size=1).id,
            next(stranger.network.ports(device_id=server)).id)
        users = cloud.session('owner'), cloud.session('stranger')

        def measure_slice(attack, side, pair, slice_seconds):
            url = cloud.urls[
                attack.service + ('-unguarded', '')[side]]
            attacker, sufferer = (
                whole_cloud.headers(attack.service, user.get_token())
                for user in users)
            return clients.together(crew.drive([
                clients.Client(url, sufferer, asked[attack.service],
                               f'{pair}', PAUSE_SECONDS),
                *(clients.Client(url, attacker, attack.asks,
                                 f'{pair} {number}')
                  for number in range(CONNECTIONS))], slice_seconds))

        every = attacks(managed, servers.flavor)
        return result({
            attack: clients.compare(
                functools.partial(measure_slice, attack),
                seconds / len(every)) for attack in every})


def result(measured):
    """Return the Result.

    :param measured: for each Attack, a pair of lists of clients.Answers,
        without the guard and with it
    """
    rows, aims, tails = [], [], []
    median, tail = (
        functools.partial(clients.percentile, number=number, kind=VICTIM)
        for number in (50, 99))
    unexpected_rows, unexpected_aim = measure.counted(
        'unexpected answers', clients.unexpected(
            each for sides in measured.values() for side in sides
            for each in side))
    for attack, sides in measured.items():
        name = f'{attack.service}, {attack.name}'
        for who, slices in zip(('alone', 'guard'), sides):
            rows += [
                measure.Row(f'{name}, {who}: attacks',
                            clients.rate(slices, ATTACK), 'requests/s'),
                *(measure.Row(
                    f'{name}, {who}: {number}th percentile',
                    1e3 * clients.percentile(slices, number, VICTIM), 'ms')
                  for number in (50, 99))]
        lowest, highest = clients.spread(median, sides)
        rows += [measure.Row(f'{name}: median, ratio from', lowest, ''),
                 measure.Row(f'{name}: median, ratio to', highest, '')]
        aims.append(measure.Aim(
            f'{name}: median, guard / alone',
            clients.ratio(median, sides), 1.05))
        tails.append(clients.ratio(tail, sides))
    # One kind alone has too few requests of the victim's for this.
    aims += [
        measure.Aim('99th percentile, guard / alone, geometric mean of all',
                    statistics.geometric_mean(tails), 1.05),
        unexpected_aim]
    return measure.Result(
        'A tenant under attack of another', [*rows, *unexpected_rows], aims)
