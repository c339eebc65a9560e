# SPDX-License-Identifier: Apache-2.0
"""Start the processes of Trove deployments."""

from tests.cloud import processes

# Trove accepts only an address as the name of a host.
FIRST_HOST = '127.0.0.1'
START_SECONDS = 120


def process_name(deployment, host):
    """Return the name of the process of a deployment on a host.

    :param deployment: the deployment's name
    :param host: its task manager's host
    :returns: the name
    """
    return deployment if host == FIRST_HOST else f'{deployment}@{host}'


def start(files, deployment, host, port, options=None):
    """Start a process of a deployment, and wait until it responds.

    :param files: the cloud's Layout
    :param deployment: the deployment's name
    :param host: the name of its task manager's host, an address
    :param port: the port of its API on 127.0.0.1
    :param options: options of [trove_guard] that differ (dict)
    :raises processes.Failed: if it ends, or does not respond
    """
    name = process_name(deployment, host)
    process = processes.spawn(files, name, [
        files.python, '-m', 'tests.cloud.trove_process', files.root,
        files.conf(deployment) / 'trove.conf', deployment, host, port,
        *(f'{name}={value}' for name, value in (options or {}).items())])
    processes.wait_for_url(files, name, process, f'http://127.0.0.1:{port}/',
                           START_SECONDS)
