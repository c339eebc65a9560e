# SPDX-License-Identifier: Apache-2.0
"""Start the commands, or name the package that is missing.

The commands need more packages than the filter: the extra ``cli``.
"""

import importlib
import os
import sys

# The exit codes of nova_trove_guard.cmd.outcome, which needs more packages.
USAGE = 2
INTERRUPTED = 130


def guard() -> int:
    """Run ``nova-trove-guard``; return the exit code."""
    return _run('main')


def status() -> int:
    """Run ``nova-trove-guard-status``; return the exit code."""
    return _run('status')


def _run(name: str) -> int:
    _open_standard_streams()
    code: int
    try:
        shell = importlib.import_module('nova_trove_guard.cmd.shell')
        code = getattr(shell, name)()
    except ModuleNotFoundError as error:
        print(f'The Python package {error.name} is missing: pip install '
              f'"nova-trove-guard[cli]"', file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        # Exit at once, without waiting for threads: they may wait for a
        # service.
        sys.stderr.flush()
        os._exit(code)
    return code


def _open_standard_streams() -> None:
    """Replace closed standard streams, which are None, by empty ones."""
    for name, mode in (('stdin', 'r'), ('stdout', 'w'), ('stderr', 'w')):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding='utf-8'))
