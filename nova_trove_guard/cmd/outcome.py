# SPDX-License-Identifier: Apache-2.0
"""How a command ends: exit codes, and the refusal to run."""

# Exit codes of nova-trove-guard.
OK = 0
NOT_OK = 1  # a check failed, or the command refused and changed nothing
USAGE = 2  # no such command or option
FAILED = 3  # a file or a service can't be used


class Refused(Exception):
    """The command refuses to run, and has changed nothing.

    The message says why, and what to do.
    """
