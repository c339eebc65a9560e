# SPDX-License-Identifier: Apache-2.0
"""Lets Trove's code into the process in which Nova's is tested, too.

Both register options of the same names with the one ConfigOpts of the
process: Trove's modules get one of their own.
"""

import importlib
from unittest import mock

from oslo_config import cfg

with mock.patch.object(cfg, 'CONF', cfg.ConfigOpts()):
    importlib.import_module('trove.taskmanager.manager')
