# SPDX-License-Identifier: Apache-2.0
"""More nova-api processes of the cloud, each with options of its own."""

import contextlib
import dataclasses
import pathlib
import socket
import subprocess
import sys
import time

from tests.cloud import layout
from tests.cloud import processes

DEADLINE_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Api:
    """A nova-api.

    :ivar url: where it is
    :ivar log: the file of its log
    :ivar events: the file of the events that it sends
    """

    url: str
    log: pathlib.Path
    events: pathlib.Path


@contextlib.contextmanager
def running(cloud, directory, options):
    """Run a nova-api, and yield the Api as soon as it answers.

    It has no message bus: of what is asked of it, only what Nova's API does
    by itself gets done.

    :param cloud: state.Cloud
    :param directory: an empty directory
    :param options: what its nova.conf says that the cloud's does not (str)
    """
    conf, log, events = (
        directory / name for name in ('nova.conf', 'log', 'events'))
    conf.write_text(options)
    events.touch()
    nova_conf = layout.Layout(cloud.root).conf('nova') / 'nova.conf'
    port, = processes.free_ports(['another nova-api']).values()
    with log.open('w') as lines, subprocess.Popen(
            [sys.executable, '-m', 'tests.functional.auditing_api',
             nova_conf, conf, str(port), events],
            cwd=layout.REPOSITORY, stdin=subprocess.DEVNULL, stdout=lines,
            stderr=subprocess.STDOUT) as process:
        try:
            await_(lambda: process.poll() is not None or answers(port))
            assert process.poll() is None, log.read_text()
            yield Api(f'http://127.0.0.1:{port}/v2.1', log, events)
        finally:
            process.terminate()


@contextlib.contextmanager
def statsd():
    """Yield a UDP socket that stands for a statsd server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(('127.0.0.1', 0))
        server.settimeout(DEADLINE_SECONDS)
        yield server


def await_(read):
    """Return what can be read, once it is there."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := read()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def answers(port):
    """Return whether somebody listens at a port."""
    with socket.socket() as client:
        return client.connect_ex(('127.0.0.1', port)) == 0
