# SPDX-License-Identifier: Apache-2.0
"""Run nova-compute unchanged, except that its fake hosts outlive it."""

# Import this first: it patches Python for eventlet, as in Nova's command.
from nova.cmd import compute

import sys

from tests.cloud import hypervisor

if __name__ == '__main__':
    hypervisor.outlive()
    sys.exit(compute.main())
