# SPDX-License-Identifier: Apache-2.0
"""What the soak of the benchmark takes for wrong, and what it excuses."""

import collections

import pytest

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
    expected = {ask.kind: set() for ask in soak.mix([ORDINARY], [MANAGED])}
    for ask in soak.mix([ORDINARY], [MANAGED]):
        expected[ask.kind].update(ask.expected)
    assert expected[load.MANAGED] == {403}
    assert 403 not in expected[load.ORDINARY] | expected[load.READS]


@pytest.mark.parametrize('kind, status, passed', [
    (load.MANAGED, 202, 3), (load.MANAGED, 409, 3), (load.MANAGED, 404, 3),
    (load.MANAGED, 503, 0), (load.MANAGED, 500, 0), (load.MANAGED, 401, 0),
    (load.ORDINARY, 409, 0),
])
def test_a_call_has_passed_that_nova_itself_has_answered(
        kind, status, passed):
    one = piece(0, **{f'{kind}: DELETE /servers/{{id}}: {status}': 3})
    assert one.passed == passed


@pytest.mark.parametrize('begin, number', [
    (0, 1), (94, 1), (98, 0), (105, 0), (110 + AFTER - 1, 0),
    (110 + AFTER + 1, 1), (394, 1), (396, 0), (403 + AFTER + 1, 1),
])
def test_a_wrong_answer_is_excused_only_at_a_restart(begin, number):
    assert soak.wrong([piece(begin)], RESTARTS) == number


def test_recovery_is_from_the_restart_to_the_last_wrong_answer():
    right = soak.Slice(130, 135, 100, collections.Counter())
    assert soak.recoveries(
        [piece(101), piece(112), piece(118), right, piece(396)],
        RESTARTS) == [123 - 110, 0]
