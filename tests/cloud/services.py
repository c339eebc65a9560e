# SPDX-License-Identifier: Apache-2.0
"""Prepare and start each service."""

import dataclasses
import functools
import os
import typing

from tests.cloud import connections
from tests.cloud import databases
from tests.cloud import deployments
from tests.cloud import layout
from tests.cloud import people
from tests.cloud import processes
from tests.cloud import progress
from tests.cloud import state
from tests.cloud import troves

HOSTS = ('compute1', 'compute2')
TROVES = tuple(deployment.name for deployment in deployments.DEPLOYMENTS)
NAMES = ('keystone', 'placement', 'glance', 'neutron', 'cinder', 'nova',
         'nova-unguarded', 'cinder-unguarded', 'neutron-unguarded', *TROVES)
PATHS = {'keystone': '/v3', 'cinder': '/v3', 'cinder-unguarded': '/v3',
         'nova': '/v2.1', 'nova-unguarded': '/v2.1'}
TROVE_PATH = '/v1.0'
START_SECONDS = 120
SAMPLES = layout.REPOSITORY / 'paste'


@dataclasses.dataclass
class Services:
    """The services of one cloud.

    Each public method prepares and starts one service, and waits until it
    responds. It raises processes.Failed if one of these fails.

    :param files: the cloud's Layout
    :param progress: a Progress
    :cvar names: the names of all that have a URL
    """

    files: layout.Layout
    progress: progress.Progress
    names: typing.ClassVar[tuple[str, ...]] = NAMES

    @functools.cached_property
    def ports(self):
        """The port of each service, by name."""
        return processes.free_ports(self.names)

    @functools.cached_property
    def databases(self):
        """What has the databases."""
        return databases.SQLite(self.files)

    @property
    def shared(self):
        """What all services share (dict), for configs.write()."""
        return {'transport_url': 'fake://', 'memcached_servers': ''}

    def start_shared(self):
        """Start what all services share."""
        self.databases.start()

    @property
    def urls(self):
        """The URL of each service."""
        return {name: f'http://127.0.0.1:{port}{_path(name)}'
                for name, port in self.ports.items()}

    def keystone(self):
        """Prepare and start Keystone."""
        conf = self.files.conf('keystone')
        manage = self._tool('keystone-manage', '--config-file',
                            conf / 'keystone.conf')
        with self.progress.step('keystone prepared'):
            self.databases.fill(['keystone'], lambda: manage('db_sync'))
            manage('fernet_setup', '--keystone-user', os.getuid(),
                   '--keystone-group', os.getgid())
            manage('bootstrap',
                   '--bootstrap-password', people.password('admin'),
                   '--bootstrap-region-id', state.GUARDED,
                   '--bootstrap-public-url', self.urls['keystone'],
                   '--bootstrap-internal-url', self.urls['keystone'],
                   '--bootstrap-admin-url', self.urls['keystone'])
        self._serve('keystone', 'keystone.wsgi.api:application',
                    OS_KEYSTONE_CONFIG_DIR=conf)

    def placement(self):
        """Start Placement, which creates its database itself."""
        self._serve(
            'placement', 'placement.wsgi.api:application',
            OS_PLACEMENT_CONFIG_DIR=self.files.conf('placement'))

    def glance(self):
        """Prepare and start Glance."""
        conf = self.files.conf('glance')
        with self.progress.step('glance prepared'):
            for directory in ('images', 'glance-staging', 'glance-tasks'):
                (self.files.run / directory).mkdir()
            manage = self._tool('glance-manage', '--config-file',
                                conf / 'glance-api.conf')
            self.databases.fill(['glance'], lambda: manage('db_sync'))
        self._serve('glance', 'glance.wsgi.api:application',
                    OS_GLANCE_CONFIG_DIR=conf)

    def neutron(self):
        """Prepare and start Neutron."""
        with self.progress.step('neutron prepared'):
            self.databases.fill(['neutron'], self._migrate_neutron)
            with connections.connected(self.files, 'neutron') as neutron:
                databases.add_agents(neutron, HOSTS)
        with self.progress.step('neutron is up'):
            self._start_neutron()

    def _migrate_neutron(self):
        processes.run(self.files, 'setup-neutron', [
            self.files.python, '-m', 'tests.cloud.neutron_schema',
            self.files.database_url('neutron')])

    def _start_neutron(self):
        self._start_both(
            'neutron', self._stock_paste('neutron'), *self._ports('neutron'),
            environment={
                'OS_NEUTRON_CONFIG_DIR': str(self.files.conf('neutron')),
                'OS_NEUTRON_CONFIG_FILES': 'neutron.conf'})

    def cinder(self):
        """Prepare and start Cinder."""
        with self.progress.step('cinder prepared'):
            manage = self._tool('cinder-manage', '--config-file',
                                self._conf('cinder'))
            self.databases.fill(['cinder'], lambda: manage('db', 'sync'))
        with self.progress.step('cinder is up'):
            self._start_cinder()

    def _start_cinder(self):
        self._start_both(
            'cinder', self._conf('cinder'), self._stock_paste('cinder'),
            *self._ports('cinder'))

    def trove_databases(self):
        """Prepare Trove's databases, but start nothing yet."""
        with self.progress.step('trove prepared'):
            for name in TROVES:
                self.databases.fill([name], functools.partial(
                    self._migrate_trove, name))

    def _migrate_trove(self, name):
        # Trove's configuration is written later: it has ids of projects.
        connection = self.files.database_url(name)
        processes.run(
            self.files, 'setup-trove-manage',
            [self.files.venv / 'bin' / 'trove-manage', 'db_sync'],
            {'OS_DATABASE__CONNECTION': connection})

    def trove(self, name):
        """Start a Trove deployment; Keystone must be up.

        :param name: the deployment's name
        """
        with self.progress.step(f'{name} is up'):
            troves.start(self.files, name, troves.FIRST_HOST,
                         self.ports[name])

    def nova_databases(self):
        """Prepare Nova, but start nothing yet."""
        manage = self._tool('nova-manage', '--config-file', self._conf('nova'))
        cell0 = self.files.database_url('nova-cell0')
        with self.progress.step('nova prepared'):
            self.databases.fill(['nova-api'], lambda: manage('api_db', 'sync'))
            manage('cell_v2', 'map_cell0', '--database_connection', cell0)
            self.databases.fill(['nova-cell0', 'nova-cell1'],
                                lambda: manage('db', 'sync'))
            manage('cell_v2', 'create_cell', '--name', 'cell1')

    def nova(self):
        """Start Nova; Keystone, Placement and Neutron must be up."""
        with self.progress.step('nova is up'):
            self._start_nova()

    def _start_nova(self):
        pastes = SAMPLES / 'api-paste.ini', self._stock_paste('nova')
        self._start_both(
            'nova', self._conf('nova'), ','.join(HOSTS),
            *(f'{paste}={port}'
              for paste, port in zip(pastes, self._ports('nova'))))

    def _start_both(self, service, *arguments, environment=None):
        """Start both APIs of a service, in one process."""
        process = processes.spawn(
            self.files, service,
            [self.files.python, '-m', f'tests.cloud.{service}_process',
             self.files.root, *arguments], environment)
        for port in self._ports(service):
            self._wait(service, process, port)

    def _conf(self, service):
        return self.files.conf(service) / f'{service}.conf'

    def _names(self, service):
        """Return the names of a service's APIs: with the guard, without."""
        return service, f'{service}-unguarded'

    def _ports(self, service):
        """Return the ports of a service's APIs, as in _names()."""
        return [self.ports[name] for name in self._names(service)]

    def _stock_paste(self, service):
        return self.files.venv / 'etc' / service / 'api-paste.ini'

    def _tool(self, name, *options):
        """Return a function that runs a command line tool."""
        path = self.files.venv / 'bin' / name

        def call(*arguments):
            processes.run(self.files, f'setup-{name}',
                          [path, *options, *arguments])
        return call

    def _serve(self, name, application, **environment):
        port = self.ports[name]
        with self.progress.step(f'{name} is up'):
            process = processes.spawn(
                self.files, name,
                [self.files.python, '-m', 'tests.cloud.serve',
                 self.files.root, name, application, port],
                {key: str(value) for key, value in environment.items()})
            self._wait(name, process, port)

    def _wait(self, name, process, port):
        processes.wait_for_url(self.files, name, process,
                               f'http://127.0.0.1:{port}/', START_SECONDS)


def _path(name):
    return TROVE_PATH if name.startswith('trove') else PATHS.get(name, '')
