# SPDX-License-Identifier: Apache-2.0
"""What operators see of windows: log lines, and Trove's notifications."""

from oslo_context import context
from oslo_log import log as logging
from trove import rpc

LOG = logging.getLogger(__name__)

PREFIX = 'trove_guard'


class Events:
    """Tells of windows in the log and through Trove's notifier.

    Nothing fails because a notification can't be sent.

    :param save_fault: callable (server id, message) that shows a message as
        the fault of a server's database instance
    """

    def __init__(self, save_fault):
        self._save_fault = save_fault

    def opened(self, server_id, operation):
        """Tell that a window was opened."""
        LOG.info('Opened the window of server %s for %s.', server_id,
                 operation)
        self._notify('info', 'window.opened', server_id=server_id,
                     operation=operation)

    def closed(self, server_id, operation, seconds):
        """Tell that an operation has left a window, after so many seconds."""
        LOG.info('Closed the window of server %s for %s after %.1f s.',
                 server_id, operation, seconds)
        self._notify('info', 'window.closed', server_id=server_id,
                     operation=operation, seconds=round(seconds, 3))

    def relocked(self, server_id, database_instance):
        """Tell that the reconciler has locked a server."""
        LOG.warning('Locked server %s of database instance %s, which was '
                    'unlocked while no window was open.', server_id,
                    database_instance)
        self._notify('warn', 'server.relocked', server_id=server_id,
                     database_instance=database_instance)

    def lock_failed(self, server_id, operation, error):
        """Tell that a server could not be locked after an operation."""
        LOG.error('Server %s is not locked after %s: %s. The reconciler goes '
                  'on trying.', server_id, operation, error)
        self._notify('error', 'lock.failed', server_id=server_id,
                     operation=operation, error=str(error))
        try:
            self._save_fault(server_id, 'The server is not locked in Nova '
                                        f'after {operation}: {error}')
        except Exception:
            LOG.exception('The fault of server %s can\'t be saved.',
                          server_id)

    def _notify(self, priority, event, **payload):
        try:
            notifier = rpc.get_notifier(service='taskmanager')
            # The reconciler has none.
            about = (context.get_current() or
                     context.RequestContext(overwrite=False))
            getattr(notifier, priority)(about, f'{PREFIX}.{event}', payload)
        except Exception:
            LOG.exception('%s.%s can\'t be notified: %s', PREFIX, event,
                          payload)
