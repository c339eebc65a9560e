# SPDX-License-Identifier: Apache-2.0
"""Nova's databases in this process: one of the API, and three cells.

SQLite files with the schema that Nova's own migrations make, written and read
by Nova's own objects, over nova.context's own targeting of cells. Nothing of
Nova's configuration is set, reset or parsed, and all that is put in place of
Nova's globals goes back: other test modules have Nova's API loaded in the
same process.

nova.tests.fixtures has the like (Database, CellDatabases), but to import it
monkey-patches the process for eventlet, ConfFixture resets the configuration,
and CellDatabases replaces nova.context.target_cell, of which tests here want
to know what it does to the caller's context.
"""

import contextlib
import functools
import pathlib
import re
import sqlite3
import tempfile
import threading
import unittest.mock
import uuid

import nova.compute.api
from nova.compute import vm_states
import nova.conf
from nova import context as nova_context
from nova.db.api import api as api_db
from nova.db.main import api as main_db
from nova.db.main import models
from nova.db import migration
from nova.network import model as network_model
from nova import objects
from nova import rpc
from oslo_context import context as oslo_context
from oslo_context import fixture as oslo_context_fixture
from oslo_db.sqlalchemy import enginefacade
import oslo_messaging
import sqlalchemy

CELLS = ('cell0', 'cell1', 'cell2')
PROJECT = '0123456789abcdef0123456789abcdef'
USER = 'abcdef0123456789abcdef0123456789'


class NovaDatabases:
    """Nova's databases, of which Nova makes use while this is entered.

    Servers get into them as in Nova: with a build request, a request spec and
    an instance mapping first, and from there into a cell.

    :param directory: where the files go
    :param collation: how SQLite compares text: BINARY, or NOCASE, which is
        the nearest to MariaDB's default
    :param server: a tests.production.mariadb.MariaDB for them, instead
    """

    def __init__(self, directory, collation='BINARY', server=None):
        self._directory = pathlib.Path(directory)
        self._collation = collation
        self._server = server
        self._cells = {}

    def __enter__(self):
        objects.register_all()
        with contextlib.ExitStack() as stack:
            for target, name, value in (
                    (nova_context, 'CELLS', []),
                    (nova_context, 'CELL_CACHE', {}),
                    # What it takes to make a nova.compute.api.API.
                    (rpc, 'TRANSPORT', rpc.create_transport('fake:/')),
                    (rpc, 'LEGACY_NOTIFIER', _silent_notifier())):
                stack.enter_context(
                    unittest.mock.patch.object(target, name, value))
            stack.callback(_dispose_of_cells)
            stack.enter_context(_own_request_store())
            stack.enter_context(
                _api_database(self._database('api', 'nova_api')))
            for name in CELLS:
                self._cells[name] = self._cell(name)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        return self._exit.__exit__(*exc_info)

    def _database(self, kind, name):
        """Make an empty database, and return its URL."""
        if self._server is not None:
            return self._server.create(
                f'{name}_{uuid.uuid4().hex}', like=self._template(kind))
        schema = re.sub(r'VARCHAR\(\d+\)',
                        rf'\g<0> COLLATE {self._collation}', _schema(kind))
        path = self._directory / f'{name}.sqlite'
        with contextlib.closing(sqlite3.connect(path)) as database:
            # Reads don't wait for writes, nor writes for the disk.
            database.execute('PRAGMA journal_mode = WAL')
            database.executescript(schema)
        return f'sqlite:///{path}'

    def _template(self, kind):
        """Return the name of a database on the server with Nova's tables."""
        name = f'template_{kind}'
        if not self._server.has(name):
            _migrate(kind, self._server.create(name))
        return name

    def _cell(self, name):
        cell = objects.CellMapping(
            _context(), name=name, transport_url='none:///',
            database_connection=self._database('main', name),
            uuid=(objects.CellMapping.CELL0_UUID if name == 'cell0'
                  else str(uuid.uuid4())))
        cell.create()
        return cell

    def cell_id(self, cell):
        """Return the id of a cell."""
        return self._cells[cell].uuid

    def url(self, name):
        """Return the URL of the API's database, 'api', or of a cell's."""
        if name == 'api':
            engine = api_db.context_manager.writer.get_engine()
            return engine.url.render_as_string(hide_password=False)
        return self._cells[name].database_connection

    def reconnect(self, cell, url):
        """Have Nova use another URL of a cell's database, as yet unused."""
        self._cells[cell].database_connection = url
        self._cells[cell].save()
        self.forget_connections(cell)

    def forget_connections(self, cell):
        """Have Nova know as little of a cell as when it has just started."""
        database, _ = nova_context.CELL_CACHE.pop(
            self._cells[cell].uuid, (None, None))
        if database is not None:
            database.writer.get_engine().dispose()
        nova_context.CELLS = []

    def build(self, metadata, project_id=PROJECT):
        """Have a server that is in no cell yet.

        :returns: nova.objects.BuildRequest, with its instance_uuid
        """
        context = _context()
        server_id = str(uuid.uuid4())
        instance = objects.Instance(
            context, uuid=server_id, project_id=project_id, user_id=USER,
            metadata=metadata, system_metadata={},
            vm_state=vm_states.BUILDING, locked=False, locked_by=None,
            display_name='new',
            info_cache=objects.InstanceInfoCache(
                instance_uuid=server_id,
                network_info=network_model.NetworkInfo()),
            security_groups=objects.SecurityGroupList(objects=[]))
        build_request = objects.BuildRequest(
            context, instance_uuid=server_id, project_id=project_id,
            instance=instance,
            block_device_mappings=objects.BlockDeviceMappingList(objects=[]),
            tags=objects.TagList(objects=[]))
        nova.compute.api.API._create_reqspec_buildreq_instmapping(
            context,
            objects.RequestSpec(context, instance_uuid=server_id),
            build_request,
            objects.InstanceMapping(
                context, instance_uuid=server_id, project_id=project_id,
                user_id=USER, cell_mapping=None))
        return build_request

    def schedule(self, build_request, cell='cell1', **state):
        """Move a server into a cell, in the order in which Nova does it.

        See nova.conductor.manager.ComputeTaskManager.
        """
        instance = build_request.get_new_instance(_context(self._cells[cell]))
        for name, value in state.items():
            setattr(instance, name, value)
        instance.create()
        mapping = _mapping(instance.uuid)
        mapping.cell_mapping = self._cells[cell]
        mapping.save()
        build_request.destroy()

    def server(self, metadata, cell='cell1', *, project_id=PROJECT,
               vm_state=vm_states.ACTIVE, **state):
        """Have a server in a cell, and return its id."""
        build_request = self.build(metadata, project_id)
        self.schedule(build_request, cell, vm_state=vm_state, **state)
        return build_request.instance_uuid

    def delete(self, server_id):
        """Delete a server for good, as a compute service does."""
        mapping = _mapping(server_id)
        objects.Instance.get_by_uuid(
            _context(mapping.cell_mapping), server_id).destroy()
        mapping.queued_for_delete = True
        mapping.save()

    def mark(self, server_id, metadata):
        """Give a server other metadata, as Nova's API does."""
        instance = objects.Instance.get_by_uuid(
            _context(_mapping(server_id).cell_mapping), server_id,
            expected_attrs=['metadata'])
        instance.metadata = metadata
        instance.save()

    def metadata(self, server_id):
        """Return the metadata that Nova reads."""
        return objects.Instance.get_by_uuid(
            _context(_mapping(server_id).cell_mapping), server_id,
            expected_attrs=['metadata']).metadata

    def write_metadata(self, server_id, key, value):
        """Write a row that Nova's API would not take."""
        context = _context(_mapping(server_id).cell_mapping)
        with context.db_connection.writer.using(context):
            context.session.add(models.InstanceMetadata(
                instance_uuid=server_id, key=key, value=value))

    def move(self, server_id, cell):
        """Move a server to another cell, as a confirmed resize does.

        See nova.conductor.tasks.cross_cell_migrate.
        """
        mapping = _mapping(server_id)
        source = objects.Instance.get_by_uuid(
            _context(mapping.cell_mapping), server_id,
            expected_attrs=['metadata'])
        objects.Instance(
            _context(self._cells[cell]), uuid=server_id,
            project_id=source.project_id, user_id=source.user_id,
            metadata=source.metadata, system_metadata={},
            vm_state=source.vm_state).create()
        mapping.cell_mapping = self._cells[cell]
        mapping.save()
        source.destroy(hard_delete=True)

    def purge(self, server_id, cell):
        """Delete all rows of a server in a cell."""
        objects.Instance.get_by_uuid(
            _context(self._cells[cell]), server_id).destroy(hard_delete=True)

    def archive(self, server_id):
        """Delete what the API has of a server, as nova-manage does."""
        _mapping(server_id).destroy()

    def attach(self, volume_id, server_id, **values):
        """Attach a volume, and return its BlockDeviceMapping."""
        attachment = objects.BlockDeviceMapping(
            _context(_mapping(server_id).cell_mapping),
            instance_uuid=server_id, volume_id=volume_id,
            source_type='volume', destination_type='volume', **values)
        attachment.create()
        return attachment

    def open_console(self, server_id, seconds=600):
        """Return a token of a console, authorised for some seconds."""
        return objects.ConsoleAuthToken(
            _context(_mapping(server_id).cell_mapping),
            instance_uuid=server_id, console_type='novnc', host='compute1',
            port=5900, access_url_base='http://127.0.0.1:6080/vnc_auto.html',
        ).authorize(seconds)

    @contextlib.contextmanager
    def broken_api_database(self):
        """Have the API's database answer everything with an error."""
        # Not even the known cells are known: they were read from there.
        with (_api_database(self._without_tables()),
              unittest.mock.patch.object(nova_context, 'CELLS', [])):
            yield

    @contextlib.contextmanager
    def broken_cell(self, cell):
        """Have a cell's database answer everything with an error."""
        broken = main_db.create_context_manager(self._without_tables())
        try:
            with unittest.mock.patch.dict(
                    nova_context.CELL_CACHE,
                    {self._cells[cell].uuid: (broken, None)}):
                yield
        finally:
            broken.writer.get_engine().dispose()

    def _without_tables(self):
        return f'sqlite:///{self._directory}/{uuid.uuid4()}.sqlite'

    def hanging_cell(self, cell):
        """Have a cell's database not answer for some seconds."""
        return _hanging(_context(
            self._cells[cell]).db_connection.writer.get_engine())

    @contextlib.contextmanager
    def hanging_api_database(self):
        """Have the API's database not answer for some seconds."""
        # Not even the known cells are known: they were read from there.
        with (_hanging(api_db.context_manager.writer.get_engine()),
              unittest.mock.patch.object(nova_context, 'CELLS', [])):
            yield

    @contextlib.contextmanager
    def stale_copies(self, cell):
        """Have Nova know copies of its databases that stay as they are now.

        They are its ``slave_connection``, for reads that may be stale.
        """
        with contextlib.ExitStack() as stack:
            for name in ('nova_api', cell):
                source, copy = (self._directory / f'{name}{kind}.sqlite'
                                for kind in ('', f'-{uuid.uuid4()}'))
                with (contextlib.closing(sqlite3.connect(source)) as database,
                      contextlib.closing(sqlite3.connect(copy)) as stale):
                    database.backup(stale)
                both = enginefacade.transaction_context()
                both.configure(connection=f'sqlite:///{source}',
                               slave_connection=f'sqlite:///{copy}',
                               sqlite_synchronous=False)
                if name == cell:
                    stack.enter_context(unittest.mock.patch.dict(
                        nova_context.CELL_CACHE,
                        {self._cells[cell].uuid: (both, None)}))
                else:
                    stack.callback(
                        api_db.context_manager.patch_factory(both))
                stack.callback(_dispose_of, both)
            yield


def _dispose_of(database):
    """Close the connections to a database and to its copy."""
    for reader_or_writer in (database.writer, database.reader):
        reader_or_writer.get_engine().dispose()


@contextlib.contextmanager
def _hanging(engine):
    """Have a database not answer for some seconds."""
    given_up = threading.Event()
    # A lookup that has no deadline gets its answer in the end. The listener
    # stays, without effect: to remove it under the reading thread is not safe.
    sqlalchemy.event.listen(engine, 'before_cursor_execute',
                            lambda *args: given_up.wait(5))
    try:
        yield
    finally:
        given_up.set()


@contextlib.contextmanager
def selects():
    """Yield a list that gets every SELECT in any database."""
    seen = []

    def note(connection, cursor, statement, *args):
        if statement.lstrip().upper().startswith('SELECT'):
            seen.append(statement)

    event = (sqlalchemy.engine.Engine, 'before_cursor_execute', note)
    sqlalchemy.event.listen(*event)
    try:
        yield seen
    finally:
        sqlalchemy.event.remove(*event)


@functools.cache
def _schema(kind):
    """Return the SQL that makes a database 'api' or 'main'."""
    with tempfile.TemporaryDirectory() as directory:
        url = f'sqlite:///{directory}/{kind}.sqlite'
        _migrate(kind, url)
        with contextlib.closing(
                sqlite3.connect(url.removeprefix('sqlite:///'))) as database:
            return '\n'.join(database.iterdump())


def _migrate(kind, url):
    """Make the tables of a database 'api' or 'main'."""
    if kind == 'api':
        with _api_database(url):
            migration.db_sync(database='api')
    else:
        context = _context()
        context.db_connection = main_db.create_context_manager(url)
        migration.db_sync(database='main', context=context)
        context.db_connection.writer.get_engine().dispose()


@contextlib.contextmanager
def _api_database(url):
    """Put a database in place of the one that Nova's API is configured for."""
    own = enginefacade.transaction_context()
    own.configure(connection=url, sqlite_synchronous=False)
    reset = api_db.context_manager.patch_factory(own)
    try:
        yield
    finally:
        own.writer.get_engine().dispose()
        reset()


def _dispose_of_cells():
    for database, _ in nova_context.CELL_CACHE.values():
        database.writer.get_engine().dispose()


@contextlib.contextmanager
def _own_request_store():
    """Start without a request context in this thread, and put back the old.

    A context that is made while there is none becomes the thread's.
    """
    before = oslo_context.get_current()
    with oslo_context_fixture.ClearRequestContext():
        yield
    if before is not None:
        before.update_store()


def _silent_notifier():
    return oslo_messaging.Notifier(
        oslo_messaging.get_notification_transport(
            nova.conf.CONF, url='fake:/'), driver='noop')


def _context(cell=None):
    context = nova_context.RequestContext(
        USER, PROJECT, is_admin=True, overwrite=False)
    nova_context.set_target_cell(context, cell)
    return context


def _mapping(server_id):
    return objects.InstanceMapping.get_by_instance_uuid(_context(), server_id)
