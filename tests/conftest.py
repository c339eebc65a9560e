# SPDX-License-Identifier: Apache-2.0
"""Which tests share a process, in what order they begin, and how long it took.

Tests of a group run in one process of pytest-xdist, in the order in which they
stand. A module is a group, unless its tests say otherwise by
``pytest.mark.xdist_group``. A process that runs functional tests has a cloud
of its own.
"""

import collections
import os
import pathlib

import pytest

from tests import examples  # noqa: F401 - its profiles

ROOT = pathlib.Path(__file__).parents[1]
# The groups that take longest, in the order in which they begin; then all
# others that need a cloud, and then those that need none.
LONGEST = (
    'processes of trove-user', 'processes of trove',
    # A comparison takes longer, the more other tests have left in a cloud.
    'fleet of trove', 'fleet of trove-user',
    'failures', 'functional.test_trove_failures', 'matrix of unlocked servers',
    'matrix of locked servers', 'upkeep failures',
    'matrix of networks', 'functional.test_bootstrap', 'matrix of databases',
    'matrix of volumes', 'functional.test_network_wire',
    'operations of trove', 'operations of trove-user', 'clusters of trove',
    'clusters of trove-user', 'upkeep of trove', 'upkeep of trove-user',
    'functional.test_audit', 'functional.test_matrix')


def pytest_configure(config):
    """Give this process a cloud of its own, where there are several."""
    # Nova 2025.1 patches whoever imports its API for eventlet; too late here.
    os.environ['OS_NOVA_DISABLE_EVENTLET_PATCHING'] = 'true'
    worker = os.environ.get('PYTEST_XDIST_WORKER')
    if worker:
        # Its name is also known to layout.Layout.worker_layouts().
        root = os.environ.get('NOVA_TROVE_GUARD_CLOUD') or ROOT / '.cloud'
        os.environ['NOVA_TROVE_GUARD_CLOUD'] = str(
            pathlib.Path(root) / worker)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    """Put tests into groups, and those first that take longest.

    Groups are what pytest-xdist reads; the order comes last, as pytest itself
    puts together what shares a fixture, and xdist the tests of a group.
    """
    places = {group: place for place, group in enumerate(LONGEST)}

    def place(item):
        mark = item.get_closest_marker('xdist_group')
        group, = (*mark.args, *mark.kwargs.values())
        is_functional = 'tests/functional' in item.path.as_posix()
        return places.get(group, len(places) + (not is_functional))

    for item in items:
        if item.get_closest_marker('xdist_group') is None:
            item.add_marker(pytest.mark.xdist_group(
                name=item.module.__name__.removeprefix('tests.')))
    yield
    if 'PYTEST_XDIST_WORKER' in os.environ and items and not any(
            '@' in item.nodeid for item in items):
        raise pytest.UsageError(
            'This pytest-xdist does not put tests into groups with this '
            'pytest, as 3.8.0 does not with 9.2.0.')
    items.sort(key=place)


def pytest_terminal_summary(terminalreporter):
    """Print what took how long: each module, the longest first."""
    seconds, tests = collections.Counter(), collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                module = report.nodeid.partition('::')[0]
                seconds[module] += report.duration
                tests[module] += report.when == 'call'
    terminalreporter.section('what took how long')
    for module, duration in seconds.most_common():
        terminalreporter.line(
            f'{duration:8.1f} s  {tests[module]:5}  {module}')
