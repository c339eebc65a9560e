# SPDX-License-Identifier: Apache-2.0
"""What is in the packages: the wheel, the source distribution, Debian's.

They are built by Debian's own tools, without a network.
"""

import os
import pathlib
import shutil
import subprocess
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Neither the tests' own Python, nor one of the user's.
ENVIRONMENT = {'HOME': '/nonexistent', 'LC_ALL': 'C.UTF-8',
               'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'}
VERSION = '0.1.0'
# Where an installation puts the samples and profiles.
SHARE = 'share/nova-trove-guard'

pytestmark = pytest.mark.xdist_group(name='packages')


def _run(*command, cwd, **environment):
    """Run a command of Debian's and return its output.

    :raises AssertionError: with the output, if it fails
    """
    run = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert run.returncode == 0, run.stdout
    return run.stdout


@pytest.fixture(scope='module')
def tracked():
    """Return the files that git has or is to have, by their paths."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others',
         '--exclude-standard'],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {path for path in listed.split('\0')
            if path and (ROOT / path).exists()}


@pytest.fixture(scope='module')
def source(tracked, tmp_path_factory):
    """Return a copy of the source, outside of git."""
    copy = tmp_path_factory.mktemp('packages') / 'source'
    for path in tracked:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy / path)
    return copy


@pytest.fixture(scope='module')
def built(source):
    """Build the source distribution, and the wheel from it; return both."""
    _run('/usr/bin/python3', '-m', 'build', '--no-isolation', cwd=source,
         SETUPTOOLS_SCM_PRETEND_VERSION=VERSION)
    (sdist,) = (source / 'dist').glob('*.tar.gz')
    (wheel,) = (source / 'dist').glob('*.whl')
    return sdist, wheel


@pytest.fixture(scope='module')
def debian_package(source):
    """Build Debian's package; return its path."""
    _run('dpkg-buildpackage', '-us', '-uc', '-b', cwd=source)
    (package,) = source.parent.glob('*.deb')
    return package


def _installed(tracked):
    """Return the files of the package, and where the others go."""
    code = {path for path in tracked if path.startswith('nova_trove_guard/')}
    data = {f'{SHARE}/{path.removeprefix("paste/")}' for path in tracked
            if path.startswith('paste/')}
    assert code
    assert data
    return code, data


def test_the_source_distribution_has_every_file_of_the_repository(
        built, tracked):
    sdist, _ = built
    with tarfile.open(sdist) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    # What is about a repository is of no use without one.
    assert {path for path in tracked - names
            if not path.startswith('.')} == set()


def test_the_wheel_has_the_package_and_the_samples_and_nothing_else(
        built, tracked):
    _, wheel = built
    code, data = _installed(tracked)
    name = f'nova_trove_guard-{VERSION}'
    with zipfile.ZipFile(wheel) as archive:
        names = {path for path in archive.namelist()
                 if not path.startswith(f'{name}.dist-info/')}
    assert names == code | {f'{name}.data/data/{path}' for path in data}


def test_debian_s_package_has_the_same_and_the_commands(
        debian_package, tracked):
    code, data = _installed(tracked)
    listed = _run('dpkg-deb', '--contents', debian_package,
                  cwd=debian_package.parent)
    names = {line.split()[-1].removeprefix('./usr/')
             for line in listed.splitlines() if not line.endswith('/')}
    assert names >= (
        {f'lib/python3/dist-packages/{path}' for path in code} | data |
        {'bin/nova-trove-guard', 'bin/nova-trove-guard-status'})
    assert not any('/tests/' in name for name in names)


def test_debian_s_package_registers_the_filters(debian_package, tmp_path):
    _run('dpkg-deb', '--extract', debian_package, tmp_path,
         cwd=debian_package.parent)
    packages = tmp_path / 'usr/lib/python3/dist-packages'
    # Python itself reads it, as paste.deploy does.
    printed = _run(
        '/usr/bin/python3', '-c',
        'import importlib.metadata as metadata, nova_trove_guard\n'
        'found = metadata.distribution("nova-trove-guard")\n'
        'print(found.version, nova_trove_guard.__file__)\n'
        'print(*sorted(found.entry_points.select('
        'group="paste.filter_factory").names))',
        cwd=tmp_path, PYTHONPATH=os.fspath(packages))
    assert printed.splitlines() == [
        f'{VERSION} {packages}/nova_trove_guard/__init__.py',
        'trove_guard trove_guard_cinder trove_guard_neutron']


def test_lintian_finds_no_error(debian_package):
    _run('lintian', '--fail-on', 'error', debian_package,
         cwd=debian_package.parent)
