# SPDX-License-Identifier: Apache-2.0
"""(2) What a guarded call on an unmanaged server pays, next to Nova itself.

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
    with cloud.running() as here:
        nova, fresh = here.call(cloud.WRITE, here.free)
        applications = {'Nova itself': nova, 'nothing': cloud.answer,
                        'guard': cloud.guarding(cloud.answer)}
        for application in applications.values():
            if cloud.status(application, fresh()) >= 300:
                raise RuntimeError('a call failed')
        times = measure.medians({
            name: lambda it=it: cloud.status(it, fresh())
            for name, it in applications.items()}, CALLS)
        selects = {name: _selects(application, fresh())
                   for name, application in applications.items()}
    bare = times.pop('nothing')
    own, added = (times[name] - bare for name in ('Nova itself', 'guard'))
    return measure.Result(
        'A guarded call on a server that is not managed',
        [measure.Row(f'{name} ({selects[name]} SELECTs)', taken - bare)
         for name, taken in times.items()],
        [measure.Aim('share of Nova', 100 * added / own, 4, unit='%'),
         measure.Aim('SELECTs', selects['guard'], 2)])
