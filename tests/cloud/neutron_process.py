# SPDX-License-Identifier: Apache-2.0
"""Run Neutron's API twice in one process.

``neutron_process.py ROOT PASTE PORT PORT`` starts an API with the paste file
of the configuration, which the environment names, and an API with PASTE.
Both have the same plugins. The first API suffers the faults that tests request
in the state directory ROOT.
"""

import pathlib
import sys

from neutron.common import config
from neutron_lib.plugins import directory
from oslo_config import cfg

from tests.cloud import faults
from tests.cloud import layout
from tests.cloud import neutron_recorder
from tests.cloud import serve
from tests.cloud import sqlite


def main():
    """Run the APIs of the command line."""
    root, paste, *ports = sys.argv[1:]
    files = layout.Layout(pathlib.Path(root))
    sqlite.share()
    # neutron.wsgi.api starts when it is imported, and reads the command line.
    del sys.argv[1:]
    from neutron.wsgi import api
    cfg.CONF.set_override('api_paste_config', paste)
    stock = config.load_paste_app('neutron')
    neutron_recorder.record_to(files.dispatches('neutron'),
                               directory.get_unique_plugins())
    strikes = faults.Faults(files)
    serve.serve_all([
        serve.server(application, int(port)) for application, port in zip(
            (strikes.strike_api('neutron', api.application), stock),
            ports)])


if __name__ == '__main__':
    main()
