# SPDX-License-Identifier: Apache-2.0
"""Makes Trove run on threads: call before anything of Trove is imported.

Trove asks for eventlet by name: trove.cmd, trove.common.wsgi and
trove.common.base_wsgi patch Python when they are imported, and
trove.rpc.get_server wants messages handled by green threads.
"""

import functools

from oslo_service import backend


def use():
    """Have all that asks for eventlet get threads."""
    backend.init_backend(backend.BackendType.THREADING)
    # These would have chosen eventlet for oslo.service.
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
