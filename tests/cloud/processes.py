# SPDX-License-Identifier: Apache-2.0
"""Start, find and stop the processes of a cloud.

Every process has the state directory in its environment. The running processes
are found in /proc, never by files of an earlier run: the system reuses process
ids, and a run may be killed at any time.
"""

import contextlib
import dataclasses
import fcntl
from http import client
import itertools
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from tests.cloud import layout

MARK = 'NOVA_TROVE_GUARD_CLOUD_PROCESS'
STOP_SECONDS = 5


class Failed(Exception):
    """A step failed; the message is for the user."""


@dataclasses.dataclass(frozen=True)
class Running:
    """A process of a cloud."""

    pid: int
    name: str


@contextlib.contextmanager
def only_one(files):
    """Keep a second command away from the same state directory.

    :param files: the cloud's Layout
    :raises Failed: if another command holds it
    """
    files.root.mkdir(parents=True, exist_ok=True)
    # The kernel releases this lock when the process that holds it ends.
    with files.lock.open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(
                f'Another command is at work in {files.root}.') from None
        yield


def running(files):
    """Return the cloud's processes.

    :param files: the cloud's Layout
    :returns: a list of Running, sorted by process id
    """
    found = []
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdecimal():
            name = _name_of(files, int(entry.name))
            if name:
                found.append(Running(int(entry.name), name))
    return sorted(found, key=lambda process: process.pid)


def _name_of(files, pid):
    """Return the name of the cloud's process with an id, None for others."""
    mark = _mark(files, '')
    try:
        environ = pathlib.Path(f'/proc/{pid}/environ').read_bytes()
    except OSError:
        return None
    for variable in environ.split(b'\0'):
        if variable.startswith(mark.encode()):
            return variable.decode().removeprefix(mark)
    return None


def _mark(files, name):
    return f'{MARK}={files.root}:{name}'


def _environment(files, name, extra):
    """Return the user's environment without OpenStack's settings, plus ours.
    """
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(('OS_', 'PYTHON'))}
    variable, _, value = _mark(files, name).partition('=')
    return {
        **kept, **(extra or {}), variable: value,
        # Neutron sets its process title, which could overwrite the mark.
        'SPT_NOENV': '1',
        'PYTHONWARNINGS': 'ignore',
    }


def spawn(files, name, arguments, environment=None):
    """Start a process that outlives this one.

    :param files: the cloud's Layout
    :param name: the name of the process and of its log
    :param arguments: its command line
    :param environment: more environment variables
    :returns: its subprocess.Popen
    """
    arguments = [str(argument) for argument in arguments]
    command = files.command(name)
    for directory in files.logs, command.parent:
        directory.mkdir(parents=True, exist_ok=True)
    files.write_whole(command, json.dumps(
        {'arguments': arguments, 'environment': environment}))
    with files.log(name).open('ab') as log:
        process = subprocess.Popen(
            arguments, cwd=layout.REPOSITORY, start_new_session=True,
            env=_environment(files, name, environment),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    # A moment passes until its environment is there, by which it is found.
    while not _name_of(files, process.pid) and process.poll() is None:
        time.sleep(0.001)
    return process


def respawn(files, name):
    """Start a process that has ended again, the same way as before.

    :param files: the cloud's Layout
    :param name: the name with which spawn() has started it in this run
    :returns: its subprocess.Popen
    :raises Failed: if spawn() has not
    """
    try:
        command = json.loads(files.command(name).read_text())
    except FileNotFoundError:
        raise Failed(f'{name} was not started in this run.') from None
    return spawn(files, name, **command)


def run(files, name, arguments, environment=None):
    """Run a process to its end.

    :param files: the cloud's Layout
    :param name: the name of the process and of its log
    :param arguments: its command line
    :param environment: more environment variables
    :raises Failed: if its exit status is not 0
    """
    process = spawn(files, name, arguments, environment)
    try:
        status = process.wait()
    except BaseException:
        process.kill()
        raise
    if status != 0:
        command = ' '.join(str(argument) for argument in arguments)
        raise Failed(f'{command}\nended with status {status}.\n'
                     f'{tail(files.log(name))}')


def wait_for_url(files, name, process, url, seconds):
    """Wait until a process responds at a URL.

    :param files: the cloud's Layout
    :param name: the process's name
    :param process: its subprocess.Popen
    :param url: the URL; any response except a 5xx counts
    :param seconds: how long to wait
    :raises Failed: if the process ends, or does not respond in time
    """
    wait_until(files, name, process, lambda: answers(url), seconds)


def wait_until(files, name, process, is_ready, seconds):
    """Wait until a process is ready.

    :param files: the cloud's Layout
    :param name: the process's name
    :param process: its subprocess.Popen
    :param is_ready: a function that returns whether it is ready
    :param seconds: how long to wait
    :raises Failed: if the process ends, or is not ready in time
    """
    deadline = time.monotonic() + seconds
    while not is_ready():
        if process.poll() is not None:
            raise Failed(f'{name} ended with status {process.returncode}.\n'
                         f'{tail(files.log(name))}')
        if time.monotonic() > deadline:
            raise Failed(f'{name} is not ready after {seconds} s.\n'
                         f'{tail(files.log(name))}')
        time.sleep(0.1)


def answers(url):
    """Return whether there is a response at a URL; a 5xx is none."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, client.HTTPException):
        return False


def stop(files):
    """Stop all of the cloud's processes.

    :param files: the cloud's Layout
    :returns: the list of Running that were stopped
    :raises Failed: if some do not end
    """
    stopped = running(files)
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_SECONDS
        while left := running(files):
            if time.monotonic() > deadline:
                break
            for process in left:
                _send(files, process, number)
            time.sleep(0.1)
    if left:
        names = ', '.join(f'{process.name} ({process.pid})'
                          for process in left)
        raise Failed(f'These processes do not end: {names}')
    return stopped


def kill(files, name):
    """Kill the processes with a name, and wait for their end.

    :param files: the cloud's Layout
    :param name: the name
    :raises Failed: if there is none, or if one does not end
    """
    deadline = time.monotonic() + STOP_SECONDS
    found = send(files, name, signal.SIGKILL)
    while any(_name_of(files, process.pid) for process in found):
        if time.monotonic() > deadline:
            raise Failed(f'{name} does not end.')
        time.sleep(0.05)


@contextlib.contextmanager
def paused(files, name):
    """Stop the processes with a name (SIGSTOP) while in the context.

    :param files: the cloud's Layout
    :param name: the name
    :raises Failed: if there is none
    """
    send(files, name, signal.SIGSTOP)
    try:
        yield
    finally:
        send(files, name, signal.SIGCONT)


def send(files, name, number):
    """Send a signal to the processes with a name.

    :param files: the cloud's Layout
    :param name: the name
    :param number: the signal's number
    :returns: the list of Running to which it was sent
    :raises Failed: if there is none
    """
    found = [process for process in running(files) if process.name == name]
    if not found:
        raise Failed(f'There is no process {name}.')
    for process in found:
        _send(files, process, number)
    return found


def _send(files, process, number):
    """Send a signal, but never to another process that got the same id."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(process.pid)
        try:
            if _name_of(files, process.pid):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def tail(log, lines=30):
    """Return the end of a log.

    :param log: its path
    :param lines: the most lines
    :returns: the log's path and its last lines, as text
    """
    text = log.read_text(errors='replace').splitlines()[-lines:]
    return '\n'.join([f'The end of {log}:', *text])


def free_ports(names):
    """Choose a free port of 127.0.0.1 for each name.

    :param names: the names
    :returns: a dict of name to port
    :raises Failed: if there are not enough ports
    """
    # Prefer ports below the range from which the kernel chooses the ports of
    # outgoing connections: such a connection could take a port between this
    # check and the start of the service.
    limits = pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range')
    end = int(limits.read_text().split()[0])
    # The clouds of the processes of pytest-xdist start at the same time: no
    # port is for two of them.
    worker = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])
    below = range(1025 + worker, end,
                  int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', 1)))
    # Choose at random, as another cloud may choose ports at the same time.
    candidates = itertools.chain(random.sample(below, len(below)),
                                 range(end, 65536))
    names = list(names)
    free = itertools.islice(filter(_is_free, candidates), len(names))
    ports = dict(zip(names, free))
    if len(ports) < len(names):
        raise Failed('There are no free ports on 127.0.0.1.')
    return ports


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return False
        return True
