# SPDX-License-Identifier: Apache-2.0
"""Windows: the time in which an operation of Trove holds a server unlocked.

An operation unlocks a server before its first call that changes it. At its
end it always locks the server. Operations in other threads, processes and
hosts need no coordination: if one ends and locks the server while another is
under way, Nova refuses the other's next call, and the other unlocks again.
"""

import threading
import time
import types
import typing

from oslo_log import log as logging
import tenacity

from nova_trove_guard.trove import compute
from nova_trove_guard.trove import events
from nova_trove_guard.trove import locks

LOG = logging.getLogger(__name__)


class ServerHeld(Exception):
    """An operator has locked the server, with a reason that is not Trove's."""


class Windows:
    """Unlock and lock the servers of one region for operations.

    :param lock_timeout: for how many seconds to try to lock a server
    :param unlock_timeout: after how many seconds an operation no longer
        counts as under way
    """

    def __init__(self, nova: compute.Compute, reports: events.Events,
                 lock_timeout: float, unlock_timeout: float) -> None:
        self._nova = nova
        self._events = reports
        self._lock_timeout = lock_timeout
        self._unlock_timeout = unlock_timeout
        # When an operation of this process began to work on a server.
        self._since: dict[tuple[TroveOperation, str], float] = {}

    def check_not_held(self, server_id: str) -> compute.Server | None:
        """Return a server that an operation may unlock, None if it is deleted.

        If an operator locks the server between this check and the unlock, that
        lock is lost: Nova has no call that unlocks a server only if it was
        locked for a given reason.

        :raises ServerHeld: if an operator has locked it
        :raises keystoneauth1.exceptions.ClientException: if Nova fails
        """
        server = self._nova.show(server_id)
        if server is not None and self._is_held(server):
            raise ServerHeld(
                f'Server {server_id} is locked by an operator: '
                f'{server.lock_reason}')
        return server

    def unlock(self, server_id: str, operation: 'TroveOperation') -> None:
        """Unlock a server for an operation.

        :raises keystoneauth1.exceptions.ClientException: if Nova fails; it
            may have unlocked the server all the same
        """
        self._nova.unlock(server_id)
        self._events.opened(server_id, operation.name)

    def lock(self, server_id: str, database_instance: str | None,
             operation: 'TroveOperation') -> None:
        """Lock a server at the end of an operation. Never raises.

        Try for lock_timeout seconds, and then leave it to the reconciler.
        """
        patience = tenacity.Retrying(
            stop=tenacity.stop_before_delay(self._lock_timeout),
            wait=tenacity.wait_exponential(multiplier=0.5, max=10),
            before_sleep=lambda attempt: LOG.warning(
                'Server %s is not locked yet after %s; trying again: %s',
                server_id, operation.name,
                attempt.outcome and attempt.outcome.exception()),
            reraise=True)
        try:
            patience(self.lock_once, server_id)
        except Exception as error:
            self._events.lock_failed(server_id, database_instance,
                                     operation.name, error)

    def lock_once(self, server_id: str) -> bool:
        """Lock a server unless it is locked; return whether this call did.

        A lock of an operator stays. Trove replaces a lock without a reason,
        and a lock of the tenant who owns the server.

        :raises keystoneauth1.exceptions.ClientException: if Nova fails
        """
        server = self._nova.show(server_id)
        if server is None or server.status in locks.DELETED:
            return False
        reason = locks.reason(server.database_instance)
        if server.is_locked and (
                server.lock_reason == reason or self._is_held(server)):
            return False
        if not self._nova.lock(server_id, reason):
            return False
        if not server.is_tagged:
            self._nova.tag(server_id)
        return True

    def is_active(self, server_id: str) -> bool:
        """Return whether a server is known to be active. Never raises."""
        try:
            server = self._nova.show(server_id)
        except Exception:
            LOG.exception('Could not check whether server %s is active.',
                          server_id)
            return False
        return server is not None and server.status == 'ACTIVE'

    def closed(self, server_id: str, operation: 'TroveOperation',
               seconds: float) -> None:
        """Report that an operation has ended after so many seconds."""
        self._events.closed(server_id, operation.name, seconds)

    def begin(self, operation: 'TroveOperation', server_id: str) -> None:
        """Record that an operation works on a server."""
        self._since[operation, server_id] = time.monotonic()

    def end(self, operation: 'TroveOperation', server_id: str) -> None:
        """Record that an operation no longer works on a server."""
        self._since.pop((operation, server_id), None)

    def is_under_way(self, server_id: str) -> bool:
        """Return whether an operation of this process works on a server.

        An operation that takes longer than unlock_timeout does not count: a
        thread that hangs must not keep the server unlocked forever.
        """
        # A copy, as other threads begin and end.
        return any(
            one == server_id and
            time.monotonic() - since < self._unlock_timeout
            for (_, one), since in self._since.copy().items())

    def _is_held(self, server: compute.Server) -> bool:
        """Return whether an operator has locked a server against Trove."""
        reason = server.lock_reason or ''
        return (reason != '' and not locks.is_trove_reason(reason) and
                not self._nova.is_locked_by_owner(server))


class _Window(typing.NamedTuple):
    """A server that an operation has unlocked, or created.

    :ivar opened_at: time.monotonic()
    """

    windows: Windows
    database_instance: str | None
    opened_at: float


class TroveOperation:
    """An operation of Trove, and the servers that it unlocks or creates.

    It is a context manager, shared by the operation's threads
    (trove.common.utils.poll_until polls in threads of its own). On exit it
    locks the servers, even if the operation has failed.

    :param name: its name in log and events
    :param database_instance: the id of the database instance that it works
        on, None for none
    """

    def __init__(self, name: str,
                 database_instance: str | None = None) -> None:
        self.name = name
        self.database_instance = database_instance
        self._opened: dict[str, _Window] = {}
        self._created: dict[str, _Window] = {}
        self._mutex = threading.RLock()

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 traceback: types.TracebackType | None) -> None:
        with self._mutex:
            # Servers that are still not ACTIVE are left to the reconciler.
            self.lock_active(None, None)
            for server_id, window in self._created.items():
                window.windows.end(self, server_id)
            for server_id, window in self._opened.items():
                window.windows.lock(
                    server_id, window.database_instance, self)
                window.windows.end(self, server_id)
                window.windows.closed(
                    server_id, self, time.monotonic() - window.opened_at)
            self._created.clear()
            self._opened.clear()

    def has_opened(self, server_id: str) -> bool:
        """Return whether the operation has unlocked a server."""
        return server_id in self._opened

    def open(self, windows: Windows, server_id: str) -> None:
        """Unlock a server, or unlock it again if others have locked it.

        :raises ServerHeld: if an operator has locked it
        :raises keystoneauth1.exceptions.ClientException: if Nova fails
        """
        with self._mutex:
            server = windows.check_not_held(server_id)
            if server is None:
                # The call that needs the window reports this.
                return
            if server_id not in self._opened:
                # Do this before the unlock, which may succeed in Nova even if
                # it times out here.
                self._opened[server_id] = _Window(
                    windows, server.database_instance, time.monotonic())
                windows.begin(self, server_id)
            windows.unlock(server_id, self)

    def created(self, windows: Windows, server_id: str,
                database_instance: str) -> None:
        """Record a new server, which must be locked once it is active."""
        with self._mutex:
            self._created[server_id] = _Window(
                windows, database_instance, time.monotonic())
            windows.begin(self, server_id)

    def lock_active(self, server_id: str | None, status: str | None) -> None:
        """Lock the servers that the operation has created and are active.

        Trove waits for one server after the other. This method checks all
        others, too.

        :param server_id: the server whose status is known, None for none
        :param status: its status in Nova
        """
        with self._mutex:
            for created, window in tuple(self._created.items()):
                if created == server_id:
                    is_active = status == 'ACTIVE'
                else:
                    is_active = window.windows.is_active(created)
                if is_active:
                    window.windows.lock(
                        created, window.database_instance, self)
                    window.windows.end(self, created)
                    del self._created[created]
