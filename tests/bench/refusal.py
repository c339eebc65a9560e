# SPDX-License-Identifier: Apache-2.0
"""(3) A refusal, next to the one by Nova's lock; both behind auth_token."""

from tests.bench import cloud
from tests.bench import measure

CALLS = 20


def run():
    """Return the Result."""
    with cloud.running() as here:
        nova, locked = here.call(cloud.STOP, here.locked)
        _, managed = here.call(cloud.STOP, here.managed)
        refusals = {'Nova\'s lock, 409': (nova, locked, 409),
                    'guard, 403': (cloud.guarding(nova), managed, 403)}
        for application, fresh, wanted in refusals.values():
            if cloud.status(application, fresh()) != wanted:
                raise RuntimeError(f'not refused by {wanted}')
        times = measure.medians({
            name: lambda it=it, fresh=fresh: cloud.status(it, fresh())
            for name, (it, fresh, _) in refusals.items()}, CALLS)
    lock, refusal = times.values()
    return measure.Result(
        'A refusal', [measure.Row(*row) for row in times.items()],
        [measure.Aim('lock / guard', lock / refusal, 4, at_most=False)])
