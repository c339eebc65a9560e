# SPDX-License-Identifier: Apache-2.0
"""What a request asks of a server: the table, and the reading of a request.

The table has one row for each route of Nova's Compute API that reaches a
server, written as in Nova (``nova.api.openstack.compute.routes.ROUTE_LIST``),
and one for each server action (``nova.api.openstack.wsgi.action``). What it
does not know about a server counts as mutating. Operations bear the names of
Nova's own policy rules, less their ``os_compute_api:``.

A request is read the way Nova reads it, by the same code where Nova's reading
is subtle: WebOb for the query string and the body, oslo.serialization for
JSON. ``tests/unit/test_surface.py`` holds the table against the installed
Nova and ``tests/unit/test_differential.py`` the reading.
"""

import dataclasses
import io
import ipaddress
import re
import typing

from oslo_serialization import jsonutils
import routes.middleware
import webob

# Where an identifier stands in a request: the route's first variable, the
# JSON body below a chain of keys, or the JSON in a query parameter.
PATH = 'path'
EACH = object()


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where a request names what it acts on.

    :ivar kind: what the identifier identifies: ``server``, ``volume``,
        ``floating_ip``, ``floating_ip_address`` or ``console_token``
    :ivar where: PATH, or the keys that lead to the identifier in the body;
        EACH stands for every item of a list
    :ivar query: the query parameter that holds the JSON document in which
        ``where`` leads to the identifier, instead of the body
    :ivar is_validated: whether Nova's JSON schema refuses what can't be an
        identifier of that kind
    """

    kind: str
    where: str | tuple = PATH
    query: str | None = None
    is_validated: bool = False

    @property
    def is_one(self):
        """Whether it leads to no more than one identifier."""
        return self.where is PATH or EACH not in self.where


SERVER_IN_PATH = Target('server')
SERVER = (SERVER_IN_PATH,)


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """Something that can be asked of Nova and that the guard has a say in.

    :ivar name: Nova's policy rule for it, without ``os_compute_api:``
    :ivar targets: where a request names the servers that it acts on
    :ivar metadata: the keys that lead to the server metadata that the body
        writes, PATH where the path's last segment is the key of the metadata
        that goes, None where the operation changes none
    :ivar replaces_metadata: whether the metadata that the body does not
        write goes
    :ivar has_body: whether the JSON body has a say in what is asked
    :ivar service: whether other services drive servers with it, so that it
        is theirs to use under a policy rule of its own
    :ivar shows_servers: whether Nova tells a caller who may not see a server
        that there is one, by a refusal of its policy rule
    """

    name: str
    targets: tuple[Target, ...] = SERVER
    metadata: str | tuple[str, ...] | None = None
    replaces_metadata: bool = False
    has_body: bool = False
    service: bool = False
    shows_servers: bool = False


# What the guard lets pass: plain reads, and what acts on no server.
PASS = Operation('pass', targets=())
UNKNOWN = Operation('unknown')
# Which action it is stands in the body: see _action().
ACTION = Operation('action', has_body=True)
# Which of the two it is stands in the body: see _volume_update().
VOLUME_UPDATE = Operation('os-volumes-attachments:update', has_body=True)
VOLUME_SWAP = Operation('os-volumes-attachments:swap', has_body=True,
                        service=True)

_SERVER_ROUTES = {
    '': {
        'GET': PASS,
        'POST': Operation('servers:create', targets=(), has_body=True,
                          metadata=('server', 'metadata')),
    },
    '/{id}': {
        'GET': PASS,
        'PUT': Operation('servers:update'),
        'DELETE': Operation('servers:delete'),
    },
    '/{id}/action': {'POST': ACTION},
}

# os-volumes_boot is a full alias of servers up to microversion 2.102
# (nova.api.openstack.compute.volumes_boot.VolumesBootController).
ROUTES = {
    f'/{collection}{route}': methods
    for collection in ('servers', 'os-volumes_boot')
    for route, methods in _SERVER_ROUTES.items()
} | {
    # Nova 34 answers 410 for consoles; before, a GET gave a console's
    # password and port.
    '/servers/{server_id}/consoles': {
        'GET': Operation('os-consoles:index'),
        'POST': Operation('os-consoles:create'),
    },
    '/servers/{server_id}/consoles/{id}': {
        'GET': Operation('os-consoles:show'),
        'DELETE': Operation('os-consoles:delete'),
    },
    '/servers/{server_id}/diagnostics': {'GET': PASS},
    '/servers/{server_id}/ips': {'GET': PASS},
    '/servers/{server_id}/ips/{id}': {'GET': PASS},
    '/servers/{server_id}/metadata': {
        'GET': PASS,
        'POST': Operation('server-metadata:create', has_body=True,
                          metadata=('metadata',)),
        'PUT': Operation('server-metadata:update_all', has_body=True,
                         metadata=('metadata',), replaces_metadata=True),
    },
    '/servers/{server_id}/metadata/{id}': {
        'GET': PASS,
        'PUT': Operation('server-metadata:update', has_body=True,
                         metadata=('meta',)),
        'DELETE': Operation('server-metadata:delete', metadata=PATH),
    },
    '/servers/{server_id}/migrations': {'GET': PASS},
    '/servers/{server_id}/migrations/{id}': {
        'GET': PASS,
        'DELETE': Operation('servers:migrations:delete'),
    },
    '/servers/{server_id}/migrations/{id}/action': {
        'POST': Operation('servers:migrations:force_complete'),
    },
    '/servers/{server_id}/os-instance-actions': {'GET': PASS},
    '/servers/{server_id}/os-instance-actions/{id}': {'GET': PASS},
    '/servers/{server_id}/os-interface': {
        'GET': PASS,
        'POST': Operation('os-attach-interfaces:create'),
    },
    '/servers/{server_id}/os-interface/{id}': {
        'GET': PASS,
        'DELETE': Operation('os-attach-interfaces:delete'),
    },
    '/servers/{server_id}/os-security-groups': {'GET': PASS},
    # The GET gives the administrator's password, encrypted.
    '/servers/{server_id}/os-server-password': {
        'GET': Operation('os-server-password:show'),
        'DELETE': Operation('os-server-password:clear'),
    },
    '/servers/{server_id}/os-virtual-interfaces': {'GET': PASS},
    '/servers/{server_id}/os-volume_attachments': {
        'GET': PASS,
        # A volume that two servers may attach would leave a managed one by
        # way of the other: both are asked for.
        'POST': Operation(
            'os-volumes-attachments:create', has_body=True,
            targets=(*SERVER,
                     Target('volume', ('volumeAttachment', 'volumeId'),
                            is_validated=True))),
    },
    '/servers/{server_id}/os-volume_attachments/{id}': {
        'GET': PASS,
        'PUT': VOLUME_UPDATE,
        'DELETE': Operation('os-volumes-attachments:delete'),
    },
    '/servers/{server_id}/remote-consoles': {
        'POST': Operation('os-remote-consoles'),
    },
    '/servers/{server_id}/shares': {
        'GET': PASS,
        'POST': Operation('os-server-shares:create', shows_servers=True),
    },
    '/servers/{server_id}/shares/{id}': {
        'GET': PASS,
        'DELETE': Operation('os-server-shares:delete', shows_servers=True),
    },
    '/servers/{server_id}/tags': {
        'GET': PASS,
        'PUT': Operation('os-server-tags:update_all', shows_servers=True),
        'DELETE': Operation('os-server-tags:delete_all', shows_servers=True),
    },
    '/servers/{server_id}/tags/{id}': {
        'GET': PASS,
        'PUT': Operation('os-server-tags:update', shows_servers=True),
        'DELETE': Operation('os-server-tags:delete', shows_servers=True),
    },
    '/servers/{server_id}/topology': {'GET': PASS},
    # Paths that do not start with a server, but end at one.
    '/os-server-external-events': {
        'POST': Operation(
            'os-server-external-events:create', has_body=True, service=True,
            targets=(Target('server', ('events', EACH, 'server_uuid'),
                            is_validated=True),)),
    },
    '/os-assisted-volume-snapshots': {
        'POST': Operation(
            'os-assisted-volume-snapshots:create', has_body=True,
            service=True,
            targets=(Target('volume', ('snapshot', 'volume_id')),)),
    },
    '/os-assisted-volume-snapshots/{id}': {
        'DELETE': Operation(
            'os-assisted-volume-snapshots:delete', service=True,
            targets=(Target('volume', ('volume_id',), 'delete_info'),)),
    },
    '/os-console-auth-tokens/{id}': {
        'GET': Operation('os-console-auth-tokens', service=True,
                         targets=(Target('console_token'),)),
    },
    # Proxies of Cinder and Neutron, up to microversion 2.35.
    '/os-floating-ips': {'GET': PASS, 'POST': PASS},
    '/os-floating-ips/{id}': {
        'GET': PASS,
        'DELETE': Operation('os-floating-ips:delete',
                            targets=(Target('floating_ip'),)),
    },
    '/os-snapshots': {
        'GET': PASS,
        'POST': Operation(
            'os-volumes:snapshots:create', has_body=True,
            targets=(Target('volume', ('snapshot', 'volume_id')),)),
    },
    '/os-snapshots/{id}': {'GET': PASS, 'DELETE': PASS},
    '/os-volumes': {'GET': PASS, 'POST': PASS},
    '/os-volumes/{id}': {
        'GET': PASS,
        'DELETE': Operation('os-volumes:delete',
                            targets=(Target('volume'),)),
    },
}

ACTIONS = {
    'addFixedIp': Operation('os-multinic:add'),
    # The address may be another server's until now: Neutron moves it
    # (nova.network.neutron.API.associate_floating_ip).
    'addFloatingIp': Operation(
        'os-floating-ips:add',
        targets=(*SERVER, Target('floating_ip_address',
                                 ('addFloatingIp', 'address'),
                                 is_validated=True))),
    'addSecurityGroup': Operation('os-security-groups:add'),
    'changePassword': Operation('os-admin-password'),
    'confirmResize': Operation('servers:confirm_resize'),
    'createBackup': Operation('os-create-backup'),
    'createImage': Operation('servers:create_image'),
    'evacuate': Operation('os-evacuate'),
    'forceDelete': Operation('os-deferred-delete:force'),
    'injectNetworkInfo': Operation('os-admin-actions:inject_network_info'),
    'lock': Operation('os-lock-server:lock'),
    'migrate': Operation('os-migrate-server:migrate'),
    'os-getConsoleOutput': Operation('os-console-output'),
    'os-getRDPConsole': Operation('os-remote-consoles'),
    'os-getSPICEConsole': Operation('os-remote-consoles'),
    'os-getSerialConsole': Operation('os-remote-consoles'),
    'os-getVNCConsole': Operation('os-remote-consoles'),
    'os-migrateLive': Operation('os-migrate-server:migrate_live'),
    'os-resetState': Operation('os-admin-actions:reset_state'),
    'os-start': Operation('servers:start'),
    'os-stop': Operation('servers:stop'),
    'pause': Operation('os-pause-server:pause'),
    'reboot': Operation('servers:reboot'),
    'rebuild': Operation('servers:rebuild', metadata=('rebuild', 'metadata'),
                         replaces_metadata=True),
    'removeFixedIp': Operation('os-multinic:remove'),
    'removeFloatingIp': Operation('os-floating-ips:remove'),
    'removeSecurityGroup': Operation('os-security-groups:remove'),
    'rescue': Operation('os-rescue'),
    'resetNetwork': Operation('os-admin-actions:reset_network'),
    'resize': Operation('servers:resize'),
    'restore': Operation('os-deferred-delete:restore'),
    'resume': Operation('os-suspend-server:resume'),
    'revertResize': Operation('servers:revert_resize'),
    'shelve': Operation('os-shelve:shelve'),
    'shelveOffload': Operation('os-shelve:shelve_offload'),
    'suspend': Operation('os-suspend-server:suspend'),
    'trigger_crash_dump': Operation('servers:trigger_crash_dump'),
    'unlock': Operation('os-lock-server:unlock'),
    'unpause': Operation('os-pause-server:unpause'),
    'unrescue': Operation('os-unrescue'),
    'unshelve': Operation('os-shelve:unshelve'),
}

# Collections of Nova's API in which nothing names a server: hosts, flavors,
# images, networks, quotas, ... The guard lets all of them pass.
NAMES_NO_SERVER = frozenset((
    '', 'extensions', 'flavors', 'images', 'limits', 'os-agents',
    'os-aggregates', 'os-availability-zone', 'os-baremetal-nodes', 'os-cells',
    'os-certificates', 'os-cloudpipe', 'os-fixed-ips', 'os-floating-ip-dns',
    'os-floating-ip-pools', 'os-floating-ips-bulk', 'os-fping', 'os-hosts',
    'os-hypervisors', 'os-instance_usage_audit_log', 'os-keypairs',
    'os-migrations', 'os-networks', 'os-quota-class-sets', 'os-quota-sets',
    'os-security-group-default-rules', 'os-security-group-rules',
    'os-security-groups', 'os-server-groups', 'os-services',
    'os-simple-tenant-usage', 'os-tenant-networks', 'versions',
))


def calls():
    """Yield (Operation, method, path) of every guarded call in the table.

    An action stands in parentheses behind its path, as where Nova documents
    its policy rules.
    """
    for route, methods in ROUTES.items():
        for method, operation in methods.items():
            if operation is ACTION:
                for action, named in ACTIONS.items():
                    yield named, method, f'{route} ({action})'
            elif operation is not PASS:
                yield operation, method, route
                if operation is VOLUME_UPDATE:
                    yield VOLUME_SWAP, method, route


def operations():
    """Return every Operation that the guard may refuse, by name."""
    named = {operation.name: operation for operation, _, _ in calls()}
    return named | {UNKNOWN.name: UNKNOWN}


def _shape(segments):
    """Return the key of a path in _METHODS: its length and fixed segments.

    In every route of the table fixed segments and variables alternate.
    """
    return len(segments), *segments[::2]


def _expression(routes):
    """Return the regular expression (str) of routes, each a list of segments.

    Their common beginnings stand there once: it is as fast for the last route
    as for the first.
    """
    tails = {}
    for segment, *tail in filter(None, routes):
        name = '[^/]*' if segment.startswith('{') else re.escape(segment)
        tails.setdefault(name, []).append(tail)
    if not tails:
        return ''
    branches = '|'.join(
        f'/{name}{_expression(below)}' for name, below in tails.items())
    return f'(?:{branches})' + '?' * ([] in routes)


_SEGMENTS = {route: route.split('/')[1:] for route in ROUTES}
_METHODS = {_shape(_SEGMENTS[route]): methods
            for route, methods in ROUTES.items()}
# Where a GET is a plain read, behind a /{project_id} of Nova's, too: no
# collection has such a name.
_is_read = re.compile('(?:/[0-9a-f-]+)?' + _expression([
    _SEGMENTS[route] for route, methods in ROUTES.items()
    if methods.get('GET') is PASS])).fullmatch
_COLLECTIONS = frozenset(segments[0] for segments in _SEGMENTS.values())
_SERVER_COLLECTIONS = frozenset(('servers', 'os-volumes_boot'))


# WebOb moves larger bodies to a file
# (webob.request.BaseRequest.request_body_tempfile_limit).
_IN_MEMORY = re.compile('[1-9][0-9]{0,3}')
# What it leaves in the environ when a filter before the guard has read.
_READ_BY_WEBOB = frozenset(('webob.is_body_seekable', 'webob._body_file'))

_UUID = re.compile('[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')


def canonical(identifier):
    """Return an id as OpenStack's services make it, or None for what is none.

    MariaDB finds an id without regard to case.

    :param identifier: str, or None
    """
    if identifier is None or _UUID.fullmatch(identifier) is None:
        return None
    return identifier.lower()


def _canonical_address(address):
    """Return an IP address as it is, or None for what is none.

    Read as by the formats ipv4 and ipv6 of jsonschema, by which Nova does.
    """
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    return address


# By the kind of a Target; all others are UUIDs.
_CANONICAL = {'floating_ip_address': _canonical_address}


UNREADABLE = object()


class Unreadable(Exception):
    """The request does not say in a form known to Nova what it acts on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """Something that a request acts on.

    :ivar target: the Target, where the request names it
    :ivar identifier: its identifier in the canonical form, None for what
        can't be one
    """

    target: Target
    identifier: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks.

    :ivar operation: the Operation
    :ivar identifier: the path's first variable, as Nova's controller gets
        it, or None
    :ivar position: which segment of the path that is
    :ivar item: the path's last segment, as Nova's controller gets it
    :ivar document: the parsed JSON body; UNREADABLE where it is no JSON or
        does not say which action is meant
    :ivar query: the raw query string
    """

    operation: Operation
    identifier: str | None
    position: int
    item: str
    document: typing.Any
    query: str

    @property
    def is_readable(self):
        """Whether Nova, too, could tell what the request asks."""
        return self.document is not UNREADABLE

    @property
    def server_id(self):
        """The id of the server that the path names, None for no valid one.

        In its canonical form; whatever else stands there, a secret even, is
        not for logs.
        """
        names_server = SERVER_IN_PATH in self.operation.targets
        return canonical(self.identifier) if names_server else None

    def named(self):
        """Return the list of Named: all that the request acts on, once each.

        :raises Unreadable: where the request names nothing in any place in
            which Nova looks for it; what it names badly beside something
            well named, Nova's JSON schemas refuse
        """
        named = {}
        for target in self.operation.targets:
            canonical_form = _CANONICAL.get(target.kind, canonical)
            try:
                for identifier in self.identifiers(target):
                    named[Named(target, canonical_form(identifier))] = None
            except Unreadable:
                if not named:
                    raise
        return list(named)

    def identifiers(self, target):
        """Return an iterable of the identifiers (str) that a Target leads to.

        They are as they stand in the request.

        :raises Unreadable: where there are none
        """
        if target.where is PATH:
            return (self.identifier,)
        document = (query_document(self.query, target.query)
                    if target.query else self.document)
        return _pluck(document, target.where)

    def writes_metadata(self, key):
        """Return whether the request writes the server metadata `key`."""
        if self.operation.metadata in (None, PATH):
            return False
        try:
            return any(key in metadata for metadata
                       in _pluck(self.document, self.operation.metadata, dict))
        except Unreadable:
            # Nova's JSON schemas want an object there, and refuse the rest.
            return False

    def changes_metadata(self, key):
        """Return whether a server that has the metadata `key` may lose it.

        Or get another value. MariaDB finds a key without regard to case and
        to spaces at its end (nova.db.main.api.instance_metadata_delete).
        """
        where = self.operation.metadata
        if where is None:
            return False
        if where is PATH:
            return _collated(self.item) == _collated(key)
        try:
            written, = _pluck(self.document, where, object)
        except Unreadable:
            return False
        keys = written if isinstance(written, dict) else ()
        return (self.operation.replaces_metadata or
                _collated(key) in map(_collated, keys))


def _collated(key):
    return key.casefold().rstrip()


def asked(environ):
    """Return what a request asks that the guard has a say in.

    :param environ: the WSGI environ as it stands where Nova's router gets it
    :returns: Asked, or None for what passes: a plain read, or a request that
        does not end at a server
    :raises OSError: when the client hangs up while its body is read
    :raises webob.exc.HTTPException: when a filter in front limits the body
        (oslo_middleware.sizelimit.LimitingReader)
    """
    path = environ['PATH_INFO']
    method = environ['REQUEST_METHOD']
    query = environ.get('QUERY_STRING', '')
    # Most requests by far. It says nothing that what follows would not say,
    # but says it sooner.
    if method == 'GET' and _is_read(path) and '_method' not in query:
        return None
    # Routes' regular expressions end in '$', which also matches before a
    # final newline: DELETE /servers/{id}%0A deletes {id}.
    segments = path.removesuffix('\n').split('/')[1:]
    position = 2
    if segments and segments[0] not in _COLLECTIONS:
        # Each of Nova's routes exists behind a /{project_id}, too
        # (nova.api.openstack.ProjectMapper).
        del segments[0]
        position = 3
    if not segments or segments[0] not in _COLLECTIONS:
        return None
    if '_method' in query:
        method = _overridden(method, environ, 'GET')
    elif method == 'POST' and routes.middleware.is_form_post(environ):
        method = _overridden(method, environ, 'POST')
    operation = _METHODS.get(_shape(segments), {}).get(method)
    if operation is PASS:
        return None
    identifier = segments[1] if len(segments) > 1 else None
    if operation is None:
        if identifier is None or segments[0] not in _SERVER_COLLECTIONS:
            return None
        operation = UNKNOWN
    # Read in any case: Nova, too, reads the whole body before it dispatches.
    # Who held back the end of it would choose the time between the look-up of
    # a server and what is done with the server.
    content = _content(environ)
    document = _document(content) if operation.has_body else None
    if operation is ACTION:
        operation, document = _action(document)
    elif operation is VOLUME_UPDATE:
        operation = _volume_update(document, segments[-1])
    return Asked(operation, identifier, position, segments[-1], document,
                 query)


def _overridden(method, environ, variables):
    """Return the method by which Routes routes a request with an override.

    ``GET /servers/{id}?_method=DELETE`` deletes a server: Nova's router has
    method overrides on (routes.middleware.RoutesMiddleware.__call__). There
    are many spellings of it, of which WebOb knows all.

    :param variables: the property of a webob Request in which to look
    """
    try:
        override = getattr(webob.Request(environ), variables).get('_method')
    except UnicodeDecodeError:
        return method
    return override.upper() if override else method


def _document(content):
    """Return the body (bytes) parsed, or UNREADABLE.

    jsonutils reads it as JSONDeserializer and action_peek do in
    nova.api.openstack.wsgi, so that encodings and repeated keys mean the same
    to both.
    """
    try:
        return jsonutils.loads(content)
    except (ValueError, RecursionError):
        return UNREADABLE


def _content(environ):
    """Return the body (bytes), and leave a seekable copy of it.

    WebOb decides, as in nova.api.openstack.wsgi.Resource.get_body, what is
    body at all (Content-Length, chunked transfer encoding). What is to be
    read of a plain one is beyond doubt, and is read without WebOb's ado.

    :raises OSError: when the client hangs up before its end
    """
    length = environ.get('CONTENT_LENGTH', '')
    if (_IN_MEMORY.fullmatch(length) is None
            or not _READ_BY_WEBOB.isdisjoint(environ)):
        return webob.BaseRequest(environ).body
    size = int(length)
    content = environ['wsgi.input'].read(size)
    if len(content) < size:
        raise OSError('The client hung up.')
    environ['wsgi.input'] = io.BytesIO(content)
    environ['webob.is_body_seekable'] = True
    return content


def _action(document):
    """Return the Operation that the body of an action names, and the body.

    See nova.api.openstack.wsgi.action_peek: the action is the only key.
    """
    if not isinstance(document, dict) or len(document) != 1:
        return UNKNOWN, UNREADABLE
    return ACTIONS.get(*document, UNKNOWN), document


def _volume_update(document, volume_id):
    """Return the Operation that the body of a volume update asks for.

    Another volumeId than the path's is a swap, at any microversion, and Nova
    judges it by its swap rule
    (nova.api.openstack.compute.volume_attachments.VolumeAttachmentController).
    """
    try:
        new_id, = _pluck(document, ('volumeAttachment', 'volumeId'))
    except Unreadable:
        return VOLUME_UPDATE
    return VOLUME_UPDATE if new_id == volume_id else VOLUME_SWAP


def query_document(query, parameter):
    """Return the JSON document in a query parameter, read as Nova does.

    See AssistedVolumeSnapshotsController.delete in
    nova.api.openstack.compute.assisted_volume_snapshots.
    """
    try:
        parameters = webob.Request({'QUERY_STRING': query}).GET
        return jsonutils.loads(parameters[parameter])
    except (KeyError, ValueError, RecursionError) as error:
        raise Unreadable from error


def _pluck(document, keys, kind=str):
    """Yield what stands in a document below a chain of keys.

    :param document: parsed JSON
    :param keys: keys, and EACH for every item of a list
    :param kind: the type that each value must have
    :raises Unreadable: where the document has another form
    """
    if not keys:
        if not isinstance(document, kind):
            raise Unreadable
        yield document
        return
    key, *rest = keys
    if key is EACH:
        if not isinstance(document, list):
            raise Unreadable
        items = document
    elif isinstance(document, dict) and key in document:
        items = (document[key],)
    else:
        raise Unreadable
    for item in items:
        yield from _pluck(item, rest, kind)
