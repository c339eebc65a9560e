# SPDX-License-Identifier: Apache-2.0
"""How many examples hypothesis makes of a test."""

import hypothesis

FAST = 10

hypothesis.settings.register_profile('fast', max_examples=FAST)


def number(wanted):
    """Return how many examples to make, which are few in the fast loop.

    :param wanted: how many there are to be otherwise
    """
    is_fast = hypothesis.settings.default.max_examples == FAST
    return min(wanted, FAST) if is_fast else wanted
