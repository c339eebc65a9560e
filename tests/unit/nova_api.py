# SPDX-License-Identifier: Apache-2.0
"""Nova's real Compute API in this process, with the guard in its pipeline.

Loaded by paste.deploy from the project's own sample, with keystonemiddleware's
auth_token in it. Two things are not real: the tokens, and what lies below the
controllers. Servers come from a table, and a controller's method is recorded
in place of being called. Whoever needs only the names of what is in the table
imports no Nova with them.
"""

import dataclasses
import json
import re
import types
import uuid

from keystoneauth1 import fixture
import webob.exc
import webtest

from nova_trove_guard.core import calls
from nova_trove_guard.core import resources

METADATA_KEY = 'trove_instance_id'
MANAGED = '0c1d2a3b-1111-4111-8111-000000000001'
FREE = '0c1d2a3b-2222-4222-8222-000000000002'
MISSING = '0c1d2a3b-3333-4333-8333-000000000003'
OTHERS = '0c1d2a3b-5555-4555-8555-000000000005'
BROKEN = '0c1d2a3b-4444-4444-8444-000000000004'
# What belongs to the managed server, by the kinds of calls.Target.
VOLUME = '0c1d2a3b-6666-4666-8666-000000000006'
# A managed volume that no server has.
DETACHED = '0c1d2a3b-aaaa-4aaa-8aaa-00000000000a'
FLOATING_IP = '0c1d2a3b-7777-4777-8777-000000000007'
ADDRESS = '203.0.113.7'
CONSOLE_TOKEN = '0c1d2a3b-8888-4888-8888-000000000008'
DATABASE_INSTANCE = 'd0d0d0d0-5555-4555-8555-000000000005'
PROJECT = '0123456789abcdef0123456789abcdef'
USER = '00112233445566778899aabbccddeeff'
OTHER_PROJECT = 'fedcba9876543210fedcba9876543210'

SERVERS = (MANAGED, FREE, OTHERS, BROKEN)
_SERVER_PATH = re.compile(r'/(?:servers|os-volumes_boot)/([^/]+?)\n?(?:/|$)')
# What Nova says of what the guard puts in place of what a caller may not see.
_NOWHERE = {
    ('/os-floating-ips/', calls.NIL_UUID):
        f'Floating IP not found for ID {calls.NIL_UUID}',
    ('/', calls.NIL_UUID): f'Volume {calls.NIL_UUID} could not be found.',
    ('/', '0.0.0.0'): 'floating IP not found'}

# Names of controller methods that read. Everything else that is dispatched
# for a managed server has got past the guard.
READS = frozenset((
    'capacities', 'defaults', 'detail', 'index', 'info', 'search', 'servers',
    'show', 'statistics', 'uptime'))


@dataclasses.dataclass(frozen=True)
class Dispatch:
    """A call of a controller's method by Nova's API."""

    controller: str
    method: str
    arguments: dict

    @property
    def is_read(self):
        """Whether the method only reads, and gives nothing guarded."""
        return self.method in READS and self.controller not in (
            'ServerPasswordController', 'ConsolesController',
            'ConsoleAuthTokensController')

    def refuse_as_nova_does(self, request, has_databases):
        """Raise what Nova's controllers raise before they change anything.

        :param request: nova.api.openstack.wsgi.Request
        :param has_databases: whether servers are in databases, not in the
            table here
        """
        from nova import exception
        if self.controller == 'ServerExternalEventsController':
            request.environ['nova.context'].can(
                'os_compute_api:os-server-external-events:create', target={})
        path = _SERVER_PATH.search(request.environ['PATH_INFO'])
        if path and self.method != 'detail' and not has_databases and (
                path[1].lower() not in SERVERS):
            raise webob.exc.HTTPNotFound(
                explanation=exception.InstanceNotFound(
                    instance_id=path[1]).format_message())
        for (path, name), message in _NOWHERE.items():
            if (path in request.environ['PATH_INFO'] and
                    name in repr(self.arguments)):
                raise webob.exc.HTTPNotFound(explanation=message)

    def names(self, server_id):
        """Return whether the method is told to act on a server.

        The id may be in any spelling that Nova's database may accept:
        MariaDB compares without case.
        """
        if self.controller == 'ServerExternalEventsController':
            return server_id.lower() in repr(self.arguments).lower()
        return server_id.lower() in [
            str(self.arguments.get(name)).lower()
            for name in ('id', 'server_id')]


def cells(self, server_ids):
    """Stand in for nova_trove_guard.nova.lookup.NovaLookup._cells."""
    from nova_trove_guard.nova import lookup
    return {server_id: lookup.Cell('cell', None) for server_id in SERVERS
            if server_id in [each.lower() for each in server_ids]}


def each_cell():
    """Stand in for nova_trove_guard.nova.lookup._each_cell."""
    return (types.SimpleNamespace(cell_uuid='cell', db_connection=None),)


def rows(self, database, statement, *, server_ids=(), volume_id=None):
    """Stand in for nova_trove_guard.nova.lookup.NovaLookup._rows."""
    from nova import exception
    if BROKEN in server_ids:
        raise exception.NovaException('Cell is not responding')
    found = {}
    for server_id in (MANAGED,) if volume_id == VOLUME else server_ids:
        marker = metadata(server_id).get(self._metadata_key)
        found[server_id] = None if marker is None else (
            resources.ManagedResource('server', server_id, project(server_id),
                                      USER, marker))
    return found


def project(server_id):
    """Return the id of the project that owns a server."""
    return OTHER_PROJECT if server_id == OTHERS else PROJECT


def metadata(server_id):
    """Return the metadata (dict) of a server or a volume."""
    return ({'purpose': 'web'} if server_id == FREE else
            {METADATA_KEY: DATABASE_INSTANCE})


def console_token(context, token):
    """Stand in for nova.objects.ConsoleAuthToken.validate."""
    from nova import exception
    if token != CONSOLE_TOKEN:
        raise exception.InvalidToken(token='***')
    return types.SimpleNamespace(instance_uuid=MANAGED)


def floating_ip(network, context, floating_ip_id):
    """Stand in for nova.network.neutron.API.get_floating_ip."""
    from nova import exception
    if floating_ip_id != FLOATING_IP:
        raise exception.FloatingIpNotFound(id=floating_ip_id)
    return {'port_details': {'device_id': MANAGED}}


def cinder_client(context):
    """Stand in for nova.volume.cinder.cinderclient."""
    from cinderclient import exceptions

    def volume(volume_id):
        if volume_id == BROKEN:
            raise exceptions.ConnectionError
        if volume_id not in (VOLUME, DETACHED, FREE) or (
                context.project_id != PROJECT and not context.is_admin):
            raise exceptions.NotFound(404)
        return types.SimpleNamespace(
            id=volume_id, user_id=USER, metadata=metadata(volume_id),
            **{'os-vol-tenant-attr:tenant_id': PROJECT})

    def snapshot(snapshot_id):
        if snapshot_id == MISSING:
            raise exceptions.NotFound(404)
        return types.SimpleNamespace(volume_id=snapshot_id)

    return types.SimpleNamespace(
        volumes=types.SimpleNamespace(get=volume),
        volume_snapshots=types.SimpleNamespace(get=snapshot))


def server_of_address(network, context, address):
    """Stand in for API.get_instance_id_by_floating_address there."""
    return MANAGED if address == ADDRESS else None


class NovaAPI(webtest.TestApp):
    """A client of Nova's Compute API.

    :param application: the composite osapi_compute of an api-paste.ini
    :param tokens: dict of token data by token id, which auth_token consults
    :param dispatched: list of Dispatch, to which every call is added
    """

    def __init__(self, application, tokens, dispatched):
        super().__init__(application, lint=False)
        self.tokens = tokens
        self.dispatched = dispatched

    def token(self, *roles, project_id=PROJECT, is_of_system=False, **claims):
        """Return the id of a new token with some roles in a project."""
        token_id = uuid.uuid4().hex
        data = fixture.V3Token(project_id=project_id, **claims)
        if is_of_system:
            data.set_system_scope()
        for role in roles:
            data.add_role(name=role)
        self.tokens[token_id] = data
        return token_id

    def ask(self, method, path, *, token=None, service_token=None, **how):
        """Send a request, and return the answer whatever its status is.

        :param token: id of the user's token
        :param service_token: id of the service token sent with it
        :param how: `json` or `params` (the body), `headers`, `environ`
        """
        headers = dict(how.pop('headers', {}))
        if token:
            headers['X-Auth-Token'] = token
        if service_token:
            headers['X-Service-Token'] = service_token
        body = how.pop('json', None)
        if body is not None:
            how['params'] = json.dumps(body)
            headers.setdefault('Content-Type', 'application/json')
        self.dispatched.clear()
        return self._gen_request(
            method, path, headers=headers, expect_errors=True,
            extra_environ=how.pop('environ', None), **how)
