# SPDX-License-Identifier: Apache-2.0
"""Windows: the time in which operations of Trove's hold a server unlocked.

Whoever comes first unlocks, and the last one out locks, in whatever thread,
process or host. Between a look at who holds a share and the call to Nova that
depends on it, nobody else gets at the shares of that server.
"""

import threading
import time

from oslo_log import log as logging
import tenacity
import tooz

LOG = logging.getLogger(__name__)


class Windows:
    """Opens and closes the windows of servers.

    :param compute: nova_trove_guard.trove.compute.Compute
    :param shares: nova_trove_guard.trove.shares.Shares
    :param events: nova_trove_guard.trove.events.Events
    :param reason: callable that returns the reason (str) for the lock of a
        server, from its id
    :param lock_timeout: for how many seconds to go on trying to lock
    """

    def __init__(self, compute, shares, events, reason, lock_timeout):
        self._compute = compute
        self._shares = shares
        self._events = events
        self._reason = reason
        self._lock_timeout = lock_timeout

    def open(self, server_id, operation):
        """Unlock a server for an operation.

        :param operation: what the operation is called
        :raises Exception: whatever Nova or the tooz back end raises; the
            window is not open then
        """
        with self._shares.exclusively(server_id):
            self._shares.join(server_id)
            try:
                # Though another may have unlocked it: an operator may have
                # locked it since.
                self._compute.unlock(server_id)
            except BaseException:
                self._shares.drop(server_id)
                self._shares.are_held(server_id)
                raise
        self._events.opened(server_id, operation)

    def reopen(self, server_id):
        """Unlock a server again, which was locked while its window is open.

        By the reconciler or another operation, where the back end took the
        holder of the share for dead; or by an operator.
        """
        with self._shares.exclusively(server_id):
            self._shares.renew(server_id)
            self._compute.unlock(server_id)

    def close(self, server_id, operation, opened_at, is_deleted=False):
        """Give up a share in a window, and lock the server as the last one.

        Never raises: the database operation has done its work.

        :param operation: what the operation is called
        :param opened_at: time.monotonic() of when it was opened
        :param is_deleted: whether the operation has deleted the server
        """
        others = self._leave(server_id)
        if not (others or is_deleted):
            self.lock(server_id, operation)
        self._events.closed(server_id, operation,
                            time.monotonic() - opened_at)

    def lock(self, server_id, operation):
        """Lock a server, unless a window of it is open.

        Tries for lock_timeout seconds, and then leaves it to the reconciler.
        Never raises.

        :param operation: what the operation is called
        """
        patience = tenacity.Retrying(
            stop=tenacity.stop_after_delay(self._lock_timeout),
            wait=tenacity.wait_exponential(multiplier=0.5, max=10),
            before_sleep=lambda attempt: LOG.warning(
                'Server %s is not locked yet after %s, and is tried again: '
                '%s', server_id, operation, attempt.outcome.exception()),
            reraise=True)
        try:
            patience(self.lock_if_closed, server_id)
        except Exception as error:
            self._events.lock_failed(server_id, operation, error)

    def is_active(self, server_id):
        """Return whether a server is known to be active. Never raises."""
        try:
            return self._compute.is_active(server_id)
        except Exception:
            LOG.exception('It can\'t be told whether server %s is active.',
                          server_id)
            return False

    def lock_if_closed(self, server_id, unless_locked=False):
        """Lock a server once, unless a window of it is open.

        :param unless_locked: whether to ask first, for who has heard long ago
            that it is not locked
        :returns: whether it was locked by this call
        :raises Exception: whatever Nova raises
        """
        try:
            with self._shares.exclusively(server_id):
                if self._shares.are_held(server_id) or (
                        unless_locked and self._compute.is_locked(server_id)):
                    return False
                return self._lock(server_id)
        except tooz.ToozError:
            # Better an operation of Trove's that has to unlock again than a
            # server that is open to all.
            LOG.exception('It can\'t be told whether a window of server %s '
                          'is open; it is locked.', server_id)
            return self._lock(server_id)

    def _lock(self, server_id):
        return self._compute.lock(server_id, self._reason(server_id))

    def _leave(self, server_id):
        """Give up a share, and return whether others hold some."""
        self._shares.drop(server_id)
        try:
            with self._shares.exclusively(server_id):
                return self._shares.are_held(server_id)
        except Exception:
            LOG.exception('It can\'t be told whether others hold the window '
                          'of server %s open.', server_id)
            return False


class TroveOperation:
    """An operation of Trove's, and the windows that it holds open.

    A context manager; its threads (trove.common.utils.poll_until polls in
    others) share it. On exit all of its windows are closed, whatever the
    outcome.

    :param windows: Windows
    :param name: what it is called in log and events
    :param database_instance: the id of the database instance that it is
        about, or None
    """

    def __init__(self, windows, name, database_instance=None):
        self.name = name
        self.database_instance = database_instance
        self._windows = windows
        self._opened_at = {}
        self._deleted = set()
        self._newborn = set()
        self._mutex = threading.RLock()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        with self._mutex:
            # Who is not active even now is the reconciler's.
            self.saw(None, None)
            for server_id, opened_at in self._opened_at.items():
                self._windows.close(server_id, self.name, opened_at,
                                    server_id in self._deleted)
            self._opened_at.clear()

    def open(self, server_id):
        """Open a server's window, unless the operation has it open."""
        with self._mutex:
            if server_id not in self._opened_at:
                self._windows.open(server_id, self.name)
                self._opened_at[server_id] = time.monotonic()

    def refused_by_lock(self, server_id):
        """Unlock a server because of which Nova has refused a call."""
        with self._mutex:
            if server_id in self._opened_at:
                self._windows.reopen(server_id)
            else:
                self.open(server_id)

    def created(self, server_id):
        """Take note of a server that is to be locked when it is active."""
        with self._mutex:
            self._newborn.add(server_id)

    def deleted(self, server_id):
        """Take note of a server that Nova is to delete."""
        with self._mutex:
            self._newborn.discard(server_id)
            self._deleted.add(server_id)

    def saw(self, server_id, status):
        """Lock the servers that the operation has created and that are active.

        Trove waits for one after another, where there are several: the others
        are looked at here.

        :param server_id: the server whose status is known
        :param status: its status in Nova
        """
        with self._mutex:
            for newborn in tuple(self._newborn):
                if newborn == server_id:
                    is_active = status == 'ACTIVE'
                else:
                    is_active = self._windows.is_active(newborn)
                if is_active:
                    self._newborn.discard(newborn)
                    self._windows.lock(newborn, self.name)
