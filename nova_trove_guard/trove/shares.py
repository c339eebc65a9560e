# SPDX-License-Identifier: Apache-2.0
"""Who holds a server's window open: shares in it, across task managers."""

import collections
import contextlib
import threading

from tooz import coordination

# So many mutexes serve all servers: the file driver keeps a file for each.
MUTEX_DIGITS = 2
MUTEX_SECONDS = 60


class Shares:
    """The shares that operations hold in the windows of servers.

    A server's window is a tooz group: a process that holds one share or more
    in it is a member. What a crashed process held expires with its
    membership.

    All methods raise tooz.ToozError where the back end does not answer.

    :param url: URL (str) of the tooz back end
    :param member_id: a name (str) that no other process has
    """

    def __init__(self, url, member_id):
        self._coordinator = coordination.get_coordinator(
            url, member_id.encode())
        self._coordinator.start(start_heart=True)
        self._held = collections.Counter()
        self._counting = threading.Lock()

    @contextlib.contextmanager
    def exclusively(self, server_id):
        """Keep all others away from a server's shares for a while.

        :raises tooz.coordination.LockAcquireFailed: if they don't let go of
            it within MUTEX_SECONDS
        """
        mutex = self._coordinator.get_lock(
            f'trove-guard-{server_id[:MUTEX_DIGITS]}'.encode())
        with mutex(MUTEX_SECONDS):
            yield

    def join(self, server_id):
        """Take a share; the caller works exclusively()."""
        self.renew(server_id)
        with self._counting:
            self._held[server_id] += 1

    def renew(self, server_id):
        """Keep a share that others may take for expired.

        A process that is too slow to send its heartbeats is taken for dead.
        The caller works exclusively().
        """
        group = _group(server_id)
        with contextlib.suppress(coordination.GroupAlreadyExist):
            self._coordinator.create_group(group).get()
        with contextlib.suppress(coordination.MemberAlreadyExist):
            self._coordinator.join_group(group).get()

    def drop(self, server_id):
        """Give a share back, as far as this process goes.

        Others learn of it from are_held(), which is to be asked next. Needs
        no back end, and never fails.
        """
        with self._counting:
            self._held[server_id] -= 1
            if not self._held[server_id]:
                del self._held[server_id]

    def are_held(self, server_id):
        """Return whether anybody holds a share in a server's window.

        The caller works exclusively().
        """
        if self._held[server_id]:
            return True
        group = _group(server_id)
        try:
            # Also what could not be left when its last share was dropped.
            with contextlib.suppress(coordination.MemberNotJoined):
                self._coordinator.leave_group(group).get()
            if self._coordinator.get_members(group).get():
                return True
            with contextlib.suppress(coordination.GroupNotEmpty):
                self._coordinator.delete_group(group).get()
        except coordination.GroupNotCreated:
            pass
        return False


def _group(server_id):
    return f'trove-guard-window-{server_id}'.encode()
