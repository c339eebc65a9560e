# SPDX-License-Identifier: Apache-2.0
"""(3) A refusal, next to the one by Nova's lock; both behind auth_token."""

from tests.bench import cloud
from tests.bench import measure

CALLS = 20


def run():
    """Return the Result."""
    with cloud.running() as here, cloud.memories() as memories:
        nova, locked = here.call(cloud.STOP, here.locked)
        _, managed = here.call(cloud.STOP, here.managed)
        refusals = {'Nova\'s lock, 409': (nova, locked, 409)} | {
            f'guard, 403, cache {name}': (
                cloud.guarding(nova, memory), managed, 403)
            for name, memory in memories.items()}
        for application, fresh, wanted in refusals.values():
            if cloud.status(application, fresh()) != wanted:
                raise RuntimeError(f'not refused by {wanted}')
        times = measure.medians({
            name: lambda it=it, fresh=fresh: cloud.status(it, fresh())
            for name, (it, fresh, _) in refusals.items()}, CALLS)
    lock = times['Nova\'s lock, 409']
    return measure.Result(
        'A refusal', [measure.Row(*row) for row in times.items()],
        [measure.Aim(f'lock / guard, cache {name}',
                     lock / times[f'guard, 403, cache {name}'], 20,
                     at_most=False) for name in ('memory', 'memcached')])
