# SPDX-License-Identifier: Apache-2.0
"""Run all of Nova in one process.

``nova_process.py ROOT CONF HOST,... PASTE=PORT...`` starts conductor,
scheduler, a compute service for each host, and one API for each paste file.
The first API and the hypervisor suffer the faults that tests request in the
state directory ROOT.
"""

# This must run before any import of Nova.
from tests.cloud import concurrency; concurrency.choose('nova')  # noqa

import pathlib
import sys

from nova.api.openstack import wsgi as openstack_wsgi
from nova.api import wsgi
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova import config
from nova import context
from nova import objects
from nova.objects import host_mapping
from nova.scheduler import rpcapi as scheduler_rpcapi
from nova import service
from nova.virt import fake
from oslo_config import cfg
from oslo_log import log as logging

from tests.cloud import faults
from tests.cloud import hypervisor
from tests.cloud import layout
from tests.cloud import recorder
from tests.cloud import serve
from tests.cloud import sqlite

# The second one does not exist in OpenStack 2025.1.
COMPUTE_TOPICS = {'topic': 'RPC_TOPIC', 'topic_alt': 'RPC_TOPIC_ALT'}


def start_services(hosts):
    """Start everything but the API.

    :param hosts: the names of the compute hosts
    """
    services = [
        service.Service.create(binary='nova-conductor',
                               topic=conductor_rpcapi.RPC_TOPIC),
        service.Service.create(binary='nova-scheduler',
                               topic=scheduler_rpcapi.RPC_TOPIC),
    ]
    topics = {argument: getattr(compute_rpcapi, name)
              for argument, name in COMPUTE_TOPICS.items()
              if hasattr(compute_rpcapi, name)}
    services += [
        service.Service.create(binary='nova-compute', host=host,
                               **topics)
        for host in hosts]
    for one in services:
        one.start()
    host_mapping.discover_hosts(context.get_admin_context())


def main():
    """Run the services and APIs of the command line."""
    root, conf, hosts, *endpoints = sys.argv[1:]
    files = layout.Layout(pathlib.Path(root))
    sqlite.share()
    config.parse_args(['nova', '--config-file', conf])
    logging.setup(cfg.CONF, 'nova')
    objects.register_all()
    recorder.record_to(files.dispatches('nova'), openstack_wsgi.Resource,
                       'nova.context')

    strikes = faults.Faults(files)
    hypervisor.outlive()
    strikes.strike_hypervisor(fake.FakeDriver, 'destroy')
    start_services(hosts.split(','))
    pastes, _, ports = zip(*(one.rpartition('=') for one in endpoints))
    applications = [wsgi.Loader(paste).load_app('osapi_compute')
                    for paste in pastes]
    applications[0] = strikes.strike_api('nova', applications[0])
    serve.serve_all([serve.server(application, int(port))
                     for application, port in zip(applications, ports)])


if __name__ == '__main__':
    main()
