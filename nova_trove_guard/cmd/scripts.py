# SPDX-License-Identifier: Apache-2.0
"""Start the commands, or name the package that is missing.

They need more than the filter does: an extra of setup.cfg.
"""

import importlib
import sys


def guard() -> int:
    """Run ``nova-trove-guard``; return the exit code."""
    return _run('main')


def status() -> int:
    """Run ``nova-trove-guard-status``; return the exit code."""
    return _run('status')


def _run(name: str) -> int:
    try:
        shell = importlib.import_module('nova_trove_guard.cmd.shell')
    except ModuleNotFoundError as error:
        print(f'The Python package {error.name} is missing: pip install '
              f'"nova-trove-guard[cli]"', file=sys.stderr)
        return 2
    code: int = getattr(shell, name)()
    return code
