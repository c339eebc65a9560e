# SPDX-License-Identifier: Apache-2.0
"""Classify the responses to probe's request: from a guard or not.

Only the guard's own message counts as guarded, and only the service's own
fault as not guarded. A balancer, proxy or other filter can send anything else.
"""

from collections import abc
import dataclasses
import enum

from cliff import columns

from nova_trove_guard.cmd.probe import requested
from nova_trove_guard.core import documents

GUARDED = 'guarded'
NOT_GUARDED = 'not guarded'
TIMEOUT = 'timeout'
NO_CONNECTION = 'no connection'
TLS_ERROR = 'TLS error'

# The service, or each host behind a balancer, is down or too busy: another run
# may reach it.
_DOWN = frozenset((
    TIMEOUT, NO_CONNECTION, TLS_ERROR, '429', '502', '503', '504'))


class Result(enum.StrEnum):
    """The result for an endpoint."""

    GUARDED = GUARDED
    NOT_GUARDED = NOT_GUARDED
    PARTLY_GUARDED = 'partly guarded'
    UNKNOWN = 'unknown'
    DOWN = 'down'


def classify(service: requested.ProbedService, metadata_key: str,
             status: int, content: bytes) -> str:
    """Return GUARDED, NOT_GUARDED, or the status of any other response.

    :param metadata_key: the marker
    :param content: the body
    """
    try:
        fault = documents.parsed(content)
        if status == 403 and service.refusal_message(metadata_key) in (
                documents.values_at(fault, service.refusal)):
            return GUARDED
        if status == 400 and any(
                documents.values_at(fault, service.rejection)):
            return NOT_GUARDED
    except documents.Unreadable:
        pass
    return str(status)


@dataclasses.dataclass(frozen=True, slots=True)
class ResponseCounts:
    """Count the responses of an endpoint.

    :ivar counts: the number of each: what classify returns, or why there was
        no response
    """

    counts: abc.Mapping[str, int]

    @property
    def guarded(self) -> int:
        """The number of responses from a guard."""
        return self.counts.get(GUARDED, 0)

    @property
    def not_guarded(self) -> int:
        """The number of responses without an enforcing guard."""
        return self.counts.get(NOT_GUARDED, 0)

    @property
    def other(self) -> dict[str, int]:
        """The number of each other response."""
        return {response: count
                for response, count in sorted(self.counts.items())
                if response not in (GUARDED, NOT_GUARDED)}

    @property
    def down(self) -> int:
        """The number of requests that the endpoint could not process."""
        return sum(count for response, count in self.counts.items()
                   if response in _DOWN)

    @property
    def result(self) -> Result:
        """The result for the endpoint: the worst response counts."""
        if self.not_guarded:
            return (Result.PARTLY_GUARDED if self.guarded
                    else Result.NOT_GUARDED)
        if not _DOWN.issuperset(self.other):
            return Result.UNKNOWN
        return Result.DOWN if self.down else Result.GUARDED


class OtherResponses(columns.FormattableColumn[dict[str, int]]):
    """Show other responses, as text for people and as a JSON object."""

    def human_readable(self) -> str:
        """Return each response with its number."""
        return ', '.join(f'{response} ({count})'
                         for response, count in self._value.items())
