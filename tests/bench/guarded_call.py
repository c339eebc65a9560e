# SPDX-License-Identifier: Apache-2.0
"""(2) What a guarded call on another's server pays, next to Nova itself.

Nova's share is that of its API behind auth_token: routing, policy, schema,
database, and a message for the compute host. The guard is in front of an
application that does nothing.
"""

from tests.bench import cloud
from tests.bench import measure
from tests.unit import nova_database

CALLS = 20


def _selects(application, environ):
    with nova_database.selects() as statements:
        cloud.status(application, environ)
    return len(statements)


def run():
    """Return the Result."""
    with cloud.running() as here, cloud.memories() as memories:
        nova, fresh = here.call(cloud.WRITE, here.free)
        applications = {
            'Nova itself': nova, 'nothing': cloud.answer} | {
            f'guard, cache {name}': cloud.guarding(cloud.answer, memory)
            for name, memory in memories.items()}
        for application in applications.values():
            for _ in range(3):  # a server is remembered from the second on
                if cloud.status(application, fresh()) >= 300:
                    raise RuntimeError('a call failed')
        times = measure.medians({
            name: lambda it=it: cloud.status(it, fresh())
            for name, it in applications.items()}, CALLS)
        selects = {name: _selects(application, fresh())
                   for name, application in applications.items()}
    bare = times.pop('nothing')
    own = times['Nova itself'] - bare
    cold, warm = (times[f'guard, cache {name}'] - bare
                  for name in ('off', 'memcached'))
    return measure.Result(
        'A guarded call on a server that is not Trove\'s',
        [measure.Row(f'{name} ({selects[name]} SELECTs)', taken - bare)
         for name, taken in times.items()],
        [measure.Aim('warm (memcached)', warm, 100, unit='us'),
         measure.Aim('warm, share of Nova', 100 * warm / own, 2, unit='%'),
         measure.Aim('cold, SELECTs', selects['guard, cache off'], 4),
         measure.Aim('warm, SELECTs', selects['guard, cache memcached'], 0)])
