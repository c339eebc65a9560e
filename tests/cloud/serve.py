# SPDX-License-Identifier: Apache-2.0
"""Serves one WSGI application: ``serve.py MODULE:NAME PORT``."""

import importlib
import sys
import threading

from cheroot import wsgi

from tests.cloud import sqlite

THREADS = 8


def server(application, port):
    """Make a server of an application.

    :param application: a WSGI application
    :param port: the port of 127.0.0.1
    :returns: a cheroot server, not yet started
    """
    return wsgi.Server(('127.0.0.1', port), application, numthreads=THREADS)


def serve_all(servers):
    """Serve in the background until one ends, then end the process.

    :param servers: cheroot servers
    """
    ended = threading.Event()

    def serve(one):
        try:
            one.safe_start()
        finally:
            ended.set()

    for one in servers:
        threading.Thread(target=serve, args=(one,), daemon=True).start()
    ended.wait()


def main():
    """Serve what the command line names."""
    module, _, name = sys.argv[1].partition(':')
    port = int(sys.argv[2])
    # Some services parse the command line when they are imported.
    del sys.argv[1:]
    sqlite.share()
    application = getattr(importlib.import_module(module), name)
    server(application, port).safe_start()


if __name__ == '__main__':
    main()
