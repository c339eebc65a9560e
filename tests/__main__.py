# SPDX-License-Identifier: Apache-2.0
"""Runs all tests: ``python3 -m tests [pytest arguments]``.

Needs nothing but the standard library: what the tests need is installed into
the virtual environment of the cloud (tests.cloud) first.
"""

import os
import sys

from tests.cloud import bootstrap
from tests.cloud import layout
from tests.cloud import processes
from tests.cloud import progress


def main():
    """Install what is missing, and become pytest.

    :returns: the exit status, where the installation fails
    """
    files = layout.Layout.of_environment()
    try:
        with processes.only_one(files):
            bootstrap.prepare(files, progress.Progress())
    except processes.Failed as failure:
        print(f'\n{failure}', file=sys.stderr)
        return 1
    os.chdir(layout.REPOSITORY)
    python = str(files.python)
    os.execv(python, [python, '-m', 'pytest', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
