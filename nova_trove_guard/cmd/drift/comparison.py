# SPDX-License-Identifier: Apache-2.0
"""Compare Trove's records with Nova's, one phase after another.

Each phase takes note of its progress together with what it has learned, a
page at a time. So one that was cut off goes on where it was.
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
        """Take note of all discrepancies in the ledger.

        :raises Exception: what a service that does not answer raises, after
            some patience; another run goes on from there
        """
        for name, phase in self._PHASES.items():
            if not self.ledger.is_done(name):
                phase(self, name)
                self.ledger.reach(name, *self.ledger.position(name),
                                  done=True)

    def _in_pages(self, name, pages, learn):
        """Run a phase that reads a list.

        :param pages: callable: from a position, yields (items, position)
        :param learn: what to do with each item
        """
        start, count = self.ledger.position(name)
        for items, position in pages(start and json.loads(start)):
            with self.ledger.together():
                for item in items:
                    learn(item)
                count += len(items)
                self.ledger.reach(name, json.dumps(position), count)
            self.progress.tell(name, count)

    def _list_instances(self, name):
        self._in_pages(name, self.trove.pages, self.ledger.add)

    def _list_owner_locks(self, name):
        self._in_pages(name, self.nova.owner_locks,
                       lambda server: self.ledger.add_owner_lock(
                           server['id']))

    def _list_servers(self, name):
        self._in_pages(name, self.nova.servers, self._look_at)

    def _look_at(self, server):
        """Judge a server in Nova's list that is, or claims to be, Trove's."""
        instance = self.ledger.instance_on(server['id'])
        if instance is not None:
            self._judge(instance, server)
            return
        marker = self.expectation.marker(server)
        if marker is not None:
            self.ledger.add_stranger(server['id'], marker)

    def _judge(self, instance, server):
        for discrepancy in self.expectation.check(
                instance, server,
                self.ledger.has_owner_lock(instance.server)):
            self._find(discrepancy)
        self.ledger.judged(instance)

    def _find(self, discrepancy):
        if discrepancy.code not in self.ignored:
            self.ledger.find(discrepancy)

    def _look_at_strangers(self, name):
        """Judge markers that Trove's list does not bear out.

        It may have missed an instance, or been too early for it.
        """
        self._one_by_one(
            name, self.ledger.strangers(),
            self.ledger.size('strangers', 'NOT is_judged'),
            lambda stranger: self._instance_of_marker(stranger[1]),
            self._judge_stranger)

    def _instance_of_marker(self, marker):
        """Return (Instance or None, whether it is this Trove's)."""
        if uuidutils.is_uuid_like(marker):  # and no path
            for trove in (self.trove, *self.other_troves):
                instance = trove.show(marker)
                if instance is not None:
                    return instance, trove is self.trove
        return None, True

    def _judge_stranger(self, stranger, answer):
        (server_id, marker), (instance, is_ours) = stranger, answer
        self.ledger.judged_stranger(server_id)
        if instance is not None and is_ours:
            self.ledger.add(instance)
        if instance is None:
            self._find(discrepancies.forged(
                server_id, marker, 'Trove has no database instance '
                f'{discrepancies.quoted(marker)}'))
        elif instance.server != server_id and not instance.is_busy:
            self._find(discrepancies.forged(
                server_id, marker, f'the database instance\'s server is '
                f'{instance.server or "none"}'))

    def _look_for_the_rest(self, name):
        """Judge the instances whose servers Nova's list does not have."""
        self._one_by_one(
            name, self.ledger.unjudged(),
            self.ledger.size('instances', 'NOT is_judged'),
            lambda instance: (self.nova.show(instance.server)
                              if instance.server else None),
            self._judge)

    def _one_by_one(self, name, items, total, ask, judge):
        """Run a phase that asks for each item.

        :param ask: callable: returns the answer for an item, in any thread
        :param judge: what to do with an item and its answer
        """
        for count, (item, answer) in enumerate(
                workers.each(ask, items, self.jobs), start=1):
            with self.ledger.together():
                judge(item, answer)
            self.progress.tell(name, count, total)

    _PHASES = {
        'Database instances': _list_instances,
        'Locks of tenants': _list_owner_locks,
        'Servers': _list_servers,
        'Markers that Trove did not tell of': _look_at_strangers,
        'Servers that Nova did not list': _look_for_the_rest,
    }
