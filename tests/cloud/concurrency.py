# SPDX-License-Identifier: Apache-2.0
"""Has a service run on native threads, in those releases where it can.

Elsewhere it runs on eventlet's: see tests.cloud.sqlite for what that asks of
a database.
"""

import importlib

from tests.cloud import native_threads
from tests.cloud import releases

# Services that know of nothing else.
ON_EVENTLET = {
    '2025.1': ('cinder', 'nova', 'trove'),
    '2025.2': ('cinder',),
    '2026.1': ('cinder',),
}


def choose(service):
    """Choose the threads: call before anything of the service is imported.

    :param service: 'cinder', 'nova' or 'trove'
    """
    if service in ON_EVENTLET.get(releases.of_environment(), ()):
        import eventlet
        eventlet.monkey_patch()
    elif service == 'trove':
        native_threads.use()
    else:
        importlib.import_module(f'{service}.monkey_patch').patch(
            backend='threading')
