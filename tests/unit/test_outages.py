# SPDX-License-Identifier: Apache-2.0
"""Outages of the processes of a cloud, on processes that do nothing."""

import itertools
import random
import threading

import pytest

from tests.bench import outages
from tests.cloud import layout
from tests.cloud import processes

NAMES = ('one', 'another')
KILL, STOP = outages.Kind.KILL, outages.Kind.STOP


@pytest.fixture
def files(tmp_path):
    """Return the Layout of a cloud in which NAMES run."""
    files = layout.Layout(tmp_path)
    for name in NAMES:
        processes.spawn(files, name, ['sleep', '60'])
    yield files
    processes.stop(files)


def pids(files):
    """Return a dict of process id by name; each name runs once."""
    found = processes.running(files)
    assert sorted(one.name for one in found) == sorted(NAMES)
    return {one.name: one.pid for one in found}


def test_the_same_seed_makes_the_same_plan():
    def planned(seed):
        return list(itertools.islice(outages.plan(
            random.Random(seed), NAMES, list(outages.Kind), (0, 1), (2, 3)),
            20))

    assert planned(7) == planned(7) != planned(8)
    assert {(one.name, one.kind) for one in planned(7)} == set(
        itertools.product(NAMES, outages.Kind))


def test_what_was_killed_or_stopped_runs_again_in_the_end(files):
    before = pids(files)
    all_of_them = [outages.Outage(name, kind, 0, 0.01)
                   for name in NAMES for kind in (STOP, KILL, KILL, STOP)]
    outage = outages.Outages(files, NAMES)
    outage.happen(iter(all_of_them), 2, threading.Event())
    after = pids(files)
    assert not set(before.values()) & set(after.values())
    assert sorted(str(one) for *_, one in outage.happened) == sorted(
        map(str, all_of_them))
    assert all(end - begin >= one.seconds
               for begin, end, one in outage.happened)
    assert outage.restarts == 0
    for pid in after.values():
        with open(f'/proc/{pid}/stat') as stat:
            assert stat.read().split()[2] != 'T'


def test_what_ends_by_itself_is_started_again(files):
    outage = outages.Outages(files, NAMES)
    with outage.watched():
        processes.kill(files, 'one')
    pids(files)
    assert outage.restarts == 1


def test_no_outage_begins_after_the_end(files):
    end = threading.Event()
    end.set()
    outage = outages.Outages(files, NAMES)
    outage.happen(iter([outages.Outage('one', KILL, 0, 0)]), 1, end)
    assert outage.happened == []
