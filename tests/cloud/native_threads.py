# SPDX-License-Identifier: Apache-2.0
"""Run Trove on native threads. Call use() before any import of Trove.

Trove names eventlet in its code: trove.cmd, trove.common.wsgi and
trove.common.base_wsgi patch Python when they are imported, and
trove.rpc.get_server handles messages in green threads.
"""

import functools

from oslo_service import backend


def use():
    """Replace eventlet by threads."""
    backend.init_backend(backend.BackendType.THREADING)
    # Import these only now: they would choose eventlet for oslo.service.
    import eventlet
    import oslo_messaging

    eventlet.monkey_patch = _leave_alone
    eventlet.patcher.monkey_patch = _leave_alone

    get_rpc_server = oslo_messaging.get_rpc_server

    @functools.wraps(get_rpc_server)
    def get_threaded_rpc_server(*arguments, **options):
        return get_rpc_server(*arguments, **options | {
            'executor': 'threading'})

    oslo_messaging.get_rpc_server = get_threaded_rpc_server


def _leave_alone(*_arguments, **_options):
    """Patch nothing."""
