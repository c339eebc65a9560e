# SPDX-License-Identifier: Apache-2.0
"""A cache server for tests and benchmarks: Debian's memcached."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

SECONDS_TO_START = 60


@contextlib.contextmanager
def running(*options):
    """Yield a running Memcached, and kill it.

    :param options: more of its command line
    """
    with tempfile.TemporaryDirectory() as directory:
        # It runs as somebody else.
        os.chmod(directory, 0o777)
        server = Memcached(directory, *options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


class Memcached:
    """A memcached on a port of its own.

    :param directory: where it may write its port
    :param options: more of its command line
    """

    def __init__(self, directory, *options):
        self._directory = pathlib.Path(directory)
        self._options = options
        self.port = 0
        self._process = None

    def start(self):
        """Start it, on the port that it had before if there was one.

        :raises RuntimeError: if it can't be
        """
        program = shutil.which('memcached')
        if program is None:
            raise RuntimeError(
                'There is no memcached here: apt install memcached')
        ports = self._directory / f'ports-{time.monotonic_ns()}'
        # As root it would not start without a user to be.
        user = ('-u', 'nobody') if os.geteuid() == 0 else ()
        port = str(self.port) if self.port else '-1'
        self._process = subprocess.Popen(
            [program, '-l', '127.0.0.1', '-p', port, '-U', '0', *user,
             *self._options],
            env={**os.environ, 'MEMCACHED_PORT_FILENAME': str(ports)})
        until = time.monotonic() + SECONDS_TO_START
        while not ports.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError('memcached does not start')
            time.sleep(0.01)
        self.port = int(ports.read_text().split()[-1])

    def stop(self):
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def hang(self):
        """Have it answer nothing, and go on accepting connections."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def go_on(self):
        """Have it answer again, what waits first."""
        self._process.send_signal(signal.SIGCONT)
