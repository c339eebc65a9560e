# SPDX-License-Identifier: Apache-2.0
"""What the tests here share: a server, and databases on it; a cloud.

And the table of how long servers were unlocked.
"""

from unittest import mock

from oslo_config import cfg
import pytest

from tests.functional import conftest as functional
from tests.production import mariadb
from tests.unit import conftest as unit
from tests.unit.neutron import conftest as neutron_api
from tests.unit import nova_database

load_nova_api = unit.load_nova_api
guarded = unit.guarded
cloud = functional.cloud
scene = functional.scene
witness = functional.witness

# The property of a test's report that becomes a row of the table.
UNLOCKED = 'unlocked'


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


@pytest.fixture(scope='session')
def cinder(server, tmp_path_factory):
    """Return Cinder's API with the guard on, on MariaDB."""
    # Not where only Nova is wanted: it is large.
    from tests.unit.cinder import loading
    # There are no groups, but volumes that are in one.
    # Cinder's migrations make tables of this character set.
    url = (server.create('cinder', options='CHARACTER SET utf8mb3') +
           '&init_command=SET%20foreign_key_checks=0')
    with mock.patch.object(cfg, 'CONF', loading.conf):
        return loading.cinder_api.CinderAPI(
            loading.conf, tmp_path_factory.mktemp('cinder'), url)


@pytest.fixture(scope='session')
def neutron(server, tmp_path_factory):
    """Return Neutron with the guard on, on MariaDB."""
    # Of all collations, this finds the most strings equal. It is the default
    # from MariaDB 11.6 on, and much like MySQL's.
    url = server.create('neutron', options='COLLATE utf8mb4_uca1400_ai_ci')
    with neutron_api.running(
            tmp_path_factory.mktemp('neutron'), url) as neutron:
        yield neutron


def pytest_terminal_summary(terminalreporter):
    """Print for how long servers were unlocked, or may have been."""
    rows = [value for reports in terminalreporter.stats.values()
            for report in reports
            if getattr(report, 'when', None) == 'call'
            for name, value in report.user_properties if name == UNLOCKED]
    if rows:
        terminalreporter.section('seconds until a server was locked')
        for *names, seconds in rows:
            terminalreporter.line(f'{seconds:8.1f} s  {", ".join(names)}')
