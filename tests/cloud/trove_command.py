# SPDX-License-Identifier: Apache-2.0
"""Run one of Trove's commands unchanged, except for shorter polling pauses.

``trove_command.py NAME ARGUMENT...``, with the name of a console script such
as trove-taskmanager.
"""

# Import this first: it patches Python for eventlet, as in Trove's commands.
import trove.cmd  # noqa: F401

from importlib import metadata
import sys

from tests.cloud import polling


def main():
    """Run the command of the command line."""
    name, *arguments = sys.argv[1:]
    command, = metadata.entry_points(group='console_scripts', name=name)
    run = command.load()
    polling.poll_hastily()
    sys.argv = [name, *arguments]
    return run()


if __name__ == '__main__':
    sys.exit(main())
