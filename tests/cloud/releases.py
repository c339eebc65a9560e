# SPDX-License-Identifier: Apache-2.0
"""The releases of OpenStack that the cloud can be of."""

import os

from tests.cloud import layout
from tests.cloud import processes

VARIABLE = 'NOVA_TROVE_GUARD_RELEASE'
NEWEST = '2026.2'
# Each release's own pins, by its name.
CONSTRAINTS = {path.stem: path for path in sorted(
    (layout.HERE / 'constraints').glob('*.txt'))}


def of_environment():
    """Tell which release this user wants.

    :returns: what $NOVA_TROVE_GUARD_RELEASE says, else the newest release
    :raises processes.Failed: if there are no constraints of it
    """
    release = os.environ.get(VARIABLE) or NEWEST
    if release not in CONSTRAINTS:
        raise processes.Failed(
            f'{VARIABLE} is {release}, which is none of the releases there '
            f'are: {", ".join(CONSTRAINTS)}.')
    return release
