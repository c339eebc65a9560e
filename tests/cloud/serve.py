# SPDX-License-Identifier: Apache-2.0
"""Serve one WSGI application: ``serve.py ROOT SERVICE MODULE:NAME PORT``.

The application suffers the faults that tests request for SERVICE in the state
directory ROOT.
"""

import importlib
import pathlib
import sys
import threading

from cheroot import wsgi

from tests.cloud import faults
from tests.cloud import layout
from tests.cloud import sqlite

THREADS = 8


def server(application, port):
    """Return a server for an application.

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
    """Serve the application of the command line."""
    root, service, application, port = sys.argv[1:]
    module, _, name = application.partition(':')
    # Some services parse the command line when they are imported.
    del sys.argv[1:]
    sqlite.share()
    demanded = faults.Faults(layout.Layout(pathlib.Path(root)))
    server(demanded.strike_api(
        service, getattr(importlib.import_module(module), name)),
        int(port)).safe_start()


if __name__ == '__main__':
    main()
