# SPDX-License-Identifier: Apache-2.0
"""(6) By how much a process grows with a million distinct ids.

All of them look like ids of servers. Half of them are Trove's, which a
process remembers, and half exist nowhere. What is measured is look-up and
cache (memory), in a process of its own; Nova's database is not asked.
"""

import json
import os
import subprocess
import sys
import unittest.mock

import nova.compute.api

from nova_trove_guard.core.reports import metrics
from nova_trove_guard.nova import lookup
from nova_trove_guard.nova import operations
from tests.bench import measure
from tests.unit import test_cache

IDS = 1_000_000
MB = 1024 * 1024


def _resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def _look_up(self, kind, server_id):
    if int(server_id[-1], 16) % 2:
        return []
    return [lookup.ManagedServer(server_id, '0' * 32, '1' * 32, server_id)]


def grow():
    """Look up many ids, and print by how many bytes the process grew."""
    memory, = test_cache.of_processes(backend='memory')
    # There is no Nova here.
    with (unittest.mock.patch.object(nova.compute.api, 'API'),
          unittest.mock.patch.object(lookup.Servers, '_look_up', _look_up)):
        servers = lookup.Servers('trove_instance_id', metrics.Off(), memory)
        before = _resident()
        for number in range(IDS):
            named = operations.Named(
                operations.SERVER_IN_PATH,
                f'{number:08x}-0000-4000-8000-{number:012x}')
            servers.find(named, servers.recall([named]))
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
        [measure.Aim('growth', grown / MB, 32, unit='MB')])
