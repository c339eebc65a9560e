# SPDX-License-Identifier: Apache-2.0
"""The message bus of a cloud: a RabbitMQ server of its own, Debian's."""

import json
import time

import amqp
from amqp import exceptions

from tests.cloud import processes

# Debian's /usr/sbin/rabbitmq-server changes to the account of its service.
PROGRAM = '/usr/lib/rabbitmq/bin/rabbitmq-server'
NAME = 'rabbitmq'
HOST = '127.0.0.1'
START_SECONDS = 60
CONSUMERS_SECONDS = 120
PAUSE_SECONDS = 0.1


class RabbitMQ:
    """A server on 127.0.0.1 that is one of a cloud's processes.

    :param files: the cloud's Layout
    """

    def __init__(self, files):
        self._files = files
        self._directory = files.run / NAME
        ports = self._directory / 'ports.json'
        if not ports.exists():
            self._directory.mkdir()
            ports.write_text(json.dumps(processes.free_ports(
                ('amqp', 'distribution', 'epmd'))))
        self._ports = json.loads(ports.read_text())

    @property
    def url(self):
        """The URL of the server, for oslo.messaging."""
        # The account that each new server has, for callers on its own host.
        return f'rabbit://guest:guest@{HOST}:{self._ports["amqp"]}/'

    def start(self):
        """Start the server, and wait until it takes connections.

        :raises processes.Failed: if it is not installed, or does not start
        """
        try:
            process = processes.spawn(
                self._files, NAME, [PROGRAM], self._environment())
        except FileNotFoundError:
            raise processes.Failed('There is no RabbitMQ here: apt-get '
                                   'install rabbitmq-server') from None
        processes.wait_until(self._files, NAME, process, self.is_up,
                             START_SECONDS)

    def _environment(self):
        directory = self._directory
        return {
            # Where Erlang keeps the secret of its nodes.
            'HOME': str(directory),
            # Without Debian's settings.
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_CONFIG_FILE': str(directory / 'rabbitmq'),
            'RABBITMQ_ADVANCED_CONFIG_FILE': str(directory / 'advanced'),
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(directory / 'plugins'),
            'RABBITMQ_MNESIA_BASE': str(directory / 'mnesia'),
            'RABBITMQ_LOG_BASE': str(directory / 'log'),
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_PID_FILE': str(directory / 'pid'),
            'RABBITMQ_NODENAME': f'{NAME}@localhost',
            # All that listens, listens here.
            'RABBITMQ_NODE_IP_ADDRESS': HOST,
            'RABBITMQ_NODE_PORT': str(self._ports['amqp']),
            'RABBITMQ_DIST_PORT': str(self._ports['distribution']),
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
                '-kernel inet_dist_use_interface {127,0,0,1}',
            'ERL_EPMD_ADDRESS': HOST,
            'ERL_EPMD_PORT': str(self._ports['epmd']),
        }

    def kill(self):
        """Kill the server, as kill -9 does."""
        processes.kill(self._files, NAME)

    def is_up(self):
        """Return whether the server takes connections."""
        try:
            with self._connection():
                return True
        except (OSError, exceptions.AMQPError):
            return False

    def consumers(self, queue):
        """Return how many consumers a queue has."""
        try:
            with self._connection() as connection:
                return connection.channel().queue_declare(
                    queue, passive=True).consumer_count
        except exceptions.NotFound:
            return 0

    def await_consumers(self, *queues):
        """Wait until somebody takes what is sent to each of some queues.

        :raises processes.Failed: if nobody does
        """
        deadline = time.monotonic() + CONSUMERS_SECONDS
        for queue in queues:
            while not self.consumers(queue):
                if time.monotonic() > deadline:
                    raise processes.Failed(
                        f'Nobody takes what is sent to {queue}.')
                time.sleep(PAUSE_SECONDS)

    def _connection(self):
        return amqp.Connection(f'{HOST}:{self._ports["amqp"]}',
                               connect_timeout=5)
