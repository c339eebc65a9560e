# SPDX-License-Identifier: Apache-2.0
"""A whole Nova API in this process, on real databases, and the guard in it.

What is not real is the token that auth_token gets from Keystone, and the
message bus, which takes everything and brings it nowhere.
"""

import contextlib
import io
import json
import os
import pathlib
import tempfile

from oslo_config import cfg
from oslo_utils import timeutils

from nova_trove_guard.core import deadline
from nova_trove_guard.core import guard
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.nova import lookup
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import service
from tests.cloud import layout
from tests.production import mariadb
from tests.unit import nova_api
from tests.unit import nova_database
from tests.unit import nova_loader

MARKER = 'trove_instance_id'
WRITE = ('PUT', '/metadata/purpose', {'meta': {'purpose': 'web'}})
STOP = ('POST', '/action', {'os-stop': None})

# The variable of the environment that names the directory of a MariaDB in
# which Nova's databases are.
MARIADB = 'NOVA_TROVE_GUARD_MARIADB'

# Stands behind auth_token and keystonecontext, and in front of the guard.
CAPTURE = '''
[filter:capture]
paste.filter_factory = tests.bench.cloud:capture
'''


def capture(global_conf, **local_conf):
    """Return a filter that hands out what it gets, to whoever asks for it."""
    def wrap(application):
        def take(environ, start_response):
            captured = environ.pop('tests.bench', None)
            if captured is None:
                return application(environ, start_response)
            captured.append((application, environ.copy()))
            start_response('204 No Content', [])
            return []

        return take

    return wrap


class _Directories:
    """Stands for pytest's tmp_path_factory."""

    def __init__(self, directory):
        self._directory = directory

    def mktemp(self, name):
        """Return a new directory."""
        return pathlib.Path(tempfile.mkdtemp(dir=self._directory))


class Cloud:
    """Nova's API behind auth_token, and three servers of a tenant's.

    :ivar api: nova_api.NovaAPI, the whole pipeline
    :ivar databases: nova_database.NovaDatabases
    :ivar managed: the id of a server of Trove's
    :ivar free: the id of another
    :ivar locked: the id of another, which an admin has locked
    """

    def __init__(self, api, databases):
        self.api = api
        self.databases = databases
        # All that they lack is a compute host that is there.
        where = {'host': 'compute1', 'node': 'compute1',
                 'launched_at': timeutils.utcnow(),
                 'project_id': nova_api.PROJECT}
        self.free = databases.server({'purpose': 'web'}, **where)
        self.locked = databases.server({}, locked=True, locked_by='admin',
                                       **where)
        self.managed = databases.server(
            {MARKER: nova_api.DATABASE_INSTANCE}, **where)

    def token(self):
        """Return a new token of the tenant's."""
        return self.api.token('member', 'reader')

    def call(self, what, server_id):
        """Return a call as it comes out of auth_token and keystonecontext.

        :param what: method, path below the server and body
        :returns: the WSGI application behind, and a function that returns
            the environ, each time a new one
        """
        method, path, body = what
        captured = []
        self.api.ask(method, f'/v2.1/servers/{server_id}{path}', json=body,
                     token=self.token(), environ={'tests.bench': captured})
        (application, environ), = captured
        content = json.dumps(body).encode()

        def fresh():
            return environ | {'wsgi.input': io.BytesIO(content)}

        return application, fresh


@contextlib.contextmanager
def running(options=''):
    """Yield a Cloud.

    :param options: more lines of nova.conf; group trove_guard comes first
    """
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        text = (layout.REPOSITORY / 'paste/api-paste.ini').read_text().replace(
            'keystonecontext trove_guard', 'keystonecontext capture '
            'trove_guard') + CAPTURE
        loaded = nova_loader.load(_Directories(directory), text, options)
        databases = stack.enter_context(
            nova_database.NovaDatabases(directory, server=server()))
        yield Cloud(stack.enter_context(nova_loader.dispatching(loaded)),
                    databases)


def server():
    """Return the MariaDB that Nova uses, None for SQLite."""
    directory = os.environ.get(MARIADB)
    return directory and mariadb.MariaDB(directory)


def guarding(application):
    """Return a guard in front of an application, with its defaults."""
    return guard.TroveGuard(
        application, service.NovaService(application),
        lookup.NovaLookup(MARKER, metrics.Off(), deadline.Deadline()),
        policies.enforcer(cfg.CONF), MARKER)


def answer(environ, start_response):
    """Answer a request with as little as WSGI allows."""
    start_response('204 No Content', [])
    return []


def status(application, environ):
    """Return the status (int) that an application answers with."""
    heads = []
    for _ in application(environ, lambda *head: heads.append(head)):
        pass
    return int(heads[-1][0].split()[0])
