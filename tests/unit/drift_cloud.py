# SPDX-License-Identifier: Apache-2.0
"""A simulated Keystone, Nova, Cinder, Neutron and Trove, for real clients.

They speak HTTP, list in pages as the real ones do, and are as busy as a test
wants. What they say is held against the real ones in
tests/functional/test_fleet.py, which finds the same there.
"""

import collections
import contextlib
import http.server
import itertools
import json
import re
import threading
import urllib.parse
import uuid

MARKER = 'trove_instance_id'
TROVE_PROJECT = '70000000000000000000000000000001'
USER_PROJECT = '70000000000000000000000000000002'
OTHER_PROJECT = '70000000000000000000000000000003'
IDLE = 'No tasks for the instance.'
# What the comparison does not read, in the size that Nova has it.
BALLAST = {f'OS-EXT-SRV-ATTR:{number}': 'x' * 40 for number in range(20)}


# What Cinder lets anyone filter volumes by (resource_filters.json).
OPEN_FILTERS = ('name', 'status', 'metadata')


class Fleet:
    """Database instances and what they have, which tests let drift apart.

    :ivar servers: dict of server (dict) by id, in the order of Nova's list
    :ivar volumes: dict of volume (dict) by id, in the order of Cinder's list
    :ivar networking: dict of dict by id, of Neutron's, by the collection
    :ivar instances: dict of database instance (dict) by id
    :ivar ports: dict of the port (dict) that Trove made, by instance's id
    :ivar groups: the same, of security groups
    :ivar elsewhere: as instances, but another Trove's, of the region Two
    :ivar requests: Counter of (service, method, kind of path)
    :ivar trouble: function of a request's number that returns a status and
        headers to answer with instead, or None
    :ivar keystone_fault: the status with which Keystone refuses a token, or
        None
    :ivar on_page: function that is called after each page of Trove's
    :ivar on_volumes: function that is called with the ids of each page of
        Cinder's after it
    :ivar on_networking: the same, of Neutron's
    :ivar has_cinder: whether the catalog has Cinder
    :ivar has_neutron: whether it has Neutron
    :ivar is_cinder_admin: whether Cinder takes the operator for an admin
    :ivar is_neutron_admin: whether Neutron does
    :ivar filters: whether the operator may ask who locked a server
    :ivar takes_tags: whether Nova accepts tags in the state of the servers
    :ivar token: the token of the operator
    """

    def __init__(self):
        self.servers = {}
        self.volumes = {}
        self.instances = {}
        self.elsewhere = {}
        self.requests = collections.Counter()
        self.trouble = lambda number: None
        self.keystone_fault = None
        self.on_page = lambda: None
        self.on_volumes = lambda ids: None
        self.on_networking = lambda ids: None
        self.networking = {'ports': {}, 'security-groups': {}}
        self.ports = {}
        self.groups = {}
        self.has_cinder = True
        self.has_neutron = True
        self.is_cinder_admin = True
        self.is_neutron_admin = True
        self.numbers = itertools.count(1)
        self.clock = itertools.count(1)
        self.filters = True
        self.takes_tags = True
        self.token = 'token'

    def grow(self, count, project=TROVE_PROJECT):
        """Add instances with servers and volumes that are as they should be.

        :returns: list of the ids of the instances
        """
        made = []
        for _ in range(count):
            instance, server, volume = (
                str(uuid.uuid4()) for _ in range(3))
            self.instances[instance] = {
                'id': instance, 'server_id': server, 'region': None,
                'volume_id': volume,
                'tenant_id': USER_PROJECT, 'status': 'ACTIVE',
                'task_description': IDLE, 'name': 'database'}
            self.touch(instance)
            self.add_server(server, project, {MARKER: instance},
                            tags=['trove_instance'])
            self.lock(server, 'admin' if project != TROVE_PROJECT
                      else 'owner')
            self.add_volume(volume, {MARKER: instance}, server)
            group = str(uuid.uuid4())
            tag = f'{MARKER}_{instance}'
            self.groups[instance] = self.add_group(
                group, project, f'trove_sg-{instance}', tag)
            self.ports[instance] = self.add_port(
                str(uuid.uuid4()), project, f'trove-{instance}', server,
                [group], tag)
            made.append(instance)
        return made

    def add_server(self, server, project, metadata, tags=()):
        """Add a server."""
        self.servers[server] = {
            'id': server, 'status': 'ACTIVE', 'tenant_id': project,
            'metadata': metadata, 'locked': False, 'locked_reason': None,
            'locked_by': None, 'OS-EXT-STS:task_state': None,
            'tags': list(tags)}

    def add_volume(self, volume, metadata, server=None):
        """Add a volume, which may be attached to a server."""
        self.volumes[volume] = {
            'id': volume, 'status': 'in-use' if server else 'available',
            'metadata': metadata, 'migration_status': None,
            'attachments': [{'server_id': server}] if server else []}

    def add_port(self, port, project, name, server, groups=(), *tags):
        """Add a port, which may be plugged into a server, and return it."""
        made = self.networking['ports'][port] = {
            'id': port, 'project_id': project, 'name': name,
            'tags': list(tags), 'device_id': server or '',
            'device_owner': 'compute:nova' if server else '',
            'security_groups': list(groups)}
        return made

    def add_group(self, group, project, name, *tags):
        """Add a security group, and return it."""
        made = self.networking['security-groups'][group] = {
            'id': group, 'project_id': project, 'name': name,
            'tags': list(tags)}
        return made

    def volume_of(self, instance):
        """Return the volume (dict) of an instance's id."""
        return self.volumes[self.instances[instance]['volume_id']]

    def server_of(self, instance):
        """Return the server (dict) of an instance's id."""
        return self.servers[self.instances[instance]['server_id']]

    def lock(self, server, locked_by, reason=None):
        """Lock a server, or unlock it for None."""
        self.servers[server] |= {'locked': bool(locked_by),
                                 'locked_by': locked_by,
                                 'locked_reason': reason}

    def touch(self, instance):
        """Let an instance have been updated just now."""
        self.instances[instance]['updated'] = (
            f'2026-01-01T00:00:{next(self.clock):09}')

    @contextlib.contextmanager
    def served(self):
        """Serve it over HTTP; return the URL."""
        handler = type('Bound', (_Handler,), {'fleet': self})
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        server.daemon_threads = True
        # It takes half a second by default to shut down.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    # Keystone

    def catalog(self, url):
        """Return the token (dict) of the operator."""
        return {'token': {
            'expires_at': '2999-01-01T00:00:00.000000Z',
            'issued_at': '2020-01-01T00:00:00.000000Z',
            'methods': ['password'], 'roles': [{'id': '1', 'name': 'admin'}],
            'user': {'id': 'u', 'name': 'trove',
                     'domain': {'id': 'default', 'name': 'Default'}},
            'project': {'id': TROVE_PROJECT, 'name': 'trove',
                        'domain': {'id': 'default', 'name': 'Default'}},
            'catalog': [{'type': type_, 'id': type_, 'name': type_,
                         'endpoints': [
                             {'id': type_ + region, 'interface': 'public',
                              'region': region, 'region_id': region,
                              'url': url + path}
                             for region, path in (('One', path),
                                                  ('Two', path + '-two'))]}
                        for type_, path in (('compute', '/compute'),
                                            ('volumev3', '/volume'),
                                            ('network', '/network'),
                                            ('database', '/database'))
                        if (self.has_cinder or path != '/volume') and
                        (self.has_neutron or path != '/network')]}}

    # Nova

    def list_servers(self, query, url, details):
        """Answer a list of servers, as Nova does."""
        after = 0
        ids = list(self.servers)
        if 'marker' in query:
            after = ids.index(query['marker']) + 1
        limit = int(query['limit'])
        tests = [
            (name, test) for name, test in (
                ('locked_by', lambda server, wanted: re.search(
                    wanted, server['locked_by'] or '')),
                ('tags', lambda server, wanted: wanted in server['tags']),
                ('uuid', lambda server, wanted: server['id'] == wanted))
            if name in query and (name == 'tags' or self.filters)]
        found = list(itertools.islice(
            (server for server in map(self.servers.get, ids[after:])
             if all(test(server, query[name]) for name, test in tests)),
            limit + 1))
        page = {'servers': [
            self.view(server) if details else {'id': server['id']}
            for server in found[:limit]]}
        if len(found) > limit:
            page['servers_links'] = [{'rel': 'next', 'href': url}]
        return 200, page

    @staticmethod
    def view(server):
        """Return a server as Nova shows it: not who locked it."""
        return {key: value for key, value in server.items()
                if key != 'locked_by'} | BALLAST

    def act(self, server, body):
        """Answer a lock, as Nova does: the locking project decides."""
        locker = self.servers[server]
        if not (locker['locked'] and locker['tenant_id'] == TROVE_PROJECT):
            self.lock(server, 'owner' if locker['tenant_id'] == TROVE_PROJECT
                      else 'admin', body['lock']['locked_reason'])
        return 202, None

    def tag(self, server, tag):
        """Answer a new tag, as Nova does."""
        if not self.takes_tags:
            return 409, {'conflictingRequest': {'message': 'Not now.'}}
        self.servers[server]['tags'].append(tag)
        return 201, None

    # Cinder

    def list_volumes(self, query, url, version):
        """Answer a list of volumes, as Cinder does.

        :param version: the microversion
        """
        filters = query.keys() - {'all_tenants', 'limit', 'marker'}
        if (not self.is_cinder_admin and version >= '3.31' and
                not filters <= {*OPEN_FILTERS}):
            return 400, {'badRequest': {'message': 'Invalid filters.'}}
        after, limit = 0, int(query['limit'])
        ids = [] if filters or not self.is_cinder_admin else list(
            self.volumes)
        if 'marker' in query:
            if query['marker'] not in self.volumes:
                return 404, {'itemNotFound': {'message': 'No such volume.'}}
            after = ids.index(query['marker']) + 1
        page = {'volumes': [self.volumes[each] | BALLAST
                            for each in ids[after:after + limit]]}
        # Also where the page after it is empty.
        if len(page['volumes']) == limit:
            page['volumes_links'] = [{'rel': 'next', 'href': url}]
        self.on_volumes([volume['id'] for volume in page['volumes']])
        return 200, page

    # Neutron

    def list_networking(self, collection, query, url):
        """Answer a list of ports or security groups, as Neutron does.

        :param query: list of (name, value)
        """
        fields = {value for name, value in query if name == 'fields'}
        query = dict(query)
        rows = sorted(self.networking[collection].values(),
                      key=lambda row: row['id'])
        ids = [row['id'] for row in rows]
        if 'marker' in query and query['marker'] not in ids:
            if collection == 'ports':
                return 404, {'NeutronError': {'message': 'No such port.'}}
            del query['marker']
        after = ids.index(query['marker']) + 1 if 'marker' in query else 0
        limit = int(query['limit'])
        name = collection.replace('-', '_')
        page = [row for row in rows[after:after + limit]
                if self.is_neutron_admin or row['project_id'] == TROVE_PROJECT]
        links = [{'rel': 'previous', 'href': url}] if after else []
        if len(page) == limit:
            links.append({'rel': 'next', 'href': url})
        self.on_networking([row['id'] for row in page])
        return 200, {
            name: [{field: row[field] for field in fields} for row in page],
            f'{name}_links': links}

    def create_network(self, body):
        """Answer a new network that has what Neutron does not know."""
        unknown = body['network'].keys() - {'name', 'project_id'}
        assert unknown, 'a network would have been created'
        message = f'Unrecognized attribute(s) \'{", ".join(unknown)}\''
        if (body['network'].get('project_id', TROVE_PROJECT) !=
                TROVE_PROJECT and not self.is_neutron_admin):
            message = ('Specifying \'project_id\' or \'tenant_id\' other than '
                       'the authenticated project in request requires admin '
                       'or advsvc privileges')
        return 400, {'NeutronError': {'message': message}}

    # Trove

    def list_instances(self, query, url):
        """Answer a list of instances, as Trove does."""
        offset, limit = int(query.get('marker') or 0), int(query['limit'])
        rows = sorted(self.instances.values(),
                      key=lambda one: one['updated'],
                      reverse=True)[offset:offset + limit]
        links = ([{'rel': 'next', 'href': f'{url}?marker={offset + limit}'}]
                 if len(rows) == limit else [])
        answer = {'instances': sorted(
            (row | BALLAST for row in rows), key=lambda one: one['id']),
            'links': links}
        self.on_page()
        return 200, answer


class _Handler(http.server.BaseHTTPRequestHandler):
    """Routes requests to a Fleet."""

    fleet = None
    protocol_version = 'HTTP/1.1'
    # An answer in one piece, at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        """Answer a read."""
        self._do(None)

    def do_POST(self):
        """Answer a write."""
        length = int(self.headers.get('Content-Length') or 0)
        self._do(json.loads(self.rfile.read(length)))

    def do_PUT(self):
        """Answer a write, which may have no body."""
        length = int(self.headers.get('Content-Length') or 0)
        self._do(json.loads(self.rfile.read(length)) if length else None)

    def _do(self, body):
        fleet = self.fleet
        url = urllib.parse.urlsplit(self.path)
        if url.path.endswith('/auth/tokens'):
            host = self.headers['Host']
            if fleet.keystone_fault:
                self._answer(fleet.keystone_fault,
                             {'error': {'message': 'Not now.\nNot you.'}})
                return
            self._answer(201, fleet.catalog(f'http://{host}'),
                         {'X-Subject-Token': fleet.token})
            return
        if url.path == '/v3':
            # It has no discovery document.
            self._answer(404, {'error': {'message': 'No such path.'}})
            return
        trouble = fleet.trouble(next(fleet.numbers))
        if trouble:
            status, headers = trouble
            self._answer(status, {'overLimit': {'message': 'Busy.'}}, headers)
            return
        query = urllib.parse.parse_qsl(url.query)
        path = url.path.strip('/').split('/')
        if path[0] == 'network':
            self._answer(*self._route_networking(fleet, path[2:], query, body))
        else:
            self._answer(*self._route(fleet, path, dict(query), body))

    def _route(self, fleet, path, query, body):
        service, kind, *rest = path
        if service == 'compute':
            last = ('server', *rest)[-1]
            fleet.requests[service, self.command,
                           'id' if last in fleet.servers else last] += 1
            if rest in ([], ['detail']):
                return fleet.list_servers(query, self.path, bool(rest))
            server = fleet.servers.get(rest[0])
            if server is None:
                return 404, {'itemNotFound': {'message': 'No such server.'}}
            if len(rest) == 1:
                return 200, {'server': fleet.view(server)}
            if rest[1] == 'metadata':
                server['metadata'] |= body['metadata']
                return 200, body
            if rest[1] == 'tags':
                return fleet.tag(rest[0], rest[2])
            return fleet.act(rest[0], body)
        if service == 'volume':
            return self._route_volumes(fleet, path[1:], query, body)
        *_, last = path
        kind = () if last == 'instances' else ('id',)
        fleet.requests[service, self.command, *kind] += 1
        if last == 'instances':
            return fleet.list_instances(query, '/database/mgmt/instances')
        instance = {'database': fleet.instances,
                    'database-two': fleet.elsewhere}[service].get(last)
        if instance is None:
            return 404, {'itemNotFound': {'message': 'No such instance.'}}
        return 200, {'instance': instance}

    def _route_volumes(self, fleet, path, query, body):
        kind = {1: 'list', 2: path[-1], 3: 'metadata'}[len(path)]
        fleet.requests['volume', self.command,
                       'id' if kind in fleet.volumes else kind] += 1
        if kind in ('list', 'detail'):
            _, _, version = self.headers.get(
                'OpenStack-API-Version', 'volume 3.0').partition(' ')
            return fleet.list_volumes(query, self.path, version)
        volume = fleet.volumes.get(path[1])
        if volume is None:
            return 404, {'itemNotFound': {'message': 'No such volume.'}}
        if body is None:
            return 200, {'volume': volume}
        if volume['status'] == 'maintenance':
            return 400, {'badRequest': {'message': 'Not in maintenance.'}}
        volume['metadata'] |= body['metadata']
        return 200, body

    def _route_networking(self, fleet, path, query, body):
        collection, *rest = path
        fleet.requests['network', self.command, collection,
                       *('id' if place == 0 else part
                         for place, part in enumerate(rest[:2]))] += 1
        if collection == 'networks':
            return fleet.create_network(body)
        if not rest:
            return fleet.list_networking(collection, query, self.path)
        row = fleet.networking[collection].get(rest[0])
        if row is None:
            return 404, {'NeutronError': {'message': 'No such thing.'}}
        if len(rest) == 1:
            return 200, {collection.replace('-', '_')[:-1]: row}
        if row.get('held'):
            return 403, {'NeutronError': {'message': 'Not you.'}}
        if len(rest) == 2:
            row['tags'] = body['tags']
            return 200, body
        row['tags'].append(urllib.parse.unquote(rest[2]))
        return 201, None

    def _answer(self, status, document, headers=None):
        content = b'' if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {
                'Content-Type': 'application/json',
                'Content-Length': str(len(content)),
                **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Keep quiet."""
