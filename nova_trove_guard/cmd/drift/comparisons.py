# SPDX-License-Identifier: Apache-2.0
"""Compare Trove's records with Nova's, one phase after another.

Each phase stores its progress together with its results, page by page. So an
interrupted run can continue.
"""

from collections import abc
import dataclasses
import json
import typing

from oslo_utils import uuidutils

from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd.drift import progress_bar
from nova_trove_guard.cmd.drift import sources
from nova_trove_guard.cmd.drift import store
from nova_trove_guard.cmd.drift import workers

Item = typing.TypeVar('Item')
Result = typing.TypeVar('Result')


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of Trove's records with Nova's.

    :ivar other_troves: those whose servers are in the same Nova, and are not
        compared
    :ivar ignored: the codes that are not recorded
    :ivar jobs: the number of parallel calls
    """

    nova: sources.Nova
    trove: sources.Trove
    other_troves: tuple[sources.Trove, ...]
    expectation: discrepancies.Expectation
    ledger: store.Ledger
    progress: progress_bar.Progress
    ignored: frozenset[discrepancies.Code]
    jobs: int

    def run(self) -> None:
        """Record all discrepancies in the ledger.

        :raises Exception: what the client of a failing service raises, after
            some retries; the next run continues from there
        """
        for name, phase in self._PHASES.items():
            if not self.ledger.is_done(name):
                phase(self, name)
                position, count = self.ledger.position(name)
                self.ledger.set_position(name, position, count, done=True)

    def _in_pages(
            self, name: str,
            pages: abc.Callable[
                [typing.Any], abc.Iterator[tuple[list[Item], object]]],
            add: abc.Callable[[Item], None]) -> None:
        """Run a phase that reads a list.

        :param pages: yields items and the position after them, starting at a
            position; positions can be stored as JSON
        :param add: called with each item
        """
        start, count = self.ledger.position(name)
        for items, position in pages(start and json.loads(start)):
            with self.ledger.transaction():
                for item in items:
                    add(item)
                count += len(items)
                self.ledger.set_position(name, json.dumps(position), count)
            self.progress.update(name, count)

    def _list_instances(self, name: str) -> None:
        self._in_pages(name, self.trove.pages, self.ledger.add)

    def _list_owner_locks(self, name: str) -> None:
        self._in_pages(name, self.nova.owner_locks, self._add_owner_lock)

    def _add_owner_lock(self, server: discrepancies.Server) -> None:
        self.ledger.add_owner_lock(server['id'])

    def _list_servers(self, name: str) -> None:
        self._in_pages(name, self.nova.servers, self._check_listed)

    def _check_listed(self, server: discrepancies.Server) -> None:
        """Check a server of Nova's list that is managed or has a marker."""
        instance = self.ledger.instance_on(server['id'])
        if instance is not None:
            self._check(instance, server)
            return
        marker = self.expectation.marker(server)
        if marker is not None:
            self.ledger.add_unknown_marker(server['id'], marker)

    def _check(self, instance: discrepancies.Instance,
               server: discrepancies.Server | None) -> None:
        for discrepancy in self.expectation.check(
                instance, server, instance.server is not None and
                self.ledger.has_owner_lock(instance.server)):
            self._record(discrepancy)
        self.ledger.set_checked(instance)

    def _record(self, discrepancy: discrepancies.Discrepancy) -> None:
        if discrepancy.code not in self.ignored:
            self.ledger.record(discrepancy)

    def _check_unknown_markers(self, name: str) -> None:
        """Check the markers that name no server of Trove's list.

        The list may have missed an instance, or be older than it.
        """
        self._one_by_one(
            name, self.ledger.unknown_markers(),
            self.ledger.size('unknown_markers', 'NOT is_checked'),
            lambda unknown: self._instance_of_marker(unknown[1]),
            self._check_marker)

    def _instance_of_marker(
            self, marker: str) -> tuple[discrepancies.Instance | None, bool]:
        """Return the instance of a marker, and if it is this Trove's."""
        # Anything else could lead to another path of Trove's API.
        if uuidutils.is_uuid_like(marker):
            for trove in (self.trove, *self.other_troves):
                instance = trove.show(marker)
                if instance is not None:
                    return instance, trove is self.trove
        return None, True

    def _check_marker(
            self, unknown: tuple[str, str],
            answer: tuple[discrepancies.Instance | None, bool]) -> None:
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

    def _check_the_rest(self, name: str) -> None:
        """Check the instances whose servers are not in Nova's list."""
        self._one_by_one(
            name, self.ledger.unchecked(),
            self.ledger.size('instances', 'NOT is_checked'),
            lambda instance: (self.nova.show(instance.server)
                              if instance.server else None),
            self._check)

    def _one_by_one(
            self, name: str, items: abc.Iterable[Item], total: int,
            get: abc.Callable[[Item], Result],
            check: abc.Callable[[Item, Result], None]) -> None:
        """Run a phase that makes a call for each item.

        :param get: makes the call; may run in any thread
        :param check: called with each item and what `get` returned
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
