# SPDX-License-Identifier: Apache-2.0
"""An oslo.policy check that is true until a time: ``until:<ISO 8601>``."""

import datetime

from oslo_policy import policy


class Until(policy.Check):
    """True before an instant, such as ``until:2026-12-01T18:00:00Z``.

    Never true where that is no time, or one without a time zone, which could
    mean any of many.

    :ivar end: the time (datetime), None where it is never true
    """

    def __init__(self, kind, match):
        super().__init__(kind, match)
        self.end = _instant(match)

    def __call__(self, target, creds, enforcer, current_rule=None):
        """Return whether the time is yet to come."""
        return (self.end is not None and
                datetime.datetime.now(datetime.UTC) < self.end)


def _instant(text):
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
