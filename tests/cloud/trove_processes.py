# SPDX-License-Identifier: Apache-2.0
"""A Trove deployment as in production: many processes on RabbitMQ.

Two APIs, two task managers and a conductor, each started by Trove's own
command (tests.cloud.trove_command), and the guests in a process of their own.
"""

import string

from tests.cloud import configs
from tests.cloud import processes

TEMPLATE = configs.TEMPLATES / 'trove-process.conf'
# Trove takes nothing but an address as the name of a host.
HOSTS = ('127.0.0.1', '127.0.0.2')
START_SECONDS = 120


def api_name(deployment, host):
    """Return the name of a deployment's API, in the URLs of a cloud.

    The first one is in Keystone's catalog, under the deployment's name.
    """
    return deployment if host == HOSTS[0] else f'{deployment}@{host}'


class Processes:
    """The processes of a deployment.

    :param files: the cloud's Layout
    :param deployment: the deployment's name
    :param ports: a dict of api_name() to port
    :param bus: a running tests.cloud.rabbitmq.RabbitMQ
    """

    def __init__(self, files, deployment, ports, bus):
        self.deployment = deployment
        self.bus = bus
        self.files = files
        self._ports = ports

    def start(self):
        """Start all, and wait until they take calls.

        :raises processes.Failed: if one does not start
        """
        self._spawn('guests', HOSTS[0])
        self._spawn('conductor', HOSTS[0])
        started = {host: self._spawn('api', host) for host in HOSTS}
        for host in HOSTS:
            self.spawn_task_manager(host)
        for host, process in started.items():
            processes.wait_for_url(
                self.files, self.name('api', host), process,
                f'http://127.0.0.1:{self._port(host)}/', START_SECONDS)
        self.await_task_managers()

    def spawn_task_manager(self, host):
        """Start the task manager of a host; see await_task_managers()."""
        return self._spawn('taskmanager', host)

    def await_task_managers(self):
        """Wait until each task manager takes calls.

        :raises processes.Failed: if one does not
        """
        self.bus.await_consumers(*(
            f'{self.deployment}-taskmanager.{host}' for host in HOSTS))

    def name(self, kind, host):
        """Return the name of a process.

        :param kind: 'guests', 'conductor', 'api' or 'taskmanager'
        :param host: one of HOSTS
        """
        return f'{self.deployment}-{kind}@{host}'

    def _port(self, host):
        return self._ports[api_name(self.deployment, host)]

    def _spawn(self, kind, host):
        name = self.name(kind, host)
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
            deployment=self.deployment, host=host, port=self._port(host)))
        return path
