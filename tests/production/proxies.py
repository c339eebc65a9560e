# SPDX-License-Identifier: Apache-2.0
"""A socket before a server's, through which the server seems to be down."""

import contextlib
import pathlib
import socket
import socketserver
import threading

_BLOCK = 65536


class Proxy:
    """Connects the clients of a socket with a server.

    :param path: the socket
    :param server: the server's socket
    """

    def __init__(self, path, server):
        self.path = pathlib.Path(path)
        self._server = str(server)
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._limit = None
        self._sockets = set()
        self._listen()

    def _listen(self):
        proxy = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self):
                proxy._connect(self.request)

        self.path.unlink(missing_ok=True)
        self._listener = socketserver.ThreadingUnixStreamServer(
            str(self.path), Connection)
        # Connections may hang.
        self._listener.daemon_threads = True
        self._listener.block_on_close = False
        threading.Thread(target=self._listener.serve_forever, args=(0.05,),
                         daemon=True).start()

    def _connect(self, client):
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            self._sockets |= {client, server}
            sends = threading.Thread(
                target=self._copy, args=(client, server, None), daemon=True)
            sends.start()
            self._copy(server, client, self._limit)
            sends.join()

    def _copy(self, source, target, limit):
        with contextlib.suppress(OSError):
            while limit is None or limit > 0:
                data = source.recv(_BLOCK)
                self._goes_on.wait()
                if not data:
                    break
                target.sendall(data[:limit])
                if limit is not None:
                    limit -= len(data)
        for each in source, target:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _end_connections(self):
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._sockets = set()

    def close(self):
        """Refuse connections, and end those that there are."""
        self._listener.shutdown()
        self._listener.server_close()
        self._end_connections()

    @contextlib.contextmanager
    def refusing(self):
        """Have nobody listen."""
        self.close()
        try:
            yield
        finally:
            self._listen()

    @contextlib.contextmanager
    def hanging(self):
        """Have nothing arrive, with all connections open."""
        self._goes_on.clear()
        try:
            yield
        finally:
            self._goes_on.set()

    @contextlib.contextmanager
    def cutting(self, limit):
        """End each connection after some bytes from the server."""
        self._end_connections()
        self._limit = limit
        try:
            yield
        finally:
            self._limit = None
            self._end_connections()
