# SPDX-License-Identifier: Apache-2.0
"""What the tests here share: a server, and Nova's databases on it."""

import pytest

from tests.production import mariadb
from tests.unit import conftest as unit
from tests.unit import nova_database

load_nova_api = unit.load_nova_api
guarded = unit.guarded


def pytest_collection_modifyitems(items):
    """Mark the tests here."""
    for item in items:
        if 'tests/production' in item.path.as_posix():
            item.add_marker(pytest.mark.production)


@pytest.fixture(scope='session')
def server():
    """Return a running MariaDB."""
    with mariadb.running() as running:
        yield running


@pytest.fixture(scope='module')
def databases(server, tmp_path_factory):
    """Have Nova use databases of this module's own, on MariaDB."""
    with nova_database.NovaDatabases(
            tmp_path_factory.mktemp('nova'), server=server) as databases:
        yield databases
