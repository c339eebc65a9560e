# SPDX-License-Identifier: Apache-2.0
"""Runs the tests: ``python3 -m tests [--fast] [pytest arguments]``.

Needs nothing but the standard library: what the tests need is installed into
the virtual environment (tests.cloud.bootstrap) first.
"""

import argparse
import os
import sys

from tests.cloud import bootstrap
from tests.cloud import layout
from tests.cloud import processes
from tests.cloud import progress

# Unit tests of what needs no Nova in memory.
FAST = tuple(f'tests/unit/{name}' for name in (
    'test_cmd_bootstrap.py', 'test_cmd_clouds.py', 'test_cmd_drift.py',
    'test_cmd_paste.py', 'test_cmd_scripts.py', 'test_deadline.py',
    'test_operations.py', 'test_opts.py', 'test_releases.py',
    'trove/test_compute.py', 'trove/test_windows.py'))
CORES = len(os.sched_getaffinity(0))
# Branch coverage of the unit tests, in percent, below which the run fails.
COVERAGE = ('tests/unit', '--cov=nova_trove_guard', '--cov-branch',
            '--cov-report=term', '--cov-fail-under=91')


def main():
    """Install what is missing, and become pytest or pre-commit."""
    parser = argparse.ArgumentParser(
        prog='python3 -m tests', allow_abbrev=False,
        description='Runs the tests, all by default. Other arguments are '
                    'pytest\'s.')
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        '--fast', action='store_true',
        help='only the unit tests of what needs no Nova: some seconds')
    kind.add_argument(
        '--coverage', action='store_true',
        help='only the unit tests, and what they cover: less than the floor '
             'is a failure')
    kind.add_argument(
        '--production', action='store_true',
        help='only what takes long, or needs servers or build tools from the '
             'distribution')
    kind.add_argument(
        '--gates', action='store_true',
        help='the checks of style, types, spelling, shell, documentation and '
             'release notes instead (pre-commit)')
    options, arguments = parser.parse_known_args()
    files = layout.Layout.from_environment()
    try:
        with processes.only_one(files):
            report = progress.Progress()
            bootstrap.prepare(files, report)
            if options.gates:
                bootstrap.prepare_gates(files, report)
            if options.production:
                bootstrap.prepare_production(files, report)
    except processes.Failed as failure:
        sys.exit(f'\n{failure}')
    os.chdir(layout.REPOSITORY)
    os.environ['PATH'] = f'{files.venv / "bin"}:{os.environ["PATH"]}'
    if options.gates:
        command = ['pre_commit', 'run', '--all-files', *arguments]
    else:
        command = ['pytest', *_of_kind(options, arguments), *arguments]
    python = str(files.python)
    os.execv(python, [python, '-m', *command])


def _of_kind(options, arguments):
    """Return the pytest arguments of a kind of run."""
    if options.production:
        return ['-m', 'production or each_cloud', *_workers(CORES)]
    # One more than cores: now and then a cloud waits.
    workers = _workers(CORES + 1)
    if options.coverage:
        return [*COVERAGE, *workers]
    if options.fast:
        return ['--hypothesis-profile=fast', '-m', 'not nova', *FAST,
                *workers]
    chosen = [argument for argument in arguments
              if argument.startswith('tests')]
    if not chosen or any(map(os.path.isdir, chosen)):
        return workers
    # Some tests, for somebody who looks at them: one process.
    return []


def _workers(number):
    # Groups are given out in the order in which conftest.py has them.
    return [f'-n{number}', '--dist=loadgroup', '--no-loadscope-reorder']


if __name__ == '__main__':
    main()
