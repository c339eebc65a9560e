# SPDX-License-Identifier: Apache-2.0
"""Shorten the pauses in which Trove waits for other services."""

from trove.common import utils

# A higher value would keep Nova and Neutron busy with polls.
HASTE = 4


def poll_hastily():
    """Shorten the pauses between two polls, which Trove's code sets.

    In this cloud nothing takes as long as in a real one.
    """
    build_polling_task = utils.build_polling_task

    def build_hasty_task(retriever, condition=bool, sleep_time=1, time_out=0,
                         initial_delay=0):
        return build_polling_task(
            retriever, condition, sleep_time / HASTE, time_out,
            initial_delay / HASTE)

    utils.build_polling_task = build_hasty_task
