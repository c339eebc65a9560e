# SPDX-License-Identifier: Apache-2.0
"""Lets Cinder's code into a process in which Nova's is, too.

Both register options of the same names with the one ConfigOpts of the
process: Cinder's modules get one of their own.
"""

import http.server
import importlib
import sys
from unittest import mock

from keystonemiddleware import auth_token  # noqa: F401 - its options
from keystonemiddleware import opts as middleware_opts
from oslo_config import cfg

conf = cfg.ConfigOpts()
# keystonemiddleware has just registered them with the other ConfigOpts, which
# is the one of Nova's tests.
for group, options in middleware_opts.list_auth_token_opts():
    conf.register_opts(options, group)
with mock.patch.object(cfg, 'CONF', conf):
    importlib.import_module('cinder.service')
    # As cinder-api does before it imports the rest.
    importlib.import_module('cinder.objects').register_all()
    importlib.import_module('cinder.volume.manager')
    cinder_api = importlib.import_module('tests.unit.cinder.cinder_api')
# eventlet, which Cinder imports, has put a copy there that has its own sockets
# (eventlet.patcher.inject).
http.server = sys.modules['http.server']
