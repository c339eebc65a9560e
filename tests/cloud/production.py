# SPDX-License-Identifier: Apache-2.0
"""Prepare and start each service as in production.

The databases are on MariaDB, the message bus is RabbitMQ, and auth_token
shares memcached. The APIs that the guard stands in run under uWSGI, in worker
processes; everything else is a process of its own, started by the service's
own command.
"""

import contextlib
import functools
import os
import shutil
import socket
import time

import sqlalchemy

from tests.cloud import connections
from tests.cloud import mariadb
from tests.cloud import processes
from tests.cloud import rabbitmq
from tests.cloud import services
from tests.cloud import trove_processes

# Of each API. A thread of Nova's waits for Cinder while Cinder asks Nova.
WORKERS = 2
THREADS = 4
MEMCACHED = 'memcached'
SAMPLES = {'nova': services.SAMPLES / 'api-paste.ini',
           'cinder': services.SAMPLES / 'cinder-api-paste.ini',
           'neutron': services.SAMPLES / 'neutron-api-paste.ini'}
HOSTS = sqlalchemy.text('SELECT count(*) FROM host_mappings')
UWSGI = (
    '--pythonpath', '.', '--module', 'tests.cloud.uwsgi_application',
    '--master', '--processes', WORKERS, '--threads', THREADS,
    # As DevStack runs the services (lib/apache, write_uwsgi_config).
    '--enable-threads', '--lazy-apps', '--need-app', '--die-on-term',
    '--thunder-lock', '--buffer-size', 65535,
    '--add-header', 'Connection: close', '--disable-logging')


class Production(services.Services):
    """The services of one cloud, as in production."""

    names = (*services.Services.names, *(
        trove_processes.api_name(name, trove_processes.HOSTS[1])
        for name in services.TROVES))

    @functools.cached_property
    def databases(self):
        """What has the databases."""
        return mariadb.MariaDB(self.files)

    @functools.cached_property
    def bus(self):
        """The message bus."""
        return rabbitmq.RabbitMQ(self.files)

    @functools.cached_property
    def shared(self):
        """What all services share (dict), for configs.write()."""
        port, = processes.free_ports([MEMCACHED]).values()
        return {'transport_url': self.bus.url,
                'memcached_servers': f'127.0.0.1:{port}'}

    def start_shared(self):
        """Start what all services share.

        :raises processes.Failed: if it is not installed, or does not start
        """
        with self.progress.step('mariadb, rabbitmq and memcached are up'):
            self.databases.start()
            self.bus.start()
            self._memcached()

    def _memcached(self):
        host, _, port = self.shared['memcached_servers'].partition(':')
        program = shutil.which(MEMCACHED)
        if program is None:
            raise processes.Failed('There is no memcached here: apt-get '
                                   'install memcached')
        account = ['-u', 'root'] if os.getuid() == 0 else []
        process = processes.spawn(self.files, MEMCACHED, [
            program, *account, '-l', host, '-p', port])
        processes.wait_until(
            self.files, MEMCACHED, process,
            lambda: _listens(host, int(port)), services.START_SECONDS)

    def placement(self):
        """Prepare and start Placement."""
        # It creates its tables itself.
        self.databases.fill(['placement'], lambda: None)
        super().placement()

    def _migrate_neutron(self):
        self._tool('neutron-db-manage', '--config-file',
                   self._conf('neutron'))('upgrade', 'heads')

    def _start_neutron(self):
        self._apis('neutron')

    def _start_cinder(self):
        # The fake driver is one of Cinder's test modules, which patch Python
        # for eventlet when they are imported.
        native = {'OS_CINDER_DISABLE_EVENTLET_PATCHING': 'true'}
        # The backend says what it has when it starts, and in each minute.
        for name, queue in (('cinder-scheduler', 'cinder-scheduler'),
                            ('cinder-volume', 'cinder-volume.cinder@fake')):
            self._command(name, name, 'cinder', environment=native)
            self.bus.await_consumers(queue)
        self._apis('cinder')

    def _start_nova(self):
        for name in 'nova-conductor', 'nova-scheduler':
            self._command(name, name, 'nova')
        for host in services.HOSTS:
            directory = self.files.run / f'nova-{host}'
            directory.mkdir()
            self._command(f'nova-compute@{host}',
                          'python -m tests.cloud.compute_command', 'nova',
                          f'host = {host}\nstate_path = {directory}\n')
        self._apis('nova')
        self._await_hosts()

    def _await_hosts(self):
        """Wait until Nova can build servers on all compute hosts."""
        manage = self._tool('nova-manage', '--config-file',
                            self._conf('nova'))
        deadline = time.monotonic() + services.START_SECONDS
        while self._count_hosts() < len(services.HOSTS):
            if time.monotonic() > deadline:
                raise processes.Failed('The compute hosts are not there.')
            manage('cell_v2', 'discover_hosts')

    def _count_hosts(self):
        with connections.connected(self.files, 'nova-api') as nova:
            return nova.execute(HOSTS).scalar()

    def trove(self, name):
        """Start a Trove deployment; Keystone must be up.

        :param name: the deployment's name
        """
        with self.progress.step(f'{name} is up'):
            trove_processes.Processes(
                self.files, name, self.ports, self.bus).start()

    def _command(self, name, command, service, more='', environment=None):
        """Start a command of a service, under the name of a process.

        :param more: lines of its configuration's [DEFAULT]
        """
        program, *arguments = command.split()
        processes.spawn(
            self.files, name,
            [self.files.venv / 'bin' / program, *arguments,
             *(f'--config-file={file}' for file in self._conf_files(
                 name, service, f'[DEFAULT]\n{more}'))],
            environment)

    def _apis(self, service):
        """Start both APIs of a service."""
        guarded, unguarded = self._names(service)
        started = {
            guarded: self._spawn_api(guarded, service, SAMPLES[service]),
            unguarded: self._spawn_api(unguarded, service,
                                       self._stock_paste(service))}
        for name, process in started.items():
            self._wait(name, process, self.ports[name])

    def _spawn_api(self, name, service, paste):
        files = self._conf_files(name, service,
                                 f'[DEFAULT]\napi_paste_config = {paste}\n')
        options = [option for file in files
                   for option in ('--config-file', str(file))]
        return processes.spawn(self.files, name, [
            self.files.venv / 'bin' / 'uwsgi', *UWSGI,
            '--http-socket', f'127.0.0.1:{self.ports[name]}',
            '--pyargv', ' '.join(options)], {
                # Nova alone takes the first of these for its paste file.
                'OS_NOVA_CONFIG_FILES': ';'.join(map(str, (paste, *files)))})

    def _conf_files(self, name, service, more):
        """Return the configuration files of a process."""
        own = self.files.conf(service) / f'{name}.conf.more'
        own.write_text(more)
        return self._conf(service), own


def _listens(host, port):
    with contextlib.suppress(OSError), socket.create_connection(
            (host, port), timeout=5):
        return True
    return False
