# SPDX-License-Identifier: Apache-2.0
"""Count what the guard logged, by group."""

import collections
from collections.abc import Callable, Mapping, Sequence
import dataclasses

from nova_trove_guard.cmd.report import judgements
from nova_trove_guard.cmd.report import logs
from nova_trove_guard.core import decisions
from nova_trove_guard.core.reports import log

_Value = Callable[[logs.LoggedEntry], str]

# Columns by dimension. Values stay as the log has them, percent-encoded: they
# are safe on a terminal, and can be searched for in the log.
DIMENSIONS: Mapping[str, Mapping[str, _Value]] = {
    'operation': {
        'operation': lambda logged: log.quoted(logged.entry.operation)},
    'principal': {
        'user_id': lambda logged: log.quoted(logged.entry.user_id),
        'project_id': lambda logged: log.quoted(logged.entry.project_id),
        'service_user_id':
            lambda logged: log.quoted(logged.entry.service_user_id)},
    'database_instance': {
        'database_instance':
            lambda logged: log.quoted(logged.entry.database_instance)},
    'hour': {
        'hour': lambda logged:
            f'{logged.time[:13]}:00' if logged.time else log.NONE},
    'status': {
        'status': lambda logged: str(logged.entry.status or log.NONE)},
}


@dataclasses.dataclass(slots=True)
class Group:
    """Lines that have the same values.

    :ivar values: by column
    :ivar counts: how many lines, by decision and by a policy's verdict
    :ivar why: why some are not judged by that policy
    :ivar first: when the first one was logged, None if it is not known
    :ivar last: the same of the last one
    """

    values: dict[str, str]
    counts: collections.Counter[str]
    first: str | None = None
    last: str | None = None
    why: set[str] = dataclasses.field(default_factory=set)

    @property
    def total(self) -> int:
        """The number of lines."""
        return sum(self.counts[outcome] for outcome in decisions.REPORTED)

    @property
    def label(self) -> str:
        """Its values, in one line."""
        return ' '.join(self.values.values())

    def add(self, logged: logs.LoggedEntry,
            judgement: judgements.Judgement | None = None) -> None:
        """Count a line."""
        self.counts[logged.entry.outcome] += 1
        if judgement is not None:
            self.counts[judgement.verdict] += 1
            self.why.update(filter(None, (judgement.why,)))
        if logged.time:
            self.first = min(self.first or logged.time, logged.time)
            self.last = max(self.last or logged.time, logged.time)


class Tally:
    """Groups of lines, by dimensions.

    :param dimensions: some of DIMENSIONS
    :ivar columns: the values by which lines are grouped
    """

    def __init__(self, dimensions: Sequence[str]) -> None:
        self.columns = {
            column: value for dimension in dimensions
            for column, value in DIMENSIONS[dimension].items()}
        self._groups: dict[tuple[str, ...], Group] = {}

    def add(self, logged: logs.LoggedEntry,
            judgement: judgements.Judgement | None = None) -> None:
        """Count a line in its group."""
        values = tuple(value(logged) for value in self.columns.values())
        group = self._groups.get(values)
        if group is None:
            group = self._groups[values] = Group(
                dict(zip(self.columns, values, strict=True)),
                collections.Counter())
        group.add(logged, judgement)

    def groups(self) -> list[Group]:
        """Return the groups, the one with most lines first."""
        return sorted(self._groups.values(), key=lambda group: (
            -group.total, group.label))
