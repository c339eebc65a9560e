# SPDX-License-Identifier: Apache-2.0
"""The commands that need only the standard library."""

import json

from tests.cloud import processes


def down(files):
    """Stop the cloud, and the clouds of an interrupted test run.

    :param files: the cloud's Layout
    :returns: the exit status
    :raises processes.Failed: if processes do not end
    """
    stopped = []
    for one in files, *files.worker_layouts():
        stopped += processes.stop(one)
        one.state.unlink(missing_ok=True)
    names = ', '.join(sorted({process.name for process in stopped}))
    print(f'Stopped: {names}.' if names else 'Nothing was running.')
    return 0


def status(files):
    """Print the running processes and their URLs.

    :param files: the cloud's Layout
    :returns: the exit status: 0 if all processes run, else 3
    """
    found = processes.running(files)
    for process in found:
        print(f'{process.name:20} pid {process.pid}')
    if not files.state.exists():
        print('The cloud is not up.')
        return 3
    state = json.loads(files.state.read_text())
    print()
    for name, url in state['urls'].items():
        print(f'{name:20} {url}')
    missing = set(state['pids']) - {process.name for process in found}
    if missing:
        print(f'Not running: {", ".join(sorted(missing))}.')
        return 3
    return 0
