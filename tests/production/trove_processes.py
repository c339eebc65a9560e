# SPDX-License-Identifier: Apache-2.0
"""The processes of a Trove deployment, as tests stop and kill them."""

import contextlib
import itertools
import re
from urllib import parse

from tests.cloud import layout
from tests.cloud import processes
from tests.cloud import rabbitmq
from tests.cloud import services
from tests.cloud import trove_processes
from tests.functional import databases
from tests.functional import scene as scenes

HOSTS = trove_processes.HOSTS
# What Trove needs of the other services.
QUEUES = ('conductor', 'scheduler',
          *(f'compute.{host}' for host in services.HOSTS),
          'cinder-scheduler', 'cinder-volume.cinder@fake')
TIME = re.compile(r'\d{4}-\d\d-\d\d ')
# A reconciler works for instances of the other task manager, too.
RECONCILER = re.compile(r'nova_trove_guard\.trove\.(events|reconciler) |'
                        r'notification\.trove_guard\.')


class Processes(trove_processes.Processes):
    """The processes of a deployment of a running cloud.

    :param cloud: a tests.cloud.state.Cloud
    :param deployment: the deployment's name
    :ivar urls: the URLs of the APIs
    """

    def __init__(self, cloud, deployment):
        names = [trove_processes.api_name(deployment, host) for host in HOSTS]
        self.urls = [cloud.urls[name] for name in names]
        files = layout.Layout(cloud.root)
        super().__init__(
            files, deployment,
            {name: parse.urlsplit(cloud.urls[name]).port for name in names},
            rabbitmq.RabbitMQ(files))

    def kill_task_manager(self, host):
        """Kill the task manager of a host, as kill -9 does."""
        processes.kill(self.files, self.name('taskmanager', host))

    def paused_task_manager(self, host):
        """Have the task manager of a host do nothing while in the context."""
        return processes.paused(self.files, self.name('taskmanager', host))

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
            self.bus.await_consumers(*QUEUES)

    def log(self, host):
        """Return the log (str) of the task manager of a host."""
        return self.files.log(self.name('taskmanager', host)).read_text()


class Trove(databases.Trove):
    """The deployment as the owner and an operator use it, through any API.

    :param scene: a tests.functional.scene.Scene
    :param witness: a tests.functional.witness.Witness
    :param processes: the running Processes
    """

    def __init__(self, scene, witness, processes):
        super().__init__(scene, witness, processes.deployment)
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
