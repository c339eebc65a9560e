# SPDX-License-Identifier: Apache-2.0
"""An oslo.policy check that is true until a time: ``until:<ISO 8601>``."""

import datetime
import typing

from oslo_policy import policy


class Until(policy.Check):
    """True before an instant, such as ``until:2026-12-01T18:00:00Z``.

    Never true where that is no time, or one without a time zone, which could
    mean any of many.

    :ivar end: the time, None where it is never true
    """

    def __init__(self, kind: str, match: str) -> None:
        super().__init__(kind, match)
        self.end = _instant(match)

    def __call__(self, target: typing.Any, creds: typing.Any,
                 enforcer: policy.Enforcer,
                 current_rule: str | None = None) -> bool:
        """Return whether the time is yet to come."""
        return (self.end is not None and
                datetime.datetime.now(datetime.UTC) < self.end)


def _instant(text: str) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
