# SPDX-License-Identifier: Apache-2.0
"""(10) A whole cloud under load, with and without the guard in Nova.

Eight clients send requests as fast as Nova answers: 70 % read, 20 % change
ordinary servers, and 10 % try to change managed ones, as a tenant. The APIs
with and without the guard have the same databases, and take turns in slices.
First, the API without the guard is compared with itself: what that shows is
the noise of the machine.

Managed servers are locked, as Trove keeps them, and the calls on these are
such that Nova's lock refuses. So both sides refuse them, with 403 and 409, and
change nothing: neither side has work that the other is spared. Calls that the
lock does not stop, such as those on metadata, would burden only the side
without the guard.
"""

import functools
import json
import uuid

from tests.bench import clients
from tests.bench import measure
from tests.bench import whole_cloud

CLIENTS = 8
SERVERS = 24
SECONDS = 600
READS, ORDINARY, MANAGED = 'reads', 'ordinary servers', 'managed servers'
SHARES = {READS: 70, ORDINARY: 20, MANAGED: 10}
PERCENTILES = (50, 95, 99)
NOVA, GUARD = 'Nova alone', 'guard'


def mix(ordinary, managed):
    """Return what a client asks, with the weights of SHARES.

    :param ordinary: ids of ordinary servers, which no other client changes
    :param managed: ids of locked managed servers
    :returns: a tuple of clients.Ask
    """
    by_kind = {
        READS: [
            ('GET', '/servers/detail?limit=10', (200,), None),
            ('GET', '/flavors/detail', (200,), None),
            *(('GET', f'/servers/{server_id}{below}', (200,), None)
              for server_id in ordinary for below in ('', '/metadata'))],
        ORDINARY: [
            (method, f'/servers/{server_id}{below}', expected, body)
            for server_id in ordinary
            for method, below, expected, body in (
                ('PUT', '/metadata/purpose', (200,),
                 {'meta': {'purpose': 'web'}}),
                ('PUT', '/tags/web', (201, 204), None),
                ('POST', '/action', (202,), {'unlock': None}),
                ('POST', '/action', (200,),
                 {'os-getConsoleOutput': {'length': 9}}))],
        MANAGED: [
            (method, f'/servers/{server_id}{below}', (403, 409), body)
            for server_id in managed
            for method, below, body in (
                ('DELETE', '', None),
                ('POST', '/action', {'os-stop': None}),
                ('POST', '/action', {'reboot': {'type': 'SOFT'}}),
                ('POST', '/action', {'unpause': None}))],
    }
    return tuple(
        clients.Ask(kind, SHARES[kind] / len(asks), method, path, expected,
                    None if body is None else json.dumps(body))
        for kind, asks in by_kind.items()
        for method, path, expected, body in asks)


def run(seconds=SECONDS):
    """Return the Result.

    :param seconds: how long each side of each comparison is measured
    """
    with clients.Crew(CLIENTS) as crew, whole_cloud.running() as cloud:
        servers = whole_cloud.Servers(cloud)
        ordinary = servers.create(
            'ordinary', SERVERS, 'owner', metadata={'purpose': 'web'})
        managed = servers.create_managed('managed', SERVERS, str(uuid.uuid4()))
        mixes = [mix(ordinary[number::CLIENTS], managed)
                 for number in range(CLIENTS)]
        owner = cloud.session('owner')

        def measure_slice(urls, side, pair, slice_seconds):
            headers = whole_cloud.headers('nova', owner.get_token())
            return clients.together(crew.drive([
                # Both sides of a pair draw the same requests.
                clients.Client(urls[side], headers, asks, f'{pair} {number}')
                for number, asks in enumerate(mixes)], slice_seconds))

        same, sides = (
            clients.compare(functools.partial(measure_slice, urls), seconds)
            for urls in ((cloud.unguarded, cloud.unguarded),
                         (cloud.unguarded, cloud.guarded)))
    return result(same, sides)


def result(same, sides):
    """Return the Result.

    :param same: a pair of lists of clients.Answers, both without the guard
    :param sides: the same, without the guard and with it
    """
    unexpected_rows, unexpected_aim = measure.counted(
        'unexpected answers', clients.unexpected(
            each for side in (*same, *sides) for each in side))
    rows = list(_rows(sides))
    aims = []
    tail = functools.partial(clients.percentile, number=99)
    for name, statistic, limit, at_most in (
            ('throughput', clients.rate, 0.99, False),
            ('99th percentile', tail, 1.05, True)):
        lowest, highest = clients.spread(statistic, same)
        # Which of the same is the first does not matter.
        lowest, highest = min(lowest, 1 / highest), max(highest, 1 / lowest)
        rows += [
            measure.Row(f'the same twice, {name}: difference',
                        _percent(clients.ratio(statistic, same)), '%'),
            measure.Row(f'the same twice, {name}: from',
                        _percent(lowest), '%'),
            measure.Row(f'the same twice, {name}: to',
                        _percent(highest), '%')]
        value = clients.ratio(statistic, sides)
        aims += [
            measure.Aim(f'{name}: guard / Nova', value, limit, at_most),
            measure.Aim(f'{name}: within that of the same twice', value,
                        highest if at_most else lowest, at_most)]
    return measure.Result('A whole cloud under load', [
        *rows, *unexpected_rows], [*aims, unexpected_aim], {
        f'{side}, {number}th percentile': [
            1e3 * clients.percentile([each], number) for each in slices]
        for side, slices in zip((NOVA, GUARD), sides)
        for number in PERCENTILES})


def _rows(sides):
    """Yield the rows of the comparison with and without the guard."""
    named = dict(zip((NOVA, GUARD), sides))
    for name, slices in named.items():
        yield measure.Row(
            f'{name}, throughput', clients.rate(slices), 'requests/s')
    for kind in None, *SHARES:
        for number in PERCENTILES:
            for name, slices in named.items():
                yield measure.Row(
                    f'{name}, {kind or "all"}, {number}th percentile',
                    1e3 * clients.percentile(slices, number, kind), 'ms')


def _percent(value):
    return 100 * (value - 1)
