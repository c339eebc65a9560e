# SPDX-License-Identifier: Apache-2.0
"""Fixtures: Nova's Compute API, loaded from paste, with the guard in it."""

import functools
import logging
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def pytest_collection_modifyitems(items):
    """Mark what has Nova in memory: see --fast of tests.__main__."""
    for item in items:
        if 'load_nova_api' in getattr(item, 'fixturenames', ()):
            item.add_marker(pytest.mark.nova)


@pytest.fixture(autouse=True)
def handlers():
    """Take away the log handlers and the level that a test leaves behind.

    cliff sets them, with each run of a command line
    (cliff.app.App.configure_logging): a handler for stderr as it is, and the
    next test has another stderr.
    """
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.setLevel(level)
    for handler in list(root.handlers):
        if handler not in before:
            root.removeHandler(handler)


@pytest.fixture(scope='session')
def load_nova_api(tmp_path_factory):
    """Return a loader of NovaAPI: f(paste, [trove_guard] of nova.conf)."""
    # Not for those who need no Nova: it takes seconds.
    from tests.unit import nova_loader
    return functools.partial(nova_loader.load, tmp_path_factory)


@pytest.fixture(scope='session')
def guarded(load_nova_api):
    """Return NovaAPI with the guard on, from the project's sample."""
    return load_nova_api((ROOT / 'paste/api-paste.ini').read_text(),
                         '[trove_guard]\ntrove_managed_instances = true\n')


@pytest.fixture(scope='session')
def unguarded(load_nova_api):
    """Return NovaAPI with the guard in the pipeline, but off."""
    return load_nova_api((ROOT / 'paste/api-paste.ini').read_text(), '')
