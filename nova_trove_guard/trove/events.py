# SPDX-License-Identifier: Apache-2.0
"""Report windows and locks in the log and through Trove's notifier."""

from collections import abc
import typing

from oslo_context import context
from oslo_log import log as logging
from trove import rpc

LOG = logging.getLogger(__name__)

PREFIX = 'trove_guard'


class Events:
    """Report windows and locks.

    A notification that can't be sent is logged, and raises nothing.

    :param save_fault: a function (database instance, message) that saves a
        message as the fault of a database instance
    """

    def __init__(self, save_fault: abc.Callable[[str, str], None]) -> None:
        self._save_fault = save_fault

    def opened(self, server_id: str, operation: str) -> None:
        """Report that an operation has unlocked a server."""
        LOG.info('Opened the window of server %s for %s.', server_id,
                 operation)
        self._notify('info', 'window.opened', server_id=server_id,
                     operation=operation)

    def closed(self, server_id: str, operation: str, seconds: float) -> None:
        """Report that an operation that unlocked a server has ended."""
        LOG.info('Closed the window of server %s for %s after %.1f s.',
                 server_id, operation, seconds)
        self._notify('info', 'window.closed', server_id=server_id,
                     operation=operation, seconds=round(seconds, 3))

    def relocked(self, server_id: str, database_instance: str, cause: str,
                 description: str) -> None:
        """Report that the reconciler has locked a server.

        :param cause: a name of nova_trove_guard.trove.reconciler.Cause
        :param description: the cause in words
        """
        LOG.warning('Locked server %s of database instance %s: %s.',
                    server_id, database_instance, description)
        self._notify('warn', 'server.relocked', server_id=server_id,
                     database_instance=database_instance, cause=cause)

    def lock_failed(self, server_id: str, database_instance: str | None,
                    operation: str, error: Exception) -> None:
        """Report that a server could not be locked after an operation."""
        LOG.error('Server %s is not locked after %s: %s. The reconciler goes '
                  'on trying.', server_id, operation, error)
        self._notify('error', 'lock.failed', server_id=server_id,
                     operation=operation, error=str(error))
        if database_instance is None:
            return
        try:
            self._save_fault(database_instance,
                             'The server is not locked in Nova after '
                             f'{operation}: {error}')
        except Exception:
            LOG.exception('Could not save the fault of database instance %s.',
                          database_instance)

    def _notify(self, priority: str, event: str,
                **payload: typing.Any) -> None:
        try:
            notifier = rpc.get_notifier(service='taskmanager')
            # The reconciler has no context.
            about = (context.get_current() or
                     context.RequestContext(overwrite=False))
            getattr(notifier, priority)(about, f'{PREFIX}.{event}', payload)
        except Exception:
            LOG.exception('Could not send the notification %s.%s: %s', PREFIX,
                          event, payload)
