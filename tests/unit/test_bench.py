# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of fleets, with few servers, and the results of all."""

import json
import logging
import sys

import pytest

from tests.bench import __main__ as bench
from tests.bench import comparison
from tests.bench import fleet as numbers
from tests.bench import many
from tests.bench import measure
from tests.bench import reconciler

SERVERS = 20
OTHERS = 80
UNLOCKED = 5
PAGE = 8


@pytest.fixture(scope='module')
def fleet():
    """Return a reconciler.Fleet of which all managed servers are locked."""
    with reconciler.running(SERVERS, OTHERS) as fleet:
        yield fleet


def calls(runs):
    """Return the calls to Nova of each Run."""
    return [run.calls for run in runs]


def test_a_locked_fleet_takes_one_call(fleet):
    assert fleet.locked() == SERVERS
    assert calls(fleet.reconcile()) == [{'list': 1}]


def test_an_unlocked_server_takes_two_calls_when_it_is_at_rest(fleet):
    fleet.unlock(UNLOCKED)
    assert fleet.locked() == SERVERS - UNLOCKED
    fleet.begin('RESIZING')
    assert calls(fleet.reconcile(page=2)) == [
        {'list': 3, 'actions': UNLOCKED}]
    assert fleet.locked() == SERVERS - UNLOCKED
    fleet.begin('NONE')
    first, last = fleet.reconcile()
    assert first.calls == {'list': 1, 'show': UNLOCKED, 'lock': UNLOCKED}
    assert last.calls == {'list': 1}
    assert first.log == (f'The reconciler has checked {UNLOCKED} unlocked '
                         f'servers in this run, and locked {UNLOCKED}.')
    assert fleet.locked() == SERVERS


def test_servers_that_are_locked_page_by_page_are_all_locked(fleet):
    fleet.forget_locks()
    assert fleet.locked() == 0
    assert calls(fleet.reconcile(page=PAGE)) == [
        {'list': 3, 'show': SERVERS, 'lock': SERVERS}, {'list': 1}]
    assert fleet.locked() == SERVERS


# Each new server is a copy of all that one has.
def test_a_fleet_that_has_grown_is_as_one_made_at_once(fleet):
    fleet.grow(SERVERS + 10, OTHERS + 10)
    assert fleet.locked() == SERVERS + 10
    for kind in many.KINDS:
        answer = many._looked_up(fleet, kind)
        assert answer['scans'] == []
    with comparison.running(fleet) as compare:
        assert compare().rows == []
        markers = [numbers.instance_id(0)] * 2 + ['unknown']
        with comparison.forged(fleet, markers):
            run = compare()
        assert [row['Code'] for row in run.rows] == ['marker-forged'] * 3
        assert run.shown == 1
        assert compare('--tagged-only').rows == []


@pytest.mark.parametrize('names, ran', [
    ([], ['refusal']), (['slow'], ['slow']),
    (['slow', 'refusal'], ['refusal', 'slow'])])
def test_long_measurements_run_only_when_they_are_named(
        names, ran, monkeypatch, tmp_path):
    def result():
        return measure.Result('title', [], [])

    monkeypatch.setattr(bench, 'MEASUREMENTS', {'refusal': result})
    monkeypatch.setattr(bench, 'LONG', {'slow': result})
    monkeypatch.setattr(logging, 'disable', lambda level: None)
    monkeypatch.setattr(
        sys, 'argv', ['bench', '--output', str(tmp_path), *names])
    bench.main()
    assert list(bench._kept(tmp_path / 'results.json')) == ran


def test_results_of_what_is_not_measured_again_are_kept(tmp_path):
    def result(value):
        return measure.Result('title', [measure.Row('row', value)],
                              [measure.Aim('aim', value, 1)])

    for results in ({'refusal': result(1), 'memory': result(1)},
                    {'refusal': result(2)}):
        bench._write(tmp_path, results)
    kept = json.loads((tmp_path / 'results.json').read_text())['results']
    assert {name: (each['rows'][0]['value'], each['aims'][0]['is_met'])
            for name, each in kept.items()} == {
        'refusal': (2, False), 'memory': (1, True)}


def test_the_files_of_results_are_of_one_run(tmp_path):
    kept = bench._kept(bench.OUTPUT / 'results.json')
    bench._write(tmp_path, kept)
    for name in ('results.svg', 'aims.csv'):
        assert (tmp_path / name).read_text() == (
            bench.OUTPUT / name).read_text()
