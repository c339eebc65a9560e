# SPDX-License-Identifier: Apache-2.0
"""Compare Trove's records with those of other services, phase by phase.

Each phase stores its progress together with its results, page by page, so that
an interrupted run can continue.
"""

from collections import abc
import dataclasses
import functools
import json
import typing

from oslo_utils import uuidutils

from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd.drift import progress_bar
from nova_trove_guard.cmd.drift import sources
from nova_trove_guard.cmd.drift import store
from nova_trove_guard.cmd.drift import workers

Kind = discrepancies.Kind

Item = typing.TypeVar('Item')
Result = typing.TypeVar('Result')


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of Trove's records with Nova's, Cinder's and Neutron's.

    :ivar cinder: volumes are compared only if the cloud has it
    :ivar neutron: ports and security groups are compared only if the cloud
        has it
    :ivar other_troves: other Troves with resources in the same services, which
        are not compared
    :ivar ignored: the codes that are not recorded
    :ivar jobs: the number of parallel calls
    """

    nova: sources.Nova
    cinder: sources.Cinder
    neutron: sources.Neutron
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
        phases = self._PHASES
        if self.cinder.is_there():
            phases = phases | self._VOLUME_PHASES
        if self.neutron.is_there():
            phases = phases | self._NETWORK_PHASES
        for name, phase in phases.items():
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
        instance = self.ledger.instance_of(Kind.SERVER, server['id'])
        if instance is not None:
            self._check(instance, server)
        else:
            self._add_unknown_marker(Kind.SERVER, server)

    def _add_unknown_marker(
            self, kind: discrepancies.Kind,
            shown: discrepancies.Server | discrepancies.Volume) -> None:
        marker = self.expectation.marker(shown)
        if marker is not None:
            self.ledger.add_unknown_marker(kind, shown['id'], marker)

    def _check(self, instance: discrepancies.Instance,
               server: discrepancies.Server | None) -> None:
        for discrepancy in self.expectation.check(
                instance, server, instance.server is not None and
                self.ledger.has_owner_lock(instance.server)):
            self._record(discrepancy)
        self.ledger.set_checked(Kind.SERVER, instance)

    def _record(self, discrepancy: discrepancies.Discrepancy) -> None:
        if discrepancy.code not in self.ignored:
            self.ledger.record(discrepancy)

    def _check_unknown_server_markers(self, name: str) -> None:
        self._check_unknown_markers(name, Kind.SERVER)

    def _check_unknown_markers(self, name: str,
                               kind: discrepancies.Kind) -> None:
        """Check the markers that name no instance of Trove's list.

        The list may have missed an instance, or be older than it. Many
        resources may have the same marker, so Trove is called once for each
        marker.
        """
        self._one_by_one(
            name, self.ledger.unknown_values(kind),
            self.ledger.size('unknown_markers',
                             f"NOT is_checked AND kind = '{kind}'",
                             'DISTINCT marker'),
            self._instance_of_marker,
            functools.partial(self._check_marker, kind))

    def _instance_of_marker(
            self, marker: str) -> tuple[discrepancies.Instance | None, bool]:
        """Return the instance in a marker, and whether it is this Trove's."""
        # Anything else could lead to another path of Trove's API.
        if uuidutils.is_uuid_like(marker):
            for trove in (self.trove, *self.other_troves):
                instance = trove.show(marker)
                if instance is not None:
                    return instance, trove is self.trove
        return None, True

    def _check_marker(
            self, kind: discrepancies.Kind, marker: str,
            answer: tuple[discrepancies.Instance | None, bool]) -> None:
        instance, is_ours = answer
        if instance is not None and is_ours:
            self.ledger.add(instance)
        for resource_id in self.ledger.unknown_with(kind, marker):
            self.ledger.set_marker_checked(kind, resource_id, marker)
            if instance is None:
                self._record(discrepancies.forged(
                    kind, resource_id, marker,
                    'Trove has no database instance '
                    f'{discrepancies.quoted(marker)}'))
            elif (instance.resource(kind) != resource_id and
                    not instance.is_busy):
                self._record(discrepancies.forged(
                    kind, resource_id, marker,
                    f'the database instance\'s {kind} '
                    f'is {instance.resource(kind) or "none"}'))

    def _check_other_servers(self, name: str) -> None:
        """Check the instances whose servers are not in Nova's list."""
        self._one_by_one(
            name, self.ledger.unchecked(Kind.SERVER),
            self.ledger.size('instances', 'NOT is_server_checked'),
            lambda instance: (self.nova.show(instance.server)
                              if instance.server else None),
            self._check)

    def _list_volumes(self, name: str) -> None:
        self._in_pages(name, self.cinder.volumes, self._check_listed_volume)

    def _check_listed_volume(self, volume: discrepancies.Volume) -> None:
        """Check a volume of Cinder's list that is managed or has a marker."""
        instance = self.ledger.instance_of(Kind.VOLUME, volume['id'])
        if instance is not None:
            self._check_volume(instance, volume)
        elif not discrepancies.is_temporary(volume):
            self._add_unknown_marker(Kind.VOLUME, volume)

    def _check_volume(self, instance: discrepancies.Instance,
                      volume: discrepancies.Volume | None) -> None:
        for discrepancy in self.expectation.check_volume(instance, volume):
            self._record(discrepancy)
        self.ledger.set_checked(Kind.VOLUME, instance)

    def _check_unknown_volume_markers(self, name: str) -> None:
        self._check_unknown_markers(name, Kind.VOLUME)

    def _check_other_volumes(self, name: str) -> None:
        """Check the instances whose volumes are not in Cinder's list."""
        self._one_by_one(
            name, self.ledger.unchecked(Kind.VOLUME),
            self.ledger.size('instances', 'NOT is_volume_checked'),
            lambda instance: (self.cinder.show(instance.volume)
                              if instance.volume else None),
            self._check_volume)

    def _list_ports(self, name: str) -> None:
        self._in_pages(name, functools.partial(self.neutron.pages, Kind.PORT),
                       self._check_listed_port)

    def _check_listed_port(self, port: discrepancies.NetworkResource) -> None:
        """Check a port that is a managed server's or has a marker."""
        server_id = port['device_id']
        instance = self.ledger.instance_of(Kind.SERVER, server_id)
        if (discrepancies.is_on_server(port, server_id) and
                (instance is not None or self.expectation.markers(port))):
            for security_group in port['security_groups']:
                self.ledger.bind(security_group, server_id)
        self._check_tags(
            Kind.PORT, port,
            instance if instance is not None and
            self.expectation.is_port_of(instance, port) else None)

    def _list_security_groups(self, name: str) -> None:
        self._in_pages(
            name, functools.partial(self.neutron.pages, Kind.SECURITY_GROUP),
            self._check_listed_group)

    def _check_listed_group(
            self, group: discrepancies.NetworkResource) -> None:
        """Check a security group that is Trove's own or has a marker."""
        named = self.expectation.named_instance(Kind.SECURITY_GROUP, group)
        instance = self.ledger.instance(named) if named else None
        self._check_tags(
            Kind.SECURITY_GROUP, group,
            instance if instance is not None and self.expectation.is_group_of(
                instance, group, self._is_bound(instance, group)) else None)

    def _check_tags(self, kind: discrepancies.Kind,
                    shown: discrepancies.NetworkResource,
                    instance: discrepancies.Instance | None) -> None:
        """Check the tags of a port or security group.

        :param instance: the one that it is Trove's own for, None for none
        """
        if instance is not None:
            for discrepancy in self.expectation.check_tags(
                    kind, instance, shown):
                self._record(discrepancy)
        else:
            for marker in self.expectation.markers(shown):
                self.ledger.add_unknown_marker(kind, shown['id'], marker)

    def _is_bound(self, instance: discrepancies.Instance,
                  group: discrepancies.NetworkResource) -> bool:
        return self.ledger.is_bound(group['id'], instance.server)

    def _check_unknown_port_markers(self, name: str) -> None:
        self._check_unknown_tags(name, Kind.PORT)

    def _check_unknown_group_markers(self, name: str) -> None:
        self._check_unknown_tags(name, Kind.SECURITY_GROUP)

    def _check_unknown_tags(self, name: str,
                            kind: discrepancies.Kind) -> None:
        """Check the markers of resources that may not be Trove's own.

        Trove and Neutron are both called again, because an instance can get
        a server between the two lists.
        """
        self._one_by_one(
            name, self.ledger.unknown_markers(kind),
            self.ledger.size('unknown_markers',
                             f"NOT is_checked AND kind = '{kind}'"),
            lambda unknown: (*self._instance_of_marker(unknown[1]),
                             self.neutron.show(kind, unknown[0])),
            functools.partial(self._check_tag, kind))

    def _check_tag(
            self, kind: discrepancies.Kind, unknown: tuple[str, str],
            answer: tuple[discrepancies.Instance | None, bool,
                          discrepancies.NetworkResource | None]) -> None:
        (resource_id, marker), (instance, is_ours, shown) = unknown, answer
        self.ledger.set_marker_checked(kind, resource_id, marker)
        if shown is None or marker not in self.expectation.markers(shown):
            return
        if instance is None:
            self._record(discrepancies.forged(
                kind, resource_id, marker, 'Trove has no database instance '
                f'{discrepancies.quoted(marker)}'))
        elif not (instance.is_busy or
                  self._is_confirmed(kind, instance, is_ours, shown)):
            self._record(discrepancies.forged(
                kind, resource_id, marker,
                f'the {kind.noun} does not belong to server '
                f'{instance.server or "none"} of the database instance'))

    def _is_confirmed(
            self, kind: discrepancies.Kind, instance: discrepancies.Instance,
            is_ours: bool, shown: discrepancies.NetworkResource) -> bool:
        """Return whether Trove's records confirm the marker of a resource.

        Its owner may have renamed it.

        :param is_ours: whether the instance is this Trove's; the project of
            another Trove is not known
        """
        is_bound = (discrepancies.is_on_server(shown, instance.server)
                    if kind is Kind.PORT else self._is_bound(instance, shown))
        return (
            self.expectation.is_left(kind, instance, shown) or is_bound and (
                not is_ours or
                self.expectation.is_in_project(instance, shown)))

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
        'Unknown markers': _check_unknown_server_markers,
        'Servers missing from the list': _check_other_servers,
    }
    _VOLUME_PHASES = {
        'Volumes': _list_volumes,
        'Unknown markers of volumes': _check_unknown_volume_markers,
        'Volumes missing from the list': _check_other_volumes,
    }
    _NETWORK_PHASES = {
        'Ports': _list_ports,
        # After the ports, which show which security groups are in use.
        'Security groups': _list_security_groups,
        'Unknown markers of ports': _check_unknown_port_markers,
        'Unknown markers of security groups': _check_unknown_group_markers,
    }
