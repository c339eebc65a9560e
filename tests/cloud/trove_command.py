# SPDX-License-Identifier: Apache-2.0
"""Runs a command of Trove's as it is, but for the pauses of its polling.

``trove_command.py NAME ARGUMENT...``, with the name of a console script such
as trove-taskmanager.
"""

# Before anything else: it patches Python for eventlet, as Trove has it.
import trove.cmd  # noqa: F401

from importlib import metadata
import sys

from tests.cloud import polling


def main():
    """Run what the command line asks for."""
    name, *arguments = sys.argv[1:]
    command, = metadata.entry_points(group='console_scripts', name=name)
    run = command.load()
    polling.poll_hastily()
    sys.argv = [name, *arguments]
    return run()


if __name__ == '__main__':
    sys.exit(main())
