# SPDX-License-Identifier: Apache-2.0
"""Cuts short the pauses in which Trove waits for other services."""

from trove.common import utils

# More would keep Nova and Neutron busy with answers.
HASTE = 4


def poll_hastily():
    """Cut short the pauses between two looks, which are in Trove's code.

    Nothing here takes as long as it does in a real cloud.
    """
    build_polling_task = utils.build_polling_task

    def build_hasty_task(retriever, condition=bool, sleep_time=1, time_out=0,
                         initial_delay=0):
        return build_polling_task(
            retriever, condition, sleep_time / HASTE, time_out,
            initial_delay / HASTE)

    utils.build_polling_task = build_hasty_task
