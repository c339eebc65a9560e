# SPDX-License-Identifier: Apache-2.0
"""Has a service run on native threads, in those releases where it can.

Elsewhere it runs on eventlet's: see tests.cloud.sqlite for what that asks of
a database.
"""

import importlib
import os

from tests.cloud import native_threads
from tests.cloud import releases

# Services that know of nothing else.
ON_EVENTLET = {
    '2025.1': ('cinder', 'nova', 'trove'),
    '2025.2': ('cinder', 'nova'),
    '2026.1': ('cinder',),
}


def choose(service):
    """Choose the threads: call before anything of the service is imported.

    :param service: 'cinder', 'nova' or 'trove'
    """
    if service in ON_EVENTLET.get(releases.of_environment(), ()):
        import eventlet
        eventlet.monkey_patch()
        if service == 'nova':
            # It has to know. In 2025.1 importing it is all there is.
            monkey_patch = importlib.import_module('nova.monkey_patch')
            getattr(monkey_patch, 'patch', lambda: None)()
    elif service == 'trove':
        native_threads.use()
    else:
        # Lasting: Cinder's fake driver is among its tests, which would patch.
        os.environ[f'OS_{service.upper()}_DISABLE_EVENTLET_PATCHING'] = 'true'
        importlib.import_module(f'{service}.monkey_patch').patch()
