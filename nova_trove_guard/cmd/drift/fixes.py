# SPDX-License-Identifier: Apache-2.0
"""Mends what is safe to mend: marks and locks."""

import dataclasses

from keystoneauth1 import exceptions

from nova_trove_guard.cmd.drift import comparison as comparisons
from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd.drift import workers

MENDED = 'mended'
WOULD_BE_MENDED = 'would be mended'
GONE = 'gone by itself'
IN_TRANSITION = 'left: Nova is working on the server'
SAME_PROJECT = ('left: the lock would be the tenant\'s; use credentials of '
                'another project')
# What counts as well, after that.
WELL = (MENDED, GONE)


def _mark(nova, expectation, discrepancy):
    nova.mark(discrepancy.server, discrepancy.instance,
              expectation.metadata_key)


def _lock(nova, expectation, discrepancy):
    nova.lock(discrepancy.server, discrepancy.instance)


# In this order: the guard first.
MENDS = {
    discrepancies.Code.MARKER_MISSING: _mark,
    discrepancies.Code.MARKER_WRONG: _mark,
    discrepancies.Code.UNLOCKED: _lock,
    discrepancies.Code.TENANT_LOCK: _lock,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Fix:
    """Mends the discrepancies of a comparison.

    :ivar comparison: comparisons.Comparison
    :ivar project: the id of the project of the credentials
    :ivar for_real: whether to change anything
    """

    comparison: comparisons.Comparison
    project: str
    for_real: bool

    @property
    def count(self):
        """How many discrepancies there are to mend."""
        tally = self.comparison.ledger.tally()
        return sum(tally.get(code, 0) for code in MENDS)

    def run(self):
        """Mend, and take note in the ledger of what became of each."""
        # One code after the other: no server is mended twice at a time.
        ledger = self.comparison.ledger
        for code in MENDS:
            for count, (discrepancy, result) in enumerate(
                    workers.each(self._mend, ledger.unmended((code,)),
                                 self.comparison.jobs), start=1):
                ledger.mended(discrepancy, result)
                self.comparison.progress.tell(
                    f'Mending {code}', count, ledger.tally()[code])

    def _mend(self, discrepancy):
        """Mend a discrepancy, if it is still there; return the result."""
        nova, expectation = self.comparison.nova, self.comparison.expectation
        try:
            server = nova.show(discrepancy.server)
            if server is None:
                return GONE
            if server['OS-EXT-STS:task_state'] is not None:
                return IN_TRANSITION
            instance = discrepancies.Instance(
                discrepancy.instance, discrepancy.server, '', is_busy=False)
            has_owner_lock = (
                discrepancy.code is discrepancies.Code.TENANT_LOCK and
                nova.has_owner_lock(discrepancy.server))
            if not any(now.code is discrepancy.code
                       for now in expectation.check(
                           instance, server, has_owner_lock)):
                return GONE
            if (MENDS[discrepancy.code] is _lock and
                    server['tenant_id'] == self.project !=
                    expectation.trove_project):
                return SAME_PROJECT
            if not self.for_real:
                return WOULD_BE_MENDED
            MENDS[discrepancy.code](nova, expectation, discrepancy)
        except exceptions.HttpError as error:
            return f'failed: {_message(error)}'
        return MENDED


def _message(error):
    """Return what Nova says of an error, which keystoneauth1 can't read."""
    try:
        fault, = error.response.json().values()
        return fault['message']
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(error)
