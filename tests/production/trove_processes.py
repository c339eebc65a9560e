# SPDX-License-Identifier: Apache-2.0
"""A Trove deployment as in production: many processes, RabbitMQ, MariaDB.

Two APIs, two task managers and a conductor, each started by Trove's own
command (tests.cloud.trove_command), and the guests in a process of their own.
They replace the process of the cloud that is all of a deployment.
"""

import contextlib
import itertools
import pathlib
import re
import string
from urllib import parse

from tests.cloud import content
from tests.cloud import layout
from tests.cloud import processes
from tests.cloud import services
from tests.functional import databases
from tests.functional import scene as scenes
from tests.production import rabbitmq

# Options of trove.conf, in seconds: no operation here holds a server unlocked
# for longer, unless it is stopped.
UNLOCK_TIMEOUT = 12
RECONCILE_INTERVAL = 2

TEMPLATE = pathlib.Path(__file__).with_name('trove.conf')
# Trove takes nothing but an address as the name of a host.
HOSTS = ('127.0.0.1', '127.0.0.2')
KINDS = ('guests', 'conductor', 'api', 'taskmanager')
START_SECONDS = 120
TIME = re.compile(r'\d{4}-\d\d-\d\d ')
# A reconciler works for instances of the other task manager, too.
RECONCILER = re.compile(r'nova_trove_guard\.trove\.(events|reconciler) |'
                        r'notification\.trove_guard\.')


class Processes:
    """The processes of a deployment.

    :param cloud: a tests.cloud.state.Cloud
    :param deployment: the deployment's name
    :param bus: a running tests.production.rabbitmq.RabbitMQ
    :param database: the URL of an empty database, for SQLAlchemy
    :ivar urls: the URLs of the APIs
    """

    def __init__(self, cloud, deployment, bus, database):
        self.deployment = deployment
        self.database = database
        self.bus = bus
        self.files = layout.Layout(cloud.root)
        self._cloud = cloud
        url = parse.urlsplit(cloud.urls[deployment])
        port, = processes.free_ports(['another API']).values()
        # The first API is the one in Keystone's catalog.
        self._ports = (url.port, port)
        self.urls = [url._replace(netloc=f'127.0.0.1:{port}').geturl()
                     for port in self._ports]

    def start(self):
        """Start all, in place of the cloud's own Trove deployments.

        :raises processes.Failed: if one does not start
        """
        self._kill_all(services.TROVES)
        processes.run(
            self.files, 'setup-trove-manage',
            [self.files.venv / 'bin' / 'trove-manage', 'db_sync'],
            {'OS_DATABASE__CONNECTION': self.database})
        self._spawn('guests', HOSTS[0])
        self._spawn('conductor', HOSTS[0])
        started = [self._spawn('api', host) for host in HOSTS]
        for host in HOSTS:
            self.spawn_task_manager(host)
        for host, process, url in zip(HOSTS, started, self.urls):
            processes.wait_for_url(
                self.files, self._name('api', host), process, url,
                START_SECONDS)
        self.await_task_managers()
        content.make_datastore(
            self._cloud, databases.REGIONS[self.deployment])

    def stop(self):
        """Stop all that is running, and RabbitMQ."""
        names = [self._name(kind, host) for kind in KINDS for host in HOSTS]
        self._kill_all([rabbitmq.NAME, *names])

    def _kill_all(self, names):
        """Kill those of the names that are running."""
        running = {process.name for process in processes.running(self.files)}
        for name in running.intersection(names):
            processes.kill(self.files, name)

    def spawn_task_manager(self, host):
        """Start the task manager of a host; see await_task_managers()."""
        return self._spawn('taskmanager', host)

    def await_task_managers(self):
        """Wait until each task manager takes calls.

        :raises AssertionError: if one does not
        """
        for host in HOSTS:
            databases.await_condition(
                lambda host=host: self.bus.consumers(f'taskmanager.{host}'),
                bool, databases.SHORT_PAUSE_SECONDS)

    def kill_task_manager(self, host):
        """Kill the task manager of a host, as kill -9 does."""
        processes.kill(self.files, self._name('taskmanager', host))

    def paused_task_manager(self, host):
        """Have the task manager of a host do nothing while in the context."""
        return processes.paused(self.files, self._name('taskmanager', host))

    @contextlib.contextmanager
    def without_bus(self, host):
        """Have RabbitMQ killed while in the context, and up again after it.

        :param host: whose task manager has noticed it when the context begins
        """
        log = self.log(host)
        self.bus.kill()
        try:
            databases.await_condition(
                lambda: self.log(host).removeprefix(log),
                lambda since: 'is unreachable' in since,
                databases.SHORT_PAUSE_SECONDS)
            yield
        finally:
            self.bus.start()
            self.await_task_managers()

    def log(self, host):
        """Return the log (str) of the task manager of a host."""
        return self.files.log(self._name('taskmanager', host)).read_text()

    def _name(self, kind, host):
        return f'{self.deployment}-{kind}@{host}'

    def _spawn(self, kind, host):
        name = self._name(kind, host)
        if kind == 'guests':
            program = ('tests.cloud.guests_process', self.files.root,
                       self.deployment)
        else:
            program = 'tests.cloud.trove_command', f'trove-{kind}'
        conf = self.files.conf(self.deployment)
        return processes.spawn(self.files, name, [
            self.files.python, '-m', *program,
            '--config-file', conf / 'trove.conf',
            '--config-file', self._write_conf(name, host)])

    def _write_conf(self, name, host):
        path = self.files.conf(self.deployment) / f'{name}.conf'
        path.write_text(string.Template(TEMPLATE.read_text()).substitute(
            host=host, port=self._ports[HOSTS.index(host)],
            transport_url=self.bus.url, connection=self.database,
            reconcile_interval=RECONCILE_INTERVAL,
            unlock_timeout=UNLOCK_TIMEOUT))
        return path


class Trove(databases.Trove):
    """The deployment as the owner and an operator use it, through any API.

    :param scene: a tests.functional.scene.Scene
    :param witness: a tests.functional.witness.Witness
    :param processes: the running Processes
    """

    def __init__(self, scene, witness, processes):
        super().__init__(scene, witness, processes.deployment,
                         processes.database)
        self.processes = processes
        self._urls = itertools.cycle(processes.urls)

    def ask(self, url):
        """Ask one of the APIs from now on.

        :param url: one of Processes.urls
        """
        self.instances = self.cloud.trove('owner', self.region, url).instances
        self.operator = self.cloud.trove(
            'admin', self.region, url).mgmt_instances

    def ask_another(self):
        """Ask another API than before from now on."""
        self.ask(next(self._urls))

    def worker(self, instance, since):
        """Return the host of the task manager that works on an instance.

        It is the only one that has logged of it.

        :param since: a datetime before its operation began
        """
        host, = (host for host in HOSTS
                 if self._last_logged(host, instance) > str(since))
        return host

    def _last_logged(self, host, instance):
        """Return the last line of a log on work for an instance, or ''."""
        # Times begin the lines, in order.
        return max((line for line in self.processes.log(host).splitlines()
                    if TIME.match(line) and instance in line
                    and not RECONCILER.search(line)), default='')

    def marked_server(self, instance):
        """Return the id of the server with an instance's marker, or None.

        Trove itself may not know it.
        """
        servers = self.scene.do('admin', 'GET',
                                '/servers/detail?all_tenants=1')['servers']
        return next((server['id'] for server in servers
                     if server['metadata'].get(scenes.MARKER) == instance),
                    None)

    def mark(self):
        """Return a mark for now: see has_changed()."""
        return self._witness.mark()

    def has_changed(self, server, mark):
        """Return whether Nova was asked to change a server after a mark."""
        return bool(self._witness.mutations_of(server, mark))

    def ended(self, instance):
        """Wait until no operation of an instance is under way.

        :returns: the instance, None if it is gone
        """
        return self.await_shown(
            instance, lambda shown: shown is None or
            shown.status not in (*databases.BUSY, 'SHUTDOWN'))

    def await_closed(self, server):
        """Wait until a server is locked or gone."""
        databases.await_condition(
            lambda: self.scene.rows.get(server),
            lambda row: row is None or row.locked,
            databases.SHORT_PAUSE_SECONDS)
