# SPDX-License-Identifier: Apache-2.0
"""The processes of a cloud: how they start again."""

import sys

import pytest

from tests.cloud import layout
from tests.cloud import processes

NAME = 'service@127.0.0.1'
# Prints what it is started with.
PROGRAM = 'import os, sys; print(sys.argv[1:], os.environ["SETTING"])'


@pytest.fixture
def files(tmp_path):
    """Return the Layout of a cloud without processes."""
    return layout.Layout(tmp_path)


def test_a_process_starts_again_with_its_command_and_environment(files):
    processes.spawn(files, NAME, [sys.executable, '-c', PROGRAM, files.root],
                    {'SETTING': 'on'}).wait()
    assert processes.respawn(files, NAME).wait() == 0
    first, again = files.log(NAME).read_text().splitlines()
    assert first == again == f"['{files.root}'] on"


def test_a_process_is_found_by_its_name_as_soon_as_it_has_started(files):
    def start(spawn, *arguments):
        with spawn(files, NAME, *arguments) as process:
            found = processes.running(files)
            processes.kill(files, NAME)
        return [(one.pid == process.pid, one.name) for one in found]

    for found in (start(processes.spawn, ['sleep', '60']),
                  start(processes.respawn)):
        assert found == [(True, NAME)]


def test_what_was_not_started_cannot_start_again(files):
    with pytest.raises(processes.Failed, match=f'{NAME} was not started'):
        processes.respawn(files, NAME)
