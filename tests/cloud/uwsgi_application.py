# SPDX-License-Identifier: Apache-2.0
"""The application of one of the cloud's APIs, for uWSGI.

It is that of Nova, Cinder or Neutron, with or without the guard, as the name
of the process says. What it dispatches is recorded; it suffers the faults
that tests request for that name.
"""

import importlib
import os
import pathlib

from tests.cloud import faults
from tests.cloud import layout
from tests.cloud import neutron_recorder
from tests.cloud import processes
from tests.cloud import recorder

# The module whose application it is, by service. Imported first: Nova's
# patches Python.
MODULES = {'nova': 'nova.wsgi.osapi_compute', 'cinder': 'cinder.wsgi.api',
           'neutron': 'neutron.wsgi.api'}


def _recorded(files, service):
    """Load a service's application, and have it recorded what it does."""
    application = importlib.import_module(MODULES[service]).application
    record = files.dispatches(service)
    if service == 'neutron':
        from neutron_lib.plugins import directory
        neutron_recorder.record_to(record, directory.get_unique_plugins())
    else:
        wsgi = importlib.import_module(f'{service}.api.openstack.wsgi')
        recorder.record_to(record, wsgi.Resource, f'{service}.context')
    return application


def _load():
    root, _, name = os.environ[processes.MARK].rpartition(':')
    files = layout.Layout(pathlib.Path(root))
    return faults.Faults(files).strike_api(
        name, _recorded(files, name.removesuffix('-unguarded')))


application = _load()
