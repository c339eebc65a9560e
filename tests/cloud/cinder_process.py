# SPDX-License-Identifier: Apache-2.0
"""Run all of Cinder in one process.

``cinder_process.py ROOT CONF PASTE PORT PORT`` starts a volume service, the
scheduler, an API with the paste file of CONF, and an API with PASTE. The
first API suffers the faults that tests request in the state directory ROOT.
"""

# This must run before any import of Cinder.
from tests.cloud import concurrency; concurrency.choose('cinder')  # noqa

import pathlib
import sys

from cinder.api.openstack import wsgi as openstack_wsgi
from cinder.common import constants
from cinder import service
from cinder.tests.unit.brick import fake_lvm
from cinder.wsgi import wsgi
from oslo_config import cfg
from oslo_service import wsgi as service_wsgi

from tests.cloud import faults
from tests.cloud import layout
from tests.cloud import recorder
from tests.cloud import serve
from tests.cloud import sqlite


def extend_volumes():
    """Let the fake driver extend volumes, which it can't before 2026.2."""
    if not hasattr(fake_lvm.FakeBrickLVM, 'extend_volume'):
        fake_lvm.FakeBrickLVM.extend_volume = (
            lambda self, name, new_size: None)


def start_services():
    """Start everything but the API."""
    volumes = [
        service.Service.create(host=f'{cfg.CONF.host}@{backend}',
                               service_name=backend, coordination=True,
                               binary=constants.VOLUME_BINARY)
        for backend in cfg.CONF.enabled_backends]
    scheduler = service.Service.create(binary=constants.SCHEDULER_BINARY)
    # The volume services first: the scheduler waits for one when it starts.
    for one in (*volumes, scheduler):
        one.start()


def main():
    """Run the services and APIs of the command line."""
    root, conf, paste, *ports = sys.argv[1:]
    files = layout.Layout(pathlib.Path(root))
    sqlite.share()
    extend_volumes()
    # Cinder reads the command line.
    sys.argv[1:] = ['--config-file', conf]
    guarded = wsgi.initialize_application()
    cfg.CONF.set_override('api_paste_config', paste)
    stock = service_wsgi.Loader(cfg.CONF).load_app('osapi_volume')
    recorder.record_to(files.dispatches('cinder'), openstack_wsgi.Resource,
                       'cinder.context')
    start_services()
    strikes = faults.Faults(files)
    serve.serve_all([
        serve.server(application, int(port)) for application, port in zip(
            (strikes.strike_api('cinder', guarded), stock), ports)])


if __name__ == '__main__':
    main()
