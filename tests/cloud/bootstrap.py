# SPDX-License-Identifier: Apache-2.0
"""Create the virtual environment with the services and the guard."""

import hashlib
import os
import pathlib
import shutil
import sys

from tests.cloud import layout
from tests.cloud import processes
from tests.cloud import releases

REQUIREMENTS = layout.HERE / 'requirements.txt'
PRODUCTION = (layout.HERE / 'production.txt',)
GATES = (layout.REPOSITORY / 'doc' / 'requirements.txt',
         layout.REPOSITORY / 'tests' / 'gates.txt')
# The files that determine the metadata of an editable installation.
PACKAGE = tuple(layout.REPOSITORY / name
                for name in ('pyproject.toml', 'setup.cfg', 'setup.py'))


def is_running_inside(files):
    """Return whether this Python is the virtual environment's.

    :param files: the cloud's Layout
    :returns: True or False
    """
    return pathlib.Path(sys.prefix).resolve() == files.venv.resolve()


def prepare(files, progress):
    """Create the virtual environment, or complete it.

    :param files: the cloud's Layout
    :param progress: a Progress
    :raises processes.Failed: if an installation fails, or if the cloud does
        not support the user's release
    """
    constraints = releases.CONSTRAINTS[releases.from_environment()]
    wanted = _digest(REQUIREMENTS, constraints)
    stamp = files.venv / 'cloud-installed'
    if not _matches(stamp, wanted):
        # Processes of an interrupted run may still be installing.
        processes.stop(files)
        # Remove the stamp first, so that a partly removed environment does not
        # count as complete.
        stamp.unlink(missing_ok=True)
        shutil.rmtree(files.venv, ignore_errors=True)
        with progress.step('virtual environment'):
            # The Python from which the current virtual environment was made.
            python = os.path.realpath(sys.executable)
            processes.run(files, 'venv', [python, '-m', 'venv', files.venv])
        with progress.step('services and clients installed'):
            _pip(files, '-c', constraints, '-r', REQUIREMENTS)
        stamp.write_text(wanted)

    # Another checkout may use the same state directory.
    wanted = f'{layout.REPOSITORY} {_digest(*PACKAGE)}'
    stamp = files.venv / 'guard-installed'
    if not _matches(stamp, wanted):
        with progress.step('guard installed in place'):
            _pip(files, '--no-deps', '-e', layout.REPOSITORY)
        stamp.write_text(wanted)


def prepare_gates(files, progress):
    """Install the tools that check style, types and documentation.

    :param files: the cloud's Layout, prepared
    :param progress: a Progress
    :raises processes.Failed: if the installation fails
    """
    _prepare_more(files, progress, 'gates', GATES)


def prepare_production(files, progress):
    """Install what a cloud as in production needs.

    :param files: the cloud's Layout, prepared
    :param progress: a Progress
    :raises processes.Failed: if the installation fails
    """
    _prepare_more(files, progress, 'production', PRODUCTION)


def _prepare_more(files, progress, kind, requirements):
    wanted = _digest(*requirements)
    stamp = files.venv / f'{kind}-installed'
    if not _matches(stamp, wanted):
        with progress.step(f'{kind} installed'):
            _pip(files, *(argument for path in requirements
                          for argument in ('-r', path)))
        stamp.write_text(wanted)


def _pip(files, *arguments):
    processes.run(files, 'pip', [files.python, '-m', 'pip', 'install',
                                 '--disable-pip-version-check', *arguments])


def _digest(*paths):
    """Return a hash of those files that exist."""
    digest = hashlib.sha256()
    for path in paths:
        if path.exists():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _matches(stamp, wanted):
    return stamp.exists() and stamp.read_text() == wanted
