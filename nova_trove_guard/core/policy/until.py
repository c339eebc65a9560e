# SPDX-License-Identifier: Apache-2.0
"""An oslo.policy check that is true until a time: ``until:<ISO 8601>``."""

import datetime
import typing

from oslo_policy import policy


class Until(policy.Check):
    """Be true before a time, such as ``until:2026-12-01T18:00:00Z``.

    The check is never true if its value is not a time, or is a time without a
    time zone, which would be ambiguous.

    :ivar end: the time, None if the check is never true
    """

    def __init__(self, kind: str, match: str) -> None:
        super().__init__(kind, match)
        self.end = _instant(match)

    def __call__(self, target: typing.Any, creds: typing.Any,
                 enforcer: policy.Enforcer,
                 current_rule: str | None = None) -> bool:
        """Return whether the time is in the future."""
        return (self.end is not None and
                datetime.datetime.now(datetime.UTC) < self.end)


def _instant(text: str) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
