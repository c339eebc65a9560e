# SPDX-License-Identifier: Apache-2.0
"""What statsd gets, on a real socket."""

import socket

import pytest

from nova_trove_guard.core import options
from nova_trove_guard.core.reports import metrics
from tests.unit import nova_api
from tests.unit import test_filter as filters

MANAGED = f'/v2.1/servers/{nova_api.MANAGED}'
TENANT = ('member', 'reader')
WAIT = 60  # seconds


@pytest.fixture(scope='module')
def statsd():
    """Return a UDP socket that stands for a statsd server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(('127.0.0.1', 0))
        server.settimeout(WAIT)
        yield server


@pytest.fixture(scope='module', params=['enforce', 'audit'])
def mode(request):
    """Return the guard's mode."""
    return request.param


@pytest.fixture(scope='module')
def api(load_nova_api, guarded, statsd, mode):
    """Return NovaAPI whose guard sends metrics."""
    return load_nova_api(filters.paste(guarded), filters.GUARDED + (
        f'mode = {mode}\nstatsd_host = 127.0.0.1\nstatsd_prefix = cloud.guard'
        f'\nstatsd_port = {statsd.getsockname()[1]}\n'))


def sent(statsd):
    """Return the names and kinds of the metrics until a decision's.

    That is the last of a request.
    """
    metrics_sent = []
    while not any('.decision.' in name for name in metrics_sent):
        name, _, value = statsd.recv(65536).decode().partition(':')
        count, _, kind = value.partition('|')
        assert float(count) >= 0 if kind == 'ms' else value == '1|c'
        metrics_sent.append(name)
    return metrics_sent


LOOKED_UP = ['cloud.guard.lookup.time', 'cloud.guard.lookup.found']


@pytest.mark.parametrize('method, path, body, roles, names', [
    ('DELETE', MANAGED, None, TENANT,
     [*LOOKED_UP, 'cloud.guard.decision.{0}.{1}.servers-delete']),
    ('POST', f'/v2.1/servers/{nova_api.FREE}/action', {'createImage': None},
     TENANT, [*LOOKED_UP,
              'cloud.guard.decision.{0}.not_managed.servers-create_image']),
    ('DELETE', f'/v2.1/servers/{nova_api.MISSING}', None, TENANT,
     ['cloud.guard.lookup.time', 'cloud.guard.lookup.not_found',
      'cloud.guard.decision.{0}.not_found.servers-delete']),
    ('DELETE', f'/v2.1/servers/{nova_api.BROKEN}', None, TENANT,
     ['cloud.guard.lookup.time', 'cloud.guard.lookup.failed',
      'cloud.guard.decision.{0}.{1}.servers-delete']),
    ('DELETE', MANAGED, None, ['trove_admin'],
     ['cloud.guard.decision.{0}.allowed.servers-delete']),
    ('DELETE', f'{MANAGED}/migrations/7', None, TENANT,
     [*LOOKED_UP, 'cloud.guard.decision.{0}.{1}.servers-migrations-delete']),
    ('POST', '/v2.1/os-server-external-events', filters.EVENTS, ['service'],
     ['cloud.guard.decision.{0}.allowed.os-server-external-events-create'])])
def test_what_is_counted(
        api, statsd, mode, method, path, body, roles, names):
    api.ask(method, path, json=body, token=api.token(*roles))
    refusal = {'enforce': 'refused', 'audit': 'would_refuse'}[mode]
    assert sent(statsd) == [name.format(mode, refusal) for name in names]


def test_reads_are_not_counted(api, statsd):
    api.ask('GET', MANAGED, token=api.token('reader'))
    api.ask('DELETE', MANAGED, token=api.token('trove_admin'))
    assert len(sent(statsd)) == 1


def test_nobody_need_listen(load_nova_api, guarded):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(('127.0.0.1', 0))
        port = gone.getsockname()[1]
    api = load_nova_api(filters.paste(guarded), filters.GUARDED +
                        f'statsd_host = 127.0.0.1\nstatsd_port = {port}\n')
    for _ in range(3):
        answer = api.ask('DELETE', MANAGED, token=api.token(*TENANT))
        assert answer.status_int == 403


def test_off_there_is_nothing_on_a_request_s_way():
    settings = options.Settings(
        trove_managed_instances=True, metadata_key='x', mode='enforce',
        audit_transport_url=None, audit_topic='', statsd_host=None,
        statsd_port=8125, statsd_prefix='')
    off = metrics.create(settings)
    assert off.observers == ()
    assert off.timed(lambda: 7) == 7
