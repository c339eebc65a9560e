# SPDX-License-Identifier: Apache-2.0
"""Runs another nova-api of the cloud, to which its own options apply.

``auditing_api.py CONF OPTIONS PORT EVENTS`` has [trove_guard] of the file
OPTIONS over that of CONF, and writes the events that it sends to the topic
``guard`` of its message bus, which is in this process, to the file EVENTS.
"""

# Before anything of Nova.
from tests.cloud import concurrency; concurrency.choose('nova')  # noqa

import json
import sys

from nova.api import wsgi
from nova import config
from nova import objects
from oslo_config import cfg
from oslo_log import log as logging
import oslo_messaging

from tests.cloud import layout
from tests.cloud import serve
from tests.cloud import sqlite


class Events:
    """Writes events down, one JSON document a line.

    :param path: the file
    """

    def __init__(self, path):
        # Open as long as the process lives.
        self._lines = open(path, 'a')

    def warn(self, context, publisher_id, event_type, payload, metadata):
        """Write an event down."""
        self._lines.write(json.dumps([event_type, payload]) + '\n')
        self._lines.flush()


def main():
    """Run what the command line asks for."""
    conf, options, port, events = sys.argv[1:]
    sqlite.share()
    config.parse_args(
        ['nova', '--config-file', conf, '--config-file', options])
    logging.setup(cfg.CONF, 'nova')
    objects.register_all()
    application = wsgi.Loader(
        str(layout.REPOSITORY / 'paste' / 'api-paste.ini')).load_app(
        'osapi_compute')
    oslo_messaging.get_notification_listener(
        oslo_messaging.get_notification_transport(cfg.CONF, url='fake://'),
        [oslo_messaging.Target(topic='guard')], [Events(events)],
        executor='threading').start()
    serve.serve_all([serve.server(application, int(port))])


if __name__ == '__main__':
    main()
