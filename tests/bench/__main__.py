# SPDX-License-Identifier: Apache-2.0
"""What the guard costs: ``python -W ignore -m tests.bench [name ...]``.

Everything that is compared is measured side by side in one run: absolute
times are those of this machine, ratios are what counts.
"""

import argparse
import contextlib
import csv
import dataclasses
import functools
import json
import logging
import os
import pathlib
import platform
import random

from tests.bench import attack
from tests.bench import chaos
from tests.bench import cloud
from tests.bench import guarded_call
from tests.bench import load
from tests.bench import many
from tests.bench import measure
from tests.bench import memory
from tests.bench import networks
from tests.bench import pass_through
from tests.bench import plot
from tests.bench import policy_server
from tests.bench import reconciler
from tests.bench import refusal
from tests.bench import soak
from tests.bench import throughput
from tests.bench import volumes
from tests.production import mariadb

MEASUREMENTS = {
    'pass_through': pass_through.run,
    'guarded_call': guarded_call.run,
    'refusal': refusal.run,
    'policy_server': policy_server.run,
    'throughput': throughput.run,
    'memory': memory.run,
    'reconciler': reconciler.run,
    'volumes': volumes.run,
    'networks': networks.run,
}
# They take more than three minutes each, and run only when they are named.
LONG = {
    'many': many.run,
    'drift': many.run_drift,
    'load': load.run,
    'attack': attack.run,
    'soak': soak.run,
    'chaos': chaos.run,
}
OUTPUT = pathlib.Path(__file__).parent / 'results'


def _table(result):
    """Return the lines of a Result's table."""
    yield f'\n{result.title}'
    for row in result.rows:
        yield f'  {row.name:44} {row.value:12.2f} {row.unit}'
    for aim in result.aims:
        met = 'met' if aim.is_met else 'MISSED'
        sign = '<=' if aim.at_most else '>='
        yield (f'  {met:6} {aim.name}: {aim.value:.3g} {aim.unit} '
               f'(aim {sign} {aim.limit:g})')


def _summary(results):
    aims = [aim for result in results for aim in result.aims]
    missed = [aim.name for aim in aims if not aim.is_met]
    return (f'\n{len(aims) - len(missed)} of {len(aims)} aims met'
            + (f'; missed: {", ".join(missed)}' if missed else ''))


def _content(results):
    """Return what goes into the JSON file."""
    return {
        'python': platform.python_version(), 'cpus': os.cpu_count(),
        'results': {
            name: dataclasses.asdict(result) | {
                'aims': [dataclasses.asdict(aim) | {'is_met': aim.is_met}
                         for aim in result.aims]}
            for name, result in results.items()}}


def _kept(path):
    """Return the Results by name that a JSON file has, if there is one."""
    if not path.exists():
        return {}
    return {
        name: measure.Result(
            kept['title'], [measure.Row(**row) for row in kept['rows']],
            [measure.Aim(**{key: value for key, value in aim.items()
                            if key != 'is_met'}) for aim in kept['aims']],
            kept.get('series', {}))
        for name, kept in json.loads(path.read_text())['results'].items()}


def _write_aims(path, results):
    """Write the table of aims that the documentation shows."""
    with path.open('w', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(('measurement', 'aim', 'measured', 'wanted', ''))
        for result in results:
            for aim in result.aims:
                sign = 'at most' if aim.at_most else 'at least'
                table.writerow((
                    result.title, aim.name,
                    f'{aim.value:.3g} {aim.unit}'.rstrip(),
                    f'{sign} {aim.limit:g} {aim.unit}'.rstrip(),
                    'met' if aim.is_met else '**missed**'))


def _write(directory, results):
    """Write the files of results; keep what was not measured now."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / 'results.json'
    every = _kept(path) | results
    every = {name: every[name] for name in MEASUREMENTS | LONG
             if name in every}
    path.write_text(json.dumps(_content(every), indent=2) + '\n')
    (directory / 'results.svg').write_text(plot.svg(list(every.values())))
    for name, result in every.items():
        if result.series:
            (directory / f'{name}.svg').write_text(plot.lines(result))
    _write_aims(directory / 'aims.csv', every.values())


def _run_for(module, seconds, *arguments):
    """Return the Result of a measurement, which says how long it took."""
    seconds = seconds or module.SECONDS
    result = module.run(seconds, *arguments)
    return dataclasses.replace(
        result, title=f'{result.title}, {seconds:g} s')


def main():
    """Measure, print tables, and write the files of results."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.bench', description=__doc__)
    parser.add_argument('names', nargs='*', metavar='name',
                        help=f'one of {", ".join(MEASUREMENTS)}; all of '
                             f'these if none. Only if named, because they '
                             f'take long: {", ".join(LONG)}')
    parser.add_argument('--servers', type=int, default=reconciler.SERVERS,
                        help='how many managed servers the reconciler has; '
                             'to lock 20,000 takes half an hour')
    parser.add_argument('--seconds', type=float,
                        help='how long load and attack measure each side of '
                             'a comparison, and how long soak and chaos go '
                             'on')
    parser.add_argument('--seed', type=int,
                        default=random.SystemRandom().randrange(1 << 32),
                        help='which services soak and chaos kill and when; '
                             'each run prints it, and the same seed has the '
                             'same happen')
    parser.add_argument('--mariadb', action='store_true',
                        help='have Nova\'s databases on Debian\'s MariaDB, '
                             'which must be installed, in place of SQLite')
    parser.add_argument('--output', type=pathlib.Path, default=OUTPUT,
                        help='the directory for results.json, results.svg and '
                             'aims.csv')
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(MEASUREMENTS | LONG)
    if unknown:
        parser.error(f'no such measurement: {", ".join(sorted(unknown))}')
    logging.disable(logging.CRITICAL)
    measurements = MEASUREMENTS | LONG | {
        'reconciler': functools.partial(reconciler.run, arguments.servers),
        **{name: functools.partial(_run_for, one, arguments.seconds)
           for name, one in (('load', load), ('attack', attack))},
        **{name: functools.partial(_run_for, one, arguments.seconds,
                                   arguments.seed)
           for name, one in (('soak', soak), ('chaos', chaos))}}
    results = {}
    with contextlib.ExitStack() as stack:
        if arguments.mariadb:
            os.environ[cloud.MARIADB] = str(
                stack.enter_context(mariadb.running()).directory)
        for name in arguments.names or MEASUREMENTS:
            results[name] = measurements[name]()
            print('\n'.join(_table(results[name])), flush=True)
    print(_summary(results.values()))
    _write(arguments.output, results)


if __name__ == '__main__':
    main()
