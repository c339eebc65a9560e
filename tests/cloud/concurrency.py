# SPDX-License-Identifier: Apache-2.0
"""Run a service on native threads, in releases in which it can.

In other releases it runs on eventlet: see tests.cloud.sqlite for what a
database needs then.
"""

import importlib
import os

from tests.cloud import native_threads
from tests.cloud import releases

# Services that run only on eventlet, by release.
ON_EVENTLET = {
    '2025.1': ('cinder', 'nova', 'trove'),
    '2025.2': ('cinder', 'nova'),
    '2026.1': ('cinder',),
}


def choose(service):
    """Choose the kind of threads. Call this before any import of the service.

    :param service: 'cinder', 'nova' or 'trove'
    """
    if service in ON_EVENTLET.get(releases.from_environment(), ()):
        import eventlet
        eventlet.monkey_patch()
        if service == 'nova':
            # Nova must be told. In 2025.1, the import alone does that.
            monkey_patch = importlib.import_module('nova.monkey_patch')
            getattr(monkey_patch, 'patch', lambda: None)()
    elif service == 'trove':
        native_threads.use()
    else:
        # Set it for good: Cinder's fake driver is one of its test modules,
        # which patch when they are imported.
        os.environ[f'OS_{service.upper()}_DISABLE_EVENTLET_PATCHING'] = 'true'
        importlib.import_module(f'{service}.monkey_patch').patch()
