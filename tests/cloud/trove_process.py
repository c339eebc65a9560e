# SPDX-License-Identifier: Apache-2.0
"""Run all of a Trove deployment in one process.

``trove_process.py ROOT CONF DEPLOYMENT HOST PORT [OPTION=VALUE...]`` starts
the API, the conductor, a task manager under the name of HOST, and the
deployment's guests, which suffer the faults that tests request in the state
directory ROOT. An OPTION is one of [trove_guard].

Several such processes may share the deployment's database. Each has its own
message bus, so that its own task manager runs the calls that its API accepts.
"""

# This must run before any import of Trove.
from tests.cloud import concurrency; concurrency.choose('trove')  # noqa

import pathlib
import sys
import threading

from trove.cmd import common
from trove.common import cfg
from trove.common import notification
from trove.common import pastedeploy
from trove.common.rpc import conductor_host_serializer
from trove.common.rpc import service
from trove.conductor import api as conductor_api
from trove.db.sqlalchemy import api as db_api
from trove.instance import models
from trove.taskmanager import api as task_api

from nova_trove_guard.trove import opts
from tests.cloud import faults
from tests.cloud import guests
from tests.cloud import layout
from tests.cloud import polling
from tests.cloud import serve
from tests.cloud import sqlite


def start_services(conf):
    """Start everything but the API, as trove.cmd does.

    :param conf: Trove's configuration
    """
    for one in (
            service.RpcService(
                key=None, manager=conf.conductor_manager,
                topic=conf.conductor_queue,
                rpc_api_version=conductor_api.API.API_LATEST_VERSION,
                secure_serializer=(
                    conductor_host_serializer.ConductorHostSerializer)),
            service.RpcService(
                key=conf.taskmanager_rpc_encr_key,
                manager=conf.taskmanager_manager,
                topic=conf.taskmanager_queue,
                rpc_api_version=task_api.API.API_LATEST_VERSION)):
        # start() does not return: it runs periodic tasks.
        in_background(one.start)


def in_background(function):
    """Run a function in a thread until the process ends.

    :param function: what to call
    """
    threading.Thread(target=function, daemon=True).start()


def main():
    """Run the services of the command line."""
    root, conf_file, deployment, host, port, *options = sys.argv[1:]
    sqlite.share()
    sqlite.retry(db_api, 'save', 'delete', 'delete_all', 'update_all')
    polling.poll_hastily()
    # Trove reads the command line.
    sys.argv[1:] = ['--config-file', conf_file]
    conf = common.initialize()
    conf.set_override('host', host)
    opts.register(conf)
    for option in options:
        name, _, value = option.partition('=')
        conf.set_override(name, value, opts.GROUP)
    notification.DBaaSAPINotification.register_notify_callback(
        models.persist_instance_fault)
    cfg.set_api_config_defaults()

    start_services(conf)
    files = layout.Layout(pathlib.Path(root))
    in_background(guests.Guests(
        files, deployment, faults.Faults(files)).live)
    application = pastedeploy.paste_deploy_app(
        conf.find_file(conf.api_paste_config), 'trove', {})
    serve.serve_all([serve.server(application, int(port))])


if __name__ == '__main__':
    main()
