# SPDX-License-Identifier: Apache-2.0
"""What the soak of the benchmark takes for wrong, and what it excuses."""

import collections
import dataclasses
import types

import pytest

from tests.bench import growth
from tests.bench import load
from tests.bench import soak

MANAGED = '0c1d2a3b-0000-4000-8000-000000000001'
ORDINARY = '0c1d2a3b-0000-4000-8000-000000000002'
AFTER = soak.RECOVERY_SECONDS
# One restart took from 100 to 110, another from 400 to 403.
RESTARTS = [(100, 110), (400, 403)]


def piece(begin, **unexpected):
    """Return five seconds of load; a call fails, if nothing else is said."""
    return soak.Slice(begin, begin + 5, 100, collections.Counter(
        unexpected or {f'{load.READS}: GET /servers/{{id}}: 503': 1}))


def test_a_call_on_a_managed_server_is_right_only_if_the_guard_refuses():
    expected = collections.defaultdict(set)
    for service, asks in soak.mixes(
            [ORDINARY] * load.CLIENTS, [MANAGED], 'volume',
            'port', 'managed port'):
        for ask in asks:
            expected[service, ask.kind].update(ask.expected)
    assert expected.pop(('nova', load.MANAGED)) == {403}
    assert expected.pop(('neutron', load.MANAGED)) == {403}
    assert {service for service, _ in expected} == set(soak.SERVICES)
    assert 403 not in set().union(*expected.values())


@pytest.mark.parametrize('kind, status, passed', [
    (load.MANAGED, 202, 3), (load.MANAGED, 409, 3), (load.MANAGED, 404, 3),
    (load.MANAGED, 503, 0), (load.MANAGED, 500, 0), (load.MANAGED, 401, 0),
    (load.ORDINARY, 409, 0),
])
def test_a_call_has_passed_that_nova_itself_has_answered(
        kind, status, passed):
    one = piece(0, **{f'{kind}: DELETE /servers/{{id}}: {status}': 3})
    assert one.passed.total() == passed


@pytest.mark.parametrize('begin, number', [
    (0, 1), (94, 1), (98, 0), (105, 0), (110 + AFTER - 1, 0),
    (110 + AFTER + 1, 1), (394, 1), (396, 0), (403 + AFTER + 1, 1),
])
def test_a_wrong_answer_is_excused_only_at_a_restart(begin, number):
    assert soak.wrong([piece(begin)], RESTARTS).total() == number


def test_recovery_is_from_the_restart_to_the_last_wrong_answer():
    right = soak.Slice(130, 135, 100, collections.Counter())
    assert soak.recoveries(
        [piece(101), piece(112), piece(118), right, piece(396)],
        RESTARTS) == [123 - 110, 0]


def result(slices, samples):
    """Return the Result of an hour with a restart and no call alone."""
    return soak.result(types.SimpleNamespace(slices=slices, calls_alone=0),
                       samples, [(*RESTARTS[0], None)])


@pytest.mark.parametrize('growing, is_met', [
    ('nova 1', False), ('nova-unguarded 1', True)])
def test_only_workers_with_the_guard_must_not_grow(growing, is_met):
    samples = {
        name: [growth.Sample(60 * minute, 10 ** 8 + each * minute,
                             files=9, threads=2, connections=1)
               for minute in range(60)]
        for name, each in (
            {'nova 1': 0, 'nova-unguarded 1': 0} | {growing: 10 ** 6}).items()}
    aims = result([soak.Slice(0, 5, 9, collections.Counter())], samples).aims
    assert [aim.name for aim in aims if not aim.is_met] == (
        [] if is_met else ['growth of memory of a worker'])


def test_what_has_passed_and_what_was_wrong_is_named():
    passed = f'{load.MANAGED}: DELETE /servers/{{id}}: 202'
    failed = f'{load.READS}: GET /servers/{{id}}: 503'
    sample = growth.Sample(0, 10 ** 8, files=9, threads=2, connections=1)
    found = result(
        [piece(105, **{failed: 2}), piece(300, **{passed: 3})],
        {'nova 1': [sample, dataclasses.replace(sample, at=60)] * 3})
    rows = {row.name: row.value for row in found.rows}
    assert rows['calls that failed during restarts'] == 2
    assert rows[f'calls on what is managed that passed: {passed}'] == 3
    assert rows[f'wrong answers after restarts: {passed}'] == 3
    assert not any(failed in name for name in rows)
    assert [aim.value for aim in found.aims[:2]] == [3, 3]
