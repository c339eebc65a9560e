# SPDX-License-Identifier: Apache-2.0
"""The reconciler: lock servers that a crash or an operator left unlocked."""

from collections import abc
import datetime
import enum
import random
import time

from oslo_log import log as logging
from oslo_utils import timeutils

from nova_trove_guard.trove import compute
from nova_trove_guard.trove import events
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import windows

LOG = logging.getLogger(__name__)

# For how long a server may stay unlocked after the end of an operation is
# recorded: the operation locks the server some moments later.
SETTLE_TIME = datetime.timedelta(seconds=5)


class Cause(enum.Enum):
    """Why the reconciler locks a server; the values are for the log."""

    AT_REST = 'it was unlocked, and no operation of Trove is under way'
    OVERDUE = ('its task {task} has kept it unlocked for {seconds} s; the '
               'task manager that worked on it may have crashed')
    NEVER_LOCKED = ('it became active {seconds} s ago, and its task {task} '
                    'has not locked it; the task manager that created it may '
                    'have crashed')


class Reconciler:
    """Lock the managed servers of a region that no operation needs unlocked.

    :param nova: Nova in the region
    :param open_windows: the windows of this process in the region
    :param reports: reports the servers that were locked
    :param unlock_timeout: for how many seconds an operation may hold a server
        unlocked
    :param run_seconds: after how many seconds a run ends; the next run
        continues where it ended
    """

    def __init__(self, nova: compute.Compute, open_windows: windows.Windows,
                 reports: events.Events, unlock_timeout: float,
                 run_seconds: float) -> None:
        self._nova = nova
        self._windows = open_windows
        self._events = reports
        self._unlock_timeout = datetime.timedelta(seconds=unlock_timeout)
        self._run_seconds = run_seconds
        self._servers: abc.Iterator[compute.Server] | None = None

    def run(self) -> bool:
        """Check unlocked servers until all are checked or the time is over.

        :returns: whether all are checked
        :raises Exception: if Nova can't list servers, or Trove's database
            fails
        """
        end = time.monotonic() + self._run_seconds
        servers, self._servers = self._servers or self._list(), None
        checked = locked = 0
        for server in servers:
            checked += 1
            # Read it now, not for a whole page: an operation may have begun.
            record = instances.record(server.database_instance or '')
            if record is not None:
                locked += self._check(server, record)
            if time.monotonic() > end:
                self._servers = servers
                break
        if locked:
            LOG.info('The reconciler has checked %d unlocked servers in this '
                     'run, and locked %d.', checked, locked)
        return self._servers is None

    def _list(self) -> abc.Iterator[compute.Server]:
        """Yield the unlocked servers."""
        for page in self._nova.unlocked():
            # So that task managers which list the same page do not all lock
            # the same server first.
            random.shuffle(page)
            yield from page

    def _check(self, server: compute.Server,
               record: instances.Record) -> bool:
        """Lock a server if necessary; return whether this call locked it."""
        try:
            cause, since = self._cause(server, record)
            # It may have been locked since the page was listed.
            if cause is None or not self._windows.lock_once(server.uuid):
                return False
        except Exception:
            LOG.exception('Could not lock server %s of database instance %s.',
                          server.uuid, server.database_instance)
            return False
        self._events.relocked(
            server.uuid, server.database_instance or '', cause.name.lower(),
            cause.value.format(task=record.task,
                               seconds=round(since.total_seconds())))
        return True

    def _cause(self, server: compute.Server, record: instances.Record
               ) -> tuple[Cause | None, datetime.timedelta]:
        """Return why to lock a server, and for how long it is unlocked.

        The cause is None if the server must stay unlocked.
        """
        since = datetime.timedelta()
        if self._windows.is_under_way(server.uuid):
            return None, since
        now = timeutils.utcnow()
        if record.is_at_rest and now - record.changed_at > SETTLE_TIME:
            return Cause.AT_REST, since
        unlocked_at = self._nova.unlocked_at(server)
        began = unlocked_at or server.launched_at
        if began is not None:
            since = now - began
            if since < self._unlock_timeout:
                return None, since
        return Cause.OVERDUE if unlocked_at else Cause.NEVER_LOCKED, since


def keep_running(reconcile: abc.Callable[[], bool], interval: float) -> None:
    """Run the reconcilers of a process again and again. Never returns.

    :param reconcile: returns whether it has checked all servers
    :param interval: average number of seconds between two runs; there is no
        pause while servers are left to check
    """
    is_finished = True
    while True:
        if is_finished:
            # So that task managers do not run at the same time.
            time.sleep(interval * random.uniform(0.5, 1.5))
        is_finished = True
        try:
            is_finished = reconcile()
        except Exception:
            LOG.exception('The reconciler could not finish its run, and '
                          'starts again.')
