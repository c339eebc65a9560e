# SPDX-License-Identifier: Apache-2.0
"""The releases of OpenStack that the cloud supports."""

import os

from tests.cloud import layout
from tests.cloud import processes

VARIABLE = 'NOVA_TROVE_GUARD_RELEASE'
NEWEST = '2026.2'
# The file of pinned versions of each release.
CONSTRAINTS = {path.stem: path for path in sorted(
    (layout.HERE / 'constraints').glob('*.txt'))}


def from_environment():
    """Return the release in the environment.

    :returns: $NOVA_TROVE_GUARD_RELEASE, else the newest release
    :raises processes.Failed: if there are no constraints for it
    """
    release = os.environ.get(VARIABLE) or NEWEST
    if release not in CONSTRAINTS:
        raise processes.Failed(
            f'{VARIABLE} is {release}, which is not supported. Use one of '
            f'{", ".join(CONSTRAINTS)}.')
    return release
