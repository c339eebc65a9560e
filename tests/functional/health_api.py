# SPDX-License-Identifier: Apache-2.0
"""Runs the API of a service once for each of some paste files.

``health_api.py SERVICE CONF MORE PASTE=PORT...`` reads the configuration file
CONF, and MORE over it.
"""

import sys

from tests.cloud import concurrency
from tests.cloud import serve


def nova(arguments, pastes):
    """Yield the application of each paste file."""
    from nova.api import wsgi
    from nova import config
    from nova import objects

    config.parse_args(['nova', *arguments])
    objects.register_all()
    for paste in pastes:
        yield wsgi.Loader(paste).load_app('osapi_compute')


def cinder(arguments, pastes):
    """Yield the application of each paste file."""
    from cinder.wsgi import wsgi
    from oslo_config import cfg
    from oslo_service import wsgi as service_wsgi

    sys.argv[1:] = arguments
    wsgi.initialize_application()
    for paste in pastes:
        cfg.CONF.set_override('api_paste_config', paste)
        yield service_wsgi.Loader(cfg.CONF).load_app('osapi_volume')


def neutron(arguments, pastes):
    """Yield the application of each paste file."""
    from neutron.common import config
    from oslo_config import cfg

    sys.argv[1:] = arguments
    from neutron.wsgi import api  # noqa: F401 - which starts all of it
    for paste in pastes:
        cfg.CONF.set_override('api_paste_config', paste)
        yield config.load_paste_app('neutron')


LOADERS = {'nova': nova, 'cinder': cinder, 'neutron': neutron}


def main():
    """Run what the command line asks for."""
    service, conf, more, *endpoints = sys.argv[1:]
    if service != 'neutron':
        # Before anything of the service.
        concurrency.choose(service)
    pastes, _, ports = zip(*(one.rpartition('=') for one in endpoints))
    applications = LOADERS[service](
        ['--config-file', conf, '--config-file', more], pastes)
    serve.serve_all([serve.server(application, int(port))
                     for application, port in zip(applications, ports)])


if __name__ == '__main__':
    main()
