# SPDX-License-Identifier: Apache-2.0
"""What the chaos of the benchmark takes for a fault of the guard's."""

import sys
from unittest import mock

import pytest

from nova_trove_guard.trove import locks
from tests.bench import chaos
from tests.bench import hostile_calls

SERVER = '0c1d2a3b-0000-4000-8000-000000000001'
INSTANCE = '0c1d2a3b-0000-4000-8000-000000000002'


def line(http_method='POST', user='tenant', **differing):
    """Return a line of the record of dispatches."""
    return {
        'request_id': 'req-1', 'controller': 'ServersController',
        'method': '_reboot', 'http_method': http_method, 'user_id': user,
        'service_user_id': None, 'path': f'/v2.1/servers/{SERVER}',
        'id': SERVER} | differing


DELETED = line('DELETE', 'trove', method='delete')


@pytest.mark.parametrize('lines, status, is_one', [
    ([line()], 202, True),
    # Whatever Nova makes of it.
    ([line()], 404, True),
    ([line(method='show')], 200, False),
    ([line(id='another')], 202, False),
    ([line(user='trove')], 202, False),
    ([line(service_user_id='trove')], 202, False),
    # The answer that a server is gone is Nova's own.
    ([DELETED, line()], 404, False),
    ([DELETED, line()], None, False),
    ([DELETED, line()], 409, True),
    ([line(), DELETED], 404, True),
    ([line('DELETE', method='delete'), line()], 404, True),
])
def test_a_hostile_call_that_nova_dispatches_is_found(lines, status, is_one):
    answers = {} if status is None else {'req-1': status}
    assert bool(hostile_calls.dispatched(
        lines, {SERVER}, 'trove', answers)) == is_one


def test_a_window_is_open_until_it_is_closed():
    def window(what, server, operation):
        return f'2026 7 INFO x [-] {what} the window of server {server} ' \
               f'for {operation}'

    assert chaos.opened([
        window('Opened', 'a', 'reboot.'), window('Opened', 'a', 'rebuild.'),
        window('Opened', 'b', 'reboot.'), window('Opened', 'a', 'reboot.'),
        window('Closed', 'a', 'reboot after 1.0 s.'), 'Something else',
    ]) == {('a', 'rebuild'), ('b', 'reboot')}


@pytest.mark.parametrize('differing, is_locked', [
    ({}, True),
    ({'locked_reason': None}, False),
    ({'locked_reason': locks.reason('another')}, False),
    ({'locked_reason': 'mine'}, False),
    # Nova refuses locks until it is built.
    ({'locked_reason': None, 'status': 'BUILD'}, True),
])
def test_only_trove_s_own_lock_counts(differing, is_locked):
    server = {'id': SERVER, 'status': 'ACTIVE',
              'metadata': {'trove_instance_id': INSTANCE},
              'locked_reason': locks.reason(INSTANCE)} | differing
    assert chaos.not_locked([server]) == ([] if is_locked else [SERVER])


def test_a_comparison_that_fails_misses_the_aim(monkeypatch):
    # Python takes "drift" for a file, which is not there.
    monkeypatch.setattr(chaos, 'COMMAND', sys.executable)
    one = mock.MagicMock()
    one._cloud.environment.return_value = {}
    one.happen.return_value = 0.1
    for name in 'drift', '_drift':
        setattr(one, name, getattr(chaos.Chaos, name).__get__(one))
    aims = chaos.measured(one, 0).aims
    assert [aim.name for aim in aims if not aim.is_met] == [
        'discrepancies that should be fixed and are not']
