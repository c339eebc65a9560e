# SPDX-License-Identifier: Apache-2.0
"""The reconciler: it locks what a crash, or an operator, left unlocked."""

from oslo_log import log as logging

LOG = logging.getLogger(__name__)


class Reconciler:
    """Locks managed servers that are unlocked while no window is open.

    :param compute: nova_trove_guard.trove.compute.Compute
    :param windows: nova_trove_guard.trove.windows.Windows
    :param events: nova_trove_guard.trove.events.Events
    :param is_ours: callable that returns whether a database instance is of
        this Trove; of another's windows nothing is known here
    """

    def __init__(self, compute, windows, events, is_ours):
        self._compute = compute
        self._windows = windows
        self._events = events
        self._is_ours = is_ours

    def run(self):
        """Look once through all unlocked servers of Trove's.

        :raises Exception: what Nova raises for a page of the list
        """
        for server in self._compute.unlocked():
            try:
                was_locked = (
                    self._is_ours(server.database_instance) and
                    # An operation may have locked it since the page came.
                    self._windows.lock_if_closed(server.uuid,
                                                 unless_locked=True))
            except Exception:
                LOG.exception('Server %s of database instance %s is not '
                              'locked, and can\'t be.', server.uuid,
                              server.database_instance)
                continue
            if was_locked:
                self._events.relocked(server.uuid, server.database_instance)
