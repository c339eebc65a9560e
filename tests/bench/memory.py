# SPDX-License-Identifier: Apache-2.0
"""(6) By how much a process grows with a million distinct ids.

Each is the id of a server that a tenant wants to delete: some are managed,
some are not and some do not exist. It is the whole guard, in a process of its
own; only Nova's database is not asked.
"""

import json
import os
import subprocess
import sys
import unittest.mock

from nova_trove_guard.core import resources
from nova_trove_guard.nova import lookup
from tests.bench import cloud
from tests.bench import measure

IDS = 1_000_000
# What a process grows by in any case, while it is still warming up.
WARM_UP = IDS // 100
MB = 1024 * 1024


def _resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def _found(self, server_ids):
    server_id, = server_ids
    kind = int(server_id[-1], 16) % 3
    managed = resources.ManagedResource(
        'server', server_id, '0' * 32, '1' * 32, server_id)
    return [{}, {server_id: None}, {server_id: managed}][kind]


def grow():
    """Judge calls on many servers; print by how much the process grew."""
    with (cloud.running() as here,
          unittest.mock.patch.object(lookup.NovaLookup, '_servers', _found)):
        _, fresh = here.call(('DELETE', '', None), here.free)
        guarding = cloud.guarding(cloud.answer)
        for number in range(WARM_UP + IDS):
            if number == WARM_UP:
                before = _resident()
            cloud.status(guarding, fresh() | {
                'PATH_INFO': f'/servers/{number:08x}-0000-4000-8000-'
                             f'{number:012x}'})
        print(json.dumps(_resident() - before))


def run():
    """Return the Result."""
    grown = json.loads(subprocess.run(
        [sys.executable, '-W', 'ignore', '-c',
         'from tests.bench import memory; memory.grow()'],
        check=True, text=True, stdout=subprocess.PIPE).stdout.split()[-1])
    return measure.Result(
        f'Memory after {IDS} distinct ids',
        [measure.Row('guard, growth of the process', grown / MB, 'MB')],
        [measure.Aim('growth', grown / MB, 1, unit='MB')])
