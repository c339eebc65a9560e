# SPDX-License-Identifier: Apache-2.0
"""(10) Whether the guard's cost depends on how many servers there are.

A fifth of the servers is managed. Lookups in a cloud with few servers and in
one with many take turns. The reconciler and ``nova-trove-guard drift`` run
while a cloud grows, at each size. Nova's API is in a process of its own for
each cloud.
"""

import random
import statistics

import requests

from tests.bench import cloud
from tests.bench import comparison
from tests.bench import fleet
from tests.bench import lookups
from tests.bench import measure
from tests.bench import reconciler

FEW = 20
SIZES = 1_250, 5_000, 20_000
# How many servers that are not managed there are for a managed one.
OTHERS = 4
# One managed server of so many is unlocked when the reconciler runs.
UNLOCKED = 100
LOOKUPS = 100
LOOKUP_ROUNDS = 31
RECONCILER_ROUNDS = 3
RECONCILED = ALL_LOCKED, AT_REST = 'all locked', '{} unlocked'
FORGED = 2_000
# All rows of both clouds fit into it, as an operator sizes it. With MariaDB's
# default of 128 MB, lookups read from files.
BUFFER_POOL = 2 * 1024 ** 3
KINDS = {'server': 'a server', 'volume': 'the server of a volume'}
MB = reconciler.MB
WAYS = {'drift': (), 'drift --tagged-only': ('--tagged-only',)}


def run(sizes=SIZES, rounds=LOOKUP_ROUNDS):
    """Return the Result of lookups and the reconciler.

    :param sizes: even numbers of managed servers, smallest first
    :param rounds: of lookups
    """
    reconciled = {}
    _enlarge_buffer_pool()
    with (reconciler.running(FEW, OTHERS * FEW) as few,
          reconciler.running(sizes[0], OTHERS * sizes[0]) as many):
        for size in sizes:
            many.grow(size, OTHERS * size)
            reconciled[size] = _reconciled(many)
        results = _lookups(few, many, rounds), _reconciler(reconciled)
    return _result('Lookups and the reconciler', sizes, results)


def run_drift(sizes=SIZES, forged=FORGED):
    """Return the Result of ``nova-trove-guard drift``.

    :param sizes: even numbers of managed servers, smallest first
    :param forged: how many forged markers there are for a while; at most as
        many as servers that are not managed at the smallest size
    """
    compared = {}
    _enlarge_buffer_pool()
    with (reconciler.running(sizes[0], OTHERS * sizes[0]) as many,
          comparison.running(many) as compare):
        for size in sizes:
            many.grow(size, OTHERS * size)
            compared[size] = {way: compare(*arguments)
                              for way, arguments in WAYS.items()}
            if any(run.rows for run in compared[size].values()):
                raise RuntimeError('there are discrepancies')
            if size == sizes[0]:
                # In a small cloud, where they are not lost among the other
                # servers.
                markers = _forged(many, compare, compared[size]['drift'],
                                  forged)
    return _result('The comparison', sizes, (_drift(compared), markers))


def _enlarge_buffer_pool():
    """Give MariaDB, if it has the databases, enough memory for them."""
    server = cloud.server()
    if server is not None:
        server.execute(f'SET GLOBAL innodb_buffer_pool_size = {BUFFER_POOL}')


def _result(what, sizes, results):
    """Return the Result.

    :param results: tuples of rows and aims
    """
    total = (1 + OTHERS) * sizes[-1]
    return measure.Result(
        f'{what}, {total:,} servers, {sizes[-1]:,} of them managed',
        [row for rows, _ in results for row in rows],
        [aim for _, aims in results for aim in aims])


def _reconciled(many):
    """Return dict of reconciler.Run by way, and the processor's seconds.

    The seconds are those of the reconciler, of Nova's API and of the
    databases until all servers are locked.
    """
    locked, at_rest, processor = [], [], []
    for _ in range(RECONCILER_ROUNDS):
        many.unlock(many.count // UNLOCKED)
        begin = many.processor_seconds()
        *runs, last = many.reconcile()
        processor.append(many.processor_seconds() - begin + sum(
            run.own_seconds for run in (*runs, last)))
        # A run may end before all are locked.
        at_rest.append(reconciler.total(runs))
        locked.append(last)
    if many.locked() != many.count:
        raise RuntimeError('the reconciler left servers unlocked')
    return {way: _typical(runs) for way, runs in zip(
        RECONCILED, (locked, at_rest))}, statistics.median(processor)


def _typical(runs):
    """Return the run with the median time."""
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]


def _lookups(few, many, rounds):
    """Return rows and aims of lookups in both clouds, turn by turn."""
    rows, aims, scans = [], [], set()
    for kind, name in KINDS.items():
        taken = {one: [] for one in (few, many)}
        for _ in range(rounds):
            for one, each in taken.items():
                answer = _looked_up(one, kind)
                each.append(answer['seconds'] / LOOKUPS * 1e6)
        scans.update(answer['scans'])
        medians = {one: statistics.median(each)
                   for one, each in taken.items()}
        rows += [measure.Row(f'lookup of {name}, {_total(one):,} servers',
                             value) for one, value in medians.items()]
        aims.append(measure.Aim(
            f'lookup of {name}, {_total(many):,} servers / {_total(few):,}',
            medians[many] / medians[few], 1.2))
    aims.append(measure.Aim('tables that a lookup reads completely',
                            len(scans), 0))
    return rows, aims


def _looked_up(one, kind):
    """Look up some servers, a fifth managed; return what took how long."""
    numbers = [number for _ in range(LOOKUPS // (1 + OTHERS)) for number in (
        random.randrange(one.count),
        *(fleet.OTHERS + random.randrange(one.others)
          for _ in range(OTHERS)))]
    response = requests.post(f'{one.nova["url"]}{lookups.PATH}', json={
        # The volume of a server has the same id.
        'kind': kind, 'identifiers': [*map(fleet.server_id, numbers)]})
    response.raise_for_status()
    answer = response.json()
    if answer['managed'] != LOOKUPS // (1 + OTHERS):
        raise RuntimeError(f'a lookup was wrong: {answer}')
    return answer


def _total(one):
    return one.count + one.others


def _reconciler(reconciled):
    """Return rows and aims of the reconciler.

    :param reconciled: dict of what _reconciled() returns, by size
    """
    rows = []
    for size, (runs, processor) in reconciled.items():
        name = f'reconciler, {size:,} managed'
        for way, run in runs.items():
            each = f'{name}, {way.format(size // UNLOCKED)}'
            rows += [measure.Row(f'{each}: time', run.seconds, 's'),
                     measure.Row(f'{each}: memory', run.memory / MB, 'MB')]
        rows.append(measure.Row(f'{name}: processor', processor, 's'))
    small, *_, large = (
        (runs[AT_REST], processor, size)
        for size, (runs, processor) in reconciled.items())
    return rows, [
        _linear('reconciler: processor for each managed server', [
            processor / size for _, processor, size in (small, large)]),
        _linear('reconciler: calls for each unlocked server', [
            sum(run.calls.values()) / (size // UNLOCKED)
            for run, _, size in (small, large)]),
        _growth('reconciler', [
            run.memory / MB for run, *_ in (small, large)], 4)]


def _drift(compared):
    """Return rows and aims of the comparison.

    :param compared: dict of dict of comparison.Comparison by way, by size
    """
    rows, aims = [], []
    for way in WAYS:
        for size, runs in compared.items():
            run, name = runs[way], f'{way}, {size:,} managed'
            rows += [measure.Row(f'{name}: time', run.seconds, 's'),
                     measure.Row(f'{name}: own processor', run.own_seconds,
                                 's'),
                     measure.Row(f'{name}: processor', run.all_seconds, 's'),
                     measure.Row(f'{name}: memory', run.memory, 'MB')]
        small, *_, large = (
            (runs[way], size) for size, runs in compared.items())
        aims += [
            _linear(f'{way}: processor for each server', [
                run.all_seconds / size for run, size in (small, large)]),
            _growth(way, [run.memory for run, _ in (small, large)], 16)]
    return rows, aims


def _linear(name, values):
    """Return the Aim that something for each server does not grow.

    :param values: with the fewest servers and with the most
    """
    least, most = values
    return measure.Aim(f'{name}, most / least', most / least, 1.2)


def _growth(name, values, limit):
    """Return the Aim that memory does not grow by much.

    :param values: in MB, with the fewest servers and with the most
    """
    least, most = values
    return measure.Aim(f'{name}: growth from least to most', most - least,
                       limit, unit='MB')


def _forged(many, compare, clean, count):
    """Return rows and aims of markers that Trove's list does not confirm.

    :param clean: the comparison.Comparison without them
    :param count: how many servers have one
    """
    rows = []
    for name, markers in (
            (f'{count:,} unknown markers',
             [fleet.instance_id(fleet.OTHERS + number)
              for number in range(count)]),
            (f'{count:,} times the same marker',
             [fleet.instance_id(0)] * count)):
        with comparison.forged(many, markers):
            run = compare()
        if len(run.rows) != count:
            raise RuntimeError(run.summary)
        rows += [measure.Row(f'drift, {name}: added time',
                             run.seconds - clean.seconds, 's'),
                 measure.Row(f'drift, {name}: added processor',
                             run.all_seconds - clean.all_seconds, 's'),
                 measure.Row(f'drift, {name}: calls to Trove', run.shown,
                             'calls')]
    return rows, [measure.Aim(f'drift, {name}: calls to Trove', run.shown, 1)]
