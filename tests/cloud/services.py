# SPDX-License-Identifier: Apache-2.0
"""Prepare and start each service."""

import dataclasses
import functools
import os

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
         'nova': '/v2.1', 'nova-unguarded': '/v2.1',
         **dict.fromkeys(TROVES, '/v1.0')}
START_SECONDS = 120
SAMPLES = layout.REPOSITORY / 'paste'


@dataclasses.dataclass(frozen=True)
class Services:
    """The services of one cloud.

    Each public method prepares and starts one service, waits until it
    responds, and returns its process id. It raises processes.Failed if one of
    these fails.

    :param files: the cloud's Layout
    :param ports: a dict of service name to port, for all of NAMES
    :param progress: a Progress
    """

    files: layout.Layout
    ports: dict[str, int]
    progress: progress.Progress

    @property
    def urls(self):
        """The URL of each service."""
        return {name: f'http://127.0.0.1:{port}{PATHS.get(name, "")}'
                for name, port in self.ports.items()}

    def keystone(self):
        """Prepare and start Keystone."""
        conf = self.files.conf('keystone')
        manage = self._tool('keystone-manage', '--config-file',
                            conf / 'keystone.conf')
        with self.progress.step('keystone prepared'):
            databases.fill(self.files, ['keystone'],
                           lambda: manage('db_sync'))
            manage('fernet_setup', '--keystone-user', os.getuid(),
                   '--keystone-group', os.getgid())
            manage('bootstrap',
                   '--bootstrap-password', people.password('admin'),
                   '--bootstrap-region-id', state.GUARDED,
                   '--bootstrap-public-url', self.urls['keystone'],
                   '--bootstrap-internal-url', self.urls['keystone'],
                   '--bootstrap-admin-url', self.urls['keystone'])
        return self._serve('keystone', 'keystone.wsgi.api:application',
                           OS_KEYSTONE_CONFIG_DIR=conf)

    def placement(self):
        """Start Placement, which creates its database itself."""
        return self._serve(
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
            databases.fill(self.files, ['glance'], lambda: manage('db_sync'))
        return self._serve('glance', 'glance.wsgi.api:application',
                           OS_GLANCE_CONFIG_DIR=conf)

    def neutron(self):
        """Prepare and start Neutron."""
        database = self.files.database('neutron')
        names = 'neutron', 'neutron-unguarded'
        with self.progress.step('neutron prepared'):
            databases.fill(
                self.files, ['neutron'], lambda: processes.run(
                    self.files, 'setup-neutron', [
                        self.files.python, '-m', 'tests.cloud.neutron_schema',
                        f'sqlite:///{database}']))
            databases.add_agents(database, HOSTS)
        with self.progress.step('neutron is up'):
            process = processes.spawn(
                self.files, 'neutron',
                [self.files.python, '-m', 'tests.cloud.neutron_process',
                 self.files.root, self._stock_paste('neutron'),
                 *(self.ports[name] for name in names)], {
                    'OS_NEUTRON_CONFIG_DIR': str(self.files.conf('neutron')),
                    'OS_NEUTRON_CONFIG_FILES': 'neutron.conf'})
            for name in names:
                self._wait('neutron', process, self.ports[name])
        return process.pid

    def cinder(self):
        """Prepare and start Cinder."""
        conf = self.files.conf('cinder') / 'cinder.conf'
        names = 'cinder', 'cinder-unguarded'
        with self.progress.step('cinder prepared'):
            manage = self._tool('cinder-manage', '--config-file', conf)
            databases.fill(self.files, ['cinder'],
                           lambda: manage('db', 'sync'))
        with self.progress.step('cinder is up'):
            process = processes.spawn(
                self.files, 'cinder',
                [self.files.python, '-m', 'tests.cloud.cinder_process',
                 self.files.root, conf, self._stock_paste('cinder'),
                 *(self.ports[name] for name in names)])
            for name in names:
                self._wait('cinder', process, self.ports[name])
        return process.pid

    def trove_databases(self):
        """Prepare Trove's databases, but start nothing yet; returns None."""
        with self.progress.step('trove prepared'):
            for name in TROVES:
                databases.fill(self.files, [name], functools.partial(
                    self._migrate_trove, name))

    def _migrate_trove(self, name):
        # Trove's configuration is written later: it has ids of projects.
        connection = f'sqlite:///{self.files.database(name)}'
        processes.run(
            self.files, 'setup-trove-manage',
            [self.files.venv / 'bin' / 'trove-manage', 'db_sync'],
            {'OS_DATABASE__CONNECTION': connection})

    def trove(self, name):
        """Start a Trove deployment; Keystone must be up.

        :param name: the deployment's name
        """
        with self.progress.step(f'{name} is up'):
            return troves.start(self.files, name, troves.FIRST_HOST,
                                self.ports[name])

    def nova_databases(self):
        """Prepare Nova, but start nothing yet; returns None."""
        manage = self._tool('nova-manage', '--config-file', self._nova_conf)
        cell0 = f'sqlite:///{self.files.database("nova-cell0")}'
        with self.progress.step('nova prepared'):
            databases.fill(self.files, ['nova-api'],
                           lambda: manage('api_db', 'sync'))
            manage('cell_v2', 'map_cell0', '--database_connection', cell0)
            databases.fill(self.files, ['nova-cell0', 'nova-cell1'],
                           lambda: manage('db', 'sync'))
            manage('cell_v2', 'create_cell', '--name', 'cell1')

    def nova(self):
        """Start Nova; Keystone, Placement and Neutron must be up."""
        endpoints = {'nova': SAMPLES / 'api-paste.ini',
                     'nova-unguarded': self._stock_paste('nova')}
        with self.progress.step('nova is up'):
            process = processes.spawn(
                self.files, 'nova',
                [self.files.python, '-m', 'tests.cloud.nova_process',
                 self.files.root, self._nova_conf, ','.join(HOSTS),
                 *(f'{paste}={self.ports[name]}'
                   for name, paste in endpoints.items())])
            for name in endpoints:
                self._wait('nova', process, self.ports[name])
        return process.pid

    @property
    def _nova_conf(self):
        return self.files.conf('nova') / 'nova.conf'

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
        return process.pid

    def _wait(self, name, process, port):
        processes.wait_for_url(self.files, name, process,
                               f'http://127.0.0.1:{port}/', START_SECONDS)
