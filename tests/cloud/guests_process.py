# SPDX-License-Identifier: Apache-2.0
"""Runs the guests of a Trove deployment in a process of their own.

``guests_process.py ROOT DEPLOYMENT ARGUMENT...``, with the arguments of
Trove's commands. Faults come to the guests as they are demanded in the state
directory ROOT.
"""

# Before anything of Trove.
from tests.cloud import concurrency; concurrency.choose('trove')  # noqa

import pathlib
import sys

from trove.cmd import common

from tests.cloud import faults
from tests.cloud import guests
from tests.cloud import layout


def main():
    """Run what the command line asks for."""
    root, deployment, *arguments = sys.argv[1:]
    # What follows reads the command line.
    sys.argv[1:] = arguments
    common.initialize()
    files = layout.Layout(pathlib.Path(root))
    guests.Guests(files, deployment, faults.Faults(files)).live()


if __name__ == '__main__':
    main()
