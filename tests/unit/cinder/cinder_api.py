# SPDX-License-Identifier: Apache-2.0
"""Cinder's real API router in this process, with the guard before it.

The router has all of Cinder's extensions, keystonecontext stands before the
guard, and the database is an SQLite file with Cinder's own schema. Two things
are not real: the tokens, which are as auth_token leaves them, and what
controllers do, which is recorded; but the detailed list of attachments is
Cinder's own.
"""

import contextlib
import dataclasses
import json
import types
import unittest.mock

from cinder.api.middleware import auth
from cinder.api.openstack import wsgi
from cinder.api.v3 import router
from cinder import rpc
from oslo_config import cfg
from oslo_serialization import base64
import sqlalchemy
import webob
import webob.exc

from nova_trove_guard.cinder import filter as guard_filter
from nova_trove_guard.cinder import identifiers
from nova_trove_guard.cinder import lookup
from nova_trove_guard.cinder import surface
from nova_trove_guard.core import calls

METADATA_KEY = 'trove_instance_id'
DATABASE_INSTANCE = 'd0d0d0d0-5555-4555-8555-000000000005'
PROJECT = '0123456789abcdef0123456789abcdef'
OTHER_PROJECT = 'fedcba9876543210fedcba9876543210'
# Both volumes are attached to it.
SERVER = '5e5e5e5e-1111-4111-8111-000000000000'
CONNECTION = {'driver_volume_type': 'iscsi', 'data': {'auth_password': 'x'}}
USER = '00112233445566778899aabbccddeeff'
# Who asks: arguments of CinderAPI.ask().
OWNER = {}
ADMIN = {'roles': ('admin', 'member', 'reader')}
TROVE_ADMIN = {'roles': ('trove_admin',)}
NOVA = {'service_roles': ('service',)}
KINDS = ('volume', 'snapshot', 'backup', 'attachment', 'transfer', 'group',
         'group_snapshot')


def ids(prefix):
    """Return an id for each kind of resource."""
    found = {kind: f'{prefix}-1111-4111-8111-{number:012}'
             for number, kind in enumerate(KINDS)}
    volume = found['volume']
    return found | {'origin': volume, 'backend_name': volume,
                    'image': f'{prefix}-1111-4111-8111-{99:012}'}


MANAGED, FREE = ids('0c1d2a3b'), ids('0c1d2a3c')
# A backup whose volume was deleted, and one whose volume was purged.
ORPHANED, PURGED = ids('0c1d2a3d'), ids('0c1d2a3e')

CONF = """
[DEFAULT]
transport_url = fake://
state_path = {directory}
[database]
connection = {url}
[oslo_messaging_notifications]
driver = noop
[coordination]
backend_url = file://{directory}
[oslo_policy]
policy_file = {directory}/policy.yaml
"""


@dataclasses.dataclass(frozen=True)
class Dispatch:
    """A call of a controller's method by Cinder's API."""

    controller: str
    method: str
    route: str
    arguments: dict


class CinderAPI:
    """A client of Cinder's API.

    :param conf: oslo_config.cfg.ConfigOpts, Cinder's own
    :param directory: for its files
    :param url: of an empty database; None for one of SQLite
    :ivar dispatched: list of Dispatch, to which every call is added
    """

    def __init__(self, conf, directory, url=None):
        (directory / 'policy.yaml').write_text('')
        (directory / 'cinder.conf').write_text(
            CONF.format(directory=directory, url=url or (
                f'sqlite:///{directory}/cinder.sqlite')))
        conf(['--config-file', str(directory / 'cinder.conf')],
             project='cinder')
        rpc.init(conf)
        lookup.db.main_context_manager.configure(**dict(conf.database))
        if url is None:
            # As MariaDB compares.
            lookup.models.VolumeMetadata.__table__.c.key.type = (
                sqlalchemy.String(255, collation='NOCASE'))
        lookup.models.BASE.metadata.create_all(lookup.db.get_engine())
        fill()
        self._conf, self.directory = conf, directory
        self.dispatched = []
        self.router = router.APIRouter()
        self.app = self.guarded()
        self.unguarded = auth.CinderKeystoneContext(self.router)

    def guarded(self, **options):
        """Return the application with a guard before it."""
        with unittest.mock.patch.object(cfg, 'CONF', self._conf):
            wrap = guard_filter.filter_factory(
                {}, trove_managed_instances='true', **options)
            return auth.CinderKeystoneContext(wrap(self.router))

    def send(self, environ, app=None):
        """Return the answer to a request, and record what is dispatched."""
        self.dispatched.clear()
        with unittest.mock.patch.object(
                wsgi.Resource, 'dispatch', self._dispatch):
            return webob.Request(environ).get_response(app or self.app)

    def ask(self, method, path, body=None, app=None, **who):
        """Send a request, and return the answer."""
        request = webob.Request.blank(path, method=method)
        if body is not None:
            request.body = json.dumps(body).encode()
            request.content_type = 'application/json'
        return self.send(request.environ | principal(**who), app)

    def _dispatch(self, method, request, action_args):
        if calls.NIL_UUID in repr(action_args):
            raise webob.exc.HTTPNotFound(
                explanation=f'Volume {calls.NIL_UUID} could not be found.')
        route = request.environ['wsgiorg.routing_args'][1]
        self.dispatched.append(Dispatch(
            type(route['controller'].controller).__name__, route['action'],
            surface.without_project(request.environ['routes.route'].routepath),
            action_args))
        if self.dispatched[-1].route == '/attachments/detail':
            return method(req=request, **action_args)
        return webob.Response(body=b'{}', content_type='application/json')


def principal(roles=('member', 'reader'), service_roles=(),
              project_id=PROJECT, version='latest'):
    """Return the part of an environ that auth_token verified."""
    made = {
        'HTTP_X_IDENTITY_STATUS': 'Confirmed', 'HTTP_X_USER_ID': USER,
        'HTTP_X_PROJECT_ID': project_id, 'HTTP_X_ROLES': ','.join(roles),
        'HTTP_OPENSTACK_API_VERSION': f'volume {version}',
        'keystone.token_auth': types.SimpleNamespace(
            user=_token(roles, project_id), service=None)}
    if service_roles:
        made['keystone.token_auth'].service = _token(service_roles, 'service')
        made['HTTP_X_SERVICE_IDENTITY_STATUS'] = 'Confirmed'
    return made


def _token(roles, project_id):
    return types.SimpleNamespace(
        user_id=USER, project_id=project_id, role_names=list(roles),
        user_domain_id='default', project_domain_id='default', domain_id=None,
        system_scoped=False, is_admin_project=True)


def fill():
    """Have one of each kind in the database, managed and not."""
    add(lookup.models.VolumeType, id='t', name='t', is_public=True)
    for which in (MANAGED, FREE, ORPHANED):
        add(lookup.models.Volume, id=which['volume'], group_id=which['group'],
            volume_type_id='t', deleted=which is ORPHANED)
        add(lookup.models.VolumeMetadata, volume_id=which['volume'],
            key='purpose' if which is FREE else METADATA_KEY,
            value=DATABASE_INSTANCE, deleted=which is ORPHANED)
    for which in (MANAGED, FREE):
        volume_id = which['volume']
        add(lookup.models.Snapshot, id=which['snapshot'], volume_id=volume_id,
            group_snapshot_id=which['group_snapshot'], volume_type_id='t')
        add(lookup.models.VolumeAttachment, id=which['attachment'],
            volume_id=volume_id, instance_uuid=SERVER,
            connection_info=json.dumps(CONNECTION))
        add(lookup.models.Transfer, id=which['transfer'], volume_id=volume_id)
    for which in (MANAGED, FREE, ORPHANED, PURGED):
        add(lookup.models.Backup, id=which['backup'],
            volume_id=which['volume'])
    # On MariaDB a key in another case is found, too.
    add(lookup.models.VolumeMetadata, volume_id=FREE['volume'],
        key=METADATA_KEY.upper(), value='x')


def grow(count=200):
    """Have more rows in the tables."""
    for number in range(count):
        identifier = f'0c1d2a4b-1111-4111-8111-{number:012}'
        add(lookup.models.Volume, id=identifier, volume_type_id='t')
        for model in (lookup.models.Snapshot, lookup.models.VolumeAttachment,
                      lookup.models.Transfer, lookup.models.Backup):
            values = {'volume_type_id': 't'} if (
                model is lookup.models.Snapshot) else {}
            add(model, id=identifier, volume_id=identifier, **values)
        add(lookup.models.VolumeMetadata, volume_id=identifier,
            key='purpose', value='x')


def add(model, **values):
    """Insert a row."""
    if hasattr(model, 'project_id'):
        values = {'project_id': PROJECT, 'user_id': USER} | values
    with lookup.db.get_engine().begin() as connection:
        connection.execute(model.__table__.insert().values(
            **{'deleted': False} | values))


@contextlib.contextmanager
def selects():
    """Yield the list of the SELECTs that Cinder's database gets."""
    found = []

    def note(connection, cursor, statement, *_):
        if statement.startswith('SELECT'):
            found.append(statement)

    engine = lookup.db.get_engine()
    sqlalchemy.event.listen(engine, 'before_cursor_execute', note)
    try:
        yield found
    finally:
        sqlalchemy.event.remove(engine, 'before_cursor_execute', note)


def requests(operation, path, which):
    """Yield the requests that name something by one Target of an operation.

    :param path: of operations.documented()
    :param which: has the ids of what is named
    :returns: (target, path, body) of each
    """
    route, _, action = path.partition(' ')
    for target in operation.targets:
        bodies = {} if not action else {action.strip('()'): {}}
        for each in operation.targets:
            if each.secret is not None:
                _put(bodies, each.secret, 'secret')
            if each.where is None:
                continue
            is_it = each.where == target.where
            if is_it or not each.is_optional:
                owner = which if is_it else FREE
                _put(bodies, each.where, _written(each, owner[each.kind]))
            else:
                bodies.setdefault(each.where[0], {})
        segments = route.split('/')
        if len(segments) > 2 and segments[2].startswith('{'):
            owner = which if target.where is None else FREE
            segments[2] = owner[operation.targets[0].kind]
        yield target, '/'.join(
            'key' if segment.startswith('{') else segment
            for segment in segments), bodies


def _put(body, keys, value):
    *outer, last = keys
    for key in outer:
        body = body.setdefault(key, {})
    body[last] = value


def _written(target, identifier):
    if target.separator:
        return f'{FREE["volume"]}{target.separator}{identifier}'
    return {
        identifiers.uuids_in: {'source-name': f'volume-{identifier}'},
        identifiers.uuids_in_record: base64.encode_as_text(json.dumps(
            {'id': identifier, 'volume_id': identifier})),
        None: identifier}[target.split]
