# SPDX-License-Identifier: Apache-2.0
"""The releases of OpenStack that there are tests against."""

import configparser
import pathlib
import re

from packaging import requirements
from packaging import utils
import pytest

from tests.cloud import concurrency
from tests.cloud import processes
from tests.cloud import releases

ROOT = pathlib.Path(__file__).parents[2]
TOLD = ', '.join(list(releases.CONSTRAINTS)[:-1]) + (
    f' and {releases.NEWEST}')


@pytest.fixture(params=releases.CONSTRAINTS)
def pins(request):
    """Return the version (str) of each package of a release, by its name."""
    lines = releases.CONSTRAINTS[request.param].read_text().split('\n')
    return {utils.canonicalize_name(name): version for name, version in (
        line.split('==') for line in lines if line and line[0] != '#')}


@pytest.mark.parametrize('wanted, release', [
    (None, releases.NEWEST), ('', releases.NEWEST), ('2025.1', '2025.1')])
def test_the_environment_says_which_one(monkeypatch, wanted, release):
    monkeypatch.delenv(releases.VARIABLE, raising=False)
    if wanted is not None:
        monkeypatch.setenv(releases.VARIABLE, wanted)
    assert releases.from_environment() == release


def test_another_one_is_an_error_that_tells_what_there_is(monkeypatch):
    monkeypatch.setenv(releases.VARIABLE, '1999.1')
    with pytest.raises(processes.Failed, match='1999.1.*2025.1, 2025.2, '):
        releases.from_environment()


def test_the_package_can_be_installed_with_each(pins):
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    wanted = [setup['options']['install_requires'],
              *setup['options.extras_require'].values()]
    for line in '\n'.join(wanted).split('\n'):
        if line:
            wanted = requirements.Requirement(line)
            assert pins[utils.canonicalize_name(wanted.name)] in (
                wanted.specifier), line


@pytest.mark.parametrize('page', [
    'README.md', 'doc/source/admin/upgrade.rst',
    'doc/source/contributor/index.rst'])
def test_each_is_told_of(page):
    text = ' '.join((ROOT / page).read_text().split())
    assert TOLD in text


def test_each_has_a_tox_environment():
    environments = re.search(r'testenv:functional-{(.+)}',
                             (ROOT / 'tox.ini').read_text())[1]
    assert environments.split(',') == list(releases.CONSTRAINTS)


def test_what_runs_on_eventlet_is_of_releases_that_there_are():
    assert concurrency.ON_EVENTLET.keys() < releases.CONSTRAINTS.keys()
