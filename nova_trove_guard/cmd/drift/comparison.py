# SPDX-License-Identifier: Apache-2.0
"""Compare Trove's records with Nova's, one phase after another.

Each phase stores its progress together with its results, page by page. So an
interrupted run can continue.
"""

import dataclasses
import json

from oslo_utils import uuidutils

from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd.drift import progress_bar
from nova_trove_guard.cmd.drift import sources
from nova_trove_guard.cmd.drift import store
from nova_trove_guard.cmd.drift import workers


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of Trove's records with Nova's.

    :ivar nova: sources.Nova
    :ivar trove: sources.Trove
    :ivar other_troves: iterable of sources.Trove: whose servers are in
        the same Nova, and are not compared
    :ivar expectation: discrepancies.Expectation
    :ivar ledger: store.Ledger
    :ivar progress: progress_bar.Progress
    :ivar ignored: set of discrepancies.Code that are not looked for
    :ivar jobs: how many calls may be under way at a time
    """

    nova: sources.Nova
    trove: sources.Trove
    other_troves: tuple[sources.Trove, ...]
    expectation: discrepancies.Expectation
    ledger: store.Ledger
    progress: progress_bar.Progress
    ignored: frozenset[discrepancies.Code]
    jobs: int

    def run(self):
        """Record all discrepancies in the ledger.

        :raises Exception: what the client of a failing service raises, after
            some retries; the next run continues from there
        """
        for name, phase in self._PHASES.items():
            if not self.ledger.is_done(name):
                phase(self, name)
                self.ledger.set_position(name, *self.ledger.position(name),
                                  done=True)

    def _in_pages(self, name, pages, add):
        """Run a phase that reads a list.

        :param pages: callable: from a position, yields (items, position)
        :param add: what to do with each item
        """
        start, count = self.ledger.position(name)
        for items, position in pages(start and json.loads(start)):
            with self.ledger.transaction():
                for item in items:
                    add(item)
                count += len(items)
                self.ledger.set_position(name, json.dumps(position), count)
            self.progress.update(name, count)

    def _list_instances(self, name):
        self._in_pages(name, self.trove.pages, self.ledger.add)

    def _list_owner_locks(self, name):
        self._in_pages(name, self.nova.owner_locks,
                       lambda server: self.ledger.add_owner_lock(
                           server['id']))

    def _list_servers(self, name):
        self._in_pages(name, self.nova.servers, self._check_listed)

    def _check_listed(self, server):
        """Check a server of Nova's list that is managed or has a marker."""
        instance = self.ledger.instance_on(server['id'])
        if instance is not None:
            self._check(instance, server)
            return
        marker = self.expectation.marker(server)
        if marker is not None:
            self.ledger.add_unknown_marker(server['id'], marker)

    def _check(self, instance, server):
        for discrepancy in self.expectation.check(
                instance, server,
                self.ledger.has_owner_lock(instance.server)):
            self._record(discrepancy)
        self.ledger.set_checked(instance)

    def _record(self, discrepancy):
        if discrepancy.code not in self.ignored:
            self.ledger.record(discrepancy)

    def _check_unknown_markers(self, name):
        """Check the markers that name no server of Trove's list.

        The list may have missed an instance, or be older than it.
        """
        self._one_by_one(
            name, self.ledger.unknown_markers(),
            self.ledger.size('unknown_markers', 'NOT is_checked'),
            lambda unknown: self._instance_of_marker(unknown[1]),
            self._check_marker)

    def _instance_of_marker(self, marker):
        """Return (Instance or None, whether it is this Trove's)."""
        if uuidutils.is_uuid_like(marker):  # and no path
            for trove in (self.trove, *self.other_troves):
                instance = trove.show(marker)
                if instance is not None:
                    return instance, trove is self.trove
        return None, True

    def _check_marker(self, unknown, answer):
        (server_id, marker), (instance, is_ours) = unknown, answer
        self.ledger.set_marker_checked(server_id)
        if instance is not None and is_ours:
            self.ledger.add(instance)
        if instance is None:
            self._record(discrepancies.forged(
                server_id, marker, 'Trove has no database instance '
                f'{discrepancies.quoted(marker)}'))
        elif instance.server != server_id and not instance.is_busy:
            self._record(discrepancies.forged(
                server_id, marker, f'the database instance\'s server is '
                f'{instance.server or "none"}'))

    def _check_the_rest(self, name):
        """Check the instances whose servers are not in Nova's list."""
        self._one_by_one(
            name, self.ledger.unchecked(),
            self.ledger.size('instances', 'NOT is_checked'),
            lambda instance: (self.nova.show(instance.server)
                              if instance.server else None),
            self._check)

    def _one_by_one(self, name, items, total, get, check):
        """Run a phase that asks for each item.

        :param get: callable: returns the answer for an item, in any thread
        :param check: what to do with an item and its answer
        """
        for count, (item, answer) in enumerate(
                workers.each(get, items, self.jobs), start=1):
            with self.ledger.transaction():
                check(item, answer)
            self.progress.update(name, count, total)

    _PHASES = {
        'Database instances': _list_instances,
        'Locks by tenants': _list_owner_locks,
        'Servers': _list_servers,
        'Unknown markers': _check_unknown_markers,
        'Servers missing from the list': _check_the_rest,
    }
