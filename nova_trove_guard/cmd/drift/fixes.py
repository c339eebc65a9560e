# SPDX-License-Identifier: Apache-2.0
"""Fix what is safe to fix: markers and locks."""

from collections import abc
import dataclasses

from keystoneauth1 import exceptions

from nova_trove_guard.cmd import clouds
from nova_trove_guard.cmd.drift import comparisons
from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd.drift import sources
from nova_trove_guard.cmd.drift import workers

# The results of a fix.
FIXED = 'fixed'
WOULD_BE_FIXED = 'would be fixed'
GONE = 'no longer there'
IN_TRANSITION = 'skipped: Nova is working on the server'
NOT_ATTACHED = ('skipped: the volume is not attached to the server of the '
                'database instance')
NOT_ON_SERVER = ('skipped: the port is not on the server of the database '
                 'instance')
SAME_PROJECT = ('skipped: the tenant could remove the lock; use credentials '
                'of another project')
# The results after which nothing is left to do.
RESOLVED = (FIXED, GONE)


def _mark(nova: sources.Nova, expectation: discrepancies.Expectation,
          discrepancy: discrepancies.Discrepancy) -> None:
    nova.mark(discrepancy.server, discrepancy.instance,
              expectation.metadata_key)


def _lock(nova: sources.Nova, expectation: discrepancies.Expectation,
          discrepancy: discrepancies.Discrepancy) -> None:
    nova.lock(discrepancy.server, discrepancy.instance)


# The functions that fix a server.
_SERVER_FIXES: dict[discrepancies.Code, abc.Callable[
        [sources.Nova, discrepancies.Expectation, discrepancies.Discrepancy],
        None]] = {
    discrepancies.Code.MARKER_MISSING: _mark,
    discrepancies.Code.MARKER_WRONG: _mark,
    discrepancies.Code.UNLOCKED: _lock,
    discrepancies.Code.TENANT_LOCK: _lock,
}
# The codes that a marker on the volume fixes.
_VOLUME_FIXES = (discrepancies.Code.VOLUME_MARKER_MISSING,
                 discrepancies.Code.VOLUME_MARKER_WRONG)
# The codes that a tag fixes, with the kind of resource.
_TAG_FIXES = {
    code: kind for kind, (missing, wrong, _) in
    discrepancies.TAG_CODES.items() for code in (missing, wrong)}
# In this order: the guard protects a server as soon as it is marked.
FIXES = (*_SERVER_FIXES, *_VOLUME_FIXES, *_TAG_FIXES)


@dataclasses.dataclass(frozen=True, slots=True)
class Fix:
    """Fix the discrepancies of a comparison.

    :ivar project: the id of the project of the credentials
    :ivar for_real: whether to change anything
    """

    comparison: comparisons.Comparison
    project: str | None
    for_real: bool

    @property
    def count(self) -> int:
        """The number of discrepancies that can be fixed."""
        tally = self.comparison.ledger.tally()
        return sum(tally.get(code, 0) for code in FIXES)

    def run(self) -> None:
        """Fix all discrepancies, and record each result in the ledger."""
        # One code after the other: no two threads fix the same server.
        ledger = self.comparison.ledger
        for code in FIXES:
            for count, (discrepancy, result) in enumerate(
                    workers.each(self._fix, ledger.unfixed(code),
                                 self.comparison.jobs), start=1):
                ledger.set_result(discrepancy, result)
                self.comparison.progress.update(
                    f'Fixing {code}', count, ledger.tally()[code])

    def _fix(self, discrepancy: discrepancies.Discrepancy) -> str:
        """Fix a discrepancy if it is still there; return the result."""
        if discrepancy.code in _VOLUME_FIXES:
            fix = self._fix_volume
        elif discrepancy.code in _TAG_FIXES:
            fix = self._fix_tags
        else:
            fix = self._fix_server
        try:
            return fix(discrepancy)
        except exceptions.HttpError as error:
            return f'failed: {clouds.message(error)}'

    def _fix_server(self, discrepancy: discrepancies.Discrepancy) -> str:
        nova, expectation = self.comparison.nova, self.comparison.expectation
        server = nova.show(discrepancy.server)
        if server is None:
            return GONE
        if server['OS-EXT-STS:task_state'] is not None:
            return IN_TRANSITION
        instance = discrepancies.Instance(
            discrepancy.instance, discrepancy.server, None, '', is_busy=False)
        has_owner_lock = (
            discrepancy.code is discrepancies.Code.TENANT_LOCK and
            nova.has_owner_lock(discrepancy.server))
        if not any(now.code is discrepancy.code
                   for now in expectation.check(
                       instance, server, has_owner_lock)):
            return GONE
        fix = _SERVER_FIXES[discrepancy.code]
        if (fix is _lock and server['tenant_id'] == self.project !=
                expectation.trove_project):
            return SAME_PROJECT
        if not self.for_real:
            return WOULD_BE_FIXED
        fix(nova, expectation, discrepancy)
        return FIXED

    def _fix_volume(self, discrepancy: discrepancies.Discrepancy) -> str:
        """Mark a volume if it is still the database instance's.

        It must still be attached to the server in Trove's records: a marker
        on any other volume would take it from its owner. Trove is not called
        again, because it would call the guest agent each time.
        """
        cinder, expectation = (
            self.comparison.cinder, self.comparison.expectation)
        instance = discrepancies.Instance(
            discrepancy.instance, discrepancy.server, discrepancy.volume, '',
            is_busy=False)
        volume = cinder.show(discrepancy.volume)
        if volume is None or not any(
                now.code is discrepancy.code
                for now in expectation.check_volume(instance, volume)):
            return GONE
        if not discrepancies.is_attached(volume, discrepancy.server):
            return NOT_ATTACHED
        if not self.for_real:
            return WOULD_BE_FIXED
        cinder.mark(discrepancy.volume, discrepancy.instance,
                    expectation.metadata_key)
        return FIXED


    def _fix_tags(self, discrepancy: discrepancies.Discrepancy) -> str:
        """Write the tag if a resource is still the database instance's.

        Its name can change, so it is checked again. The project of a security
        group cannot.
        """
        neutron, expectation = (
            self.comparison.neutron, self.comparison.expectation)
        kind = _TAG_FIXES[discrepancy.code]
        instance = discrepancies.Instance(
            discrepancy.instance, discrepancy.server, None, '', is_busy=False)
        shown = neutron.show(kind, discrepancy.port or
                             discrepancy.security_group)
        if (shown is None or
                expectation.named_instance(kind, shown) != instance.id or
                not any(now.code is discrepancy.code for now in
                        expectation.check_tags(kind, instance, shown))):
            return GONE
        if kind is discrepancies.Kind.PORT and not (
                discrepancies.is_on_server(shown, instance.server)):
            return NOT_ON_SERVER
        if not self.for_real:
            return WOULD_BE_FIXED
        if expectation.markers(shown):
            neutron.set_tags(kind, shown['id'],
                             expectation.right_tags(instance.id, shown))
        else:
            neutron.add_tag(kind, shown['id'],
                            expectation.right_tags(instance.id, shown)[-1])
        return FIXED
