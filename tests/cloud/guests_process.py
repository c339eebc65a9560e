# SPDX-License-Identifier: Apache-2.0
"""Run the guests of a Trove deployment in a process of their own.

``guests_process.py ROOT DEPLOYMENT ARGUMENT...``, with the arguments of
Trove's commands. The guests suffer the faults that tests request in the state
directory ROOT.
"""

# This must run before any import of Trove.
from tests.cloud import concurrency; concurrency.choose('trove')  # noqa

import pathlib
import sys

from trove.cmd import common

from tests.cloud import faults
from tests.cloud import guests
from tests.cloud import layout


def main():
    """Run the guests of the command line."""
    root, deployment, *arguments = sys.argv[1:]
    # Trove reads the command line.
    sys.argv[1:] = arguments
    common.initialize()
    files = layout.Layout(pathlib.Path(root))
    guests.Guests(files, deployment, faults.Faults(files)).live()


if __name__ == '__main__':
    main()
