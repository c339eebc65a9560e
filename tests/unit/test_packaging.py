# SPDX-License-Identifier: Apache-2.0
"""What the package needs where it is installed."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Imports modules as on a host that has no service.
SERVICES = ('cinder', 'neutron', 'nova', 'trove')
IMPORT = f'''
import importlib, sys
sys.modules.update(dict.fromkeys({SERVICES}))
for name in sys.argv[1:]:
    importlib.import_module(name)
'''


@pytest.mark.parametrize('part', ['core', 'cmd'])
def test_a_part_can_be_imported_on_a_host_without_services(part):
    # Those of cmd/wings/ are for the hosts of one service each.
    modules = ['.'.join(path.relative_to(ROOT).with_suffix('').parts)
               for path in (ROOT / 'nova_trove_guard' / part).rglob('*.py')
               if path.stem not in ('__init__', *SERVICES)]
    assert modules
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', IMPORT, *modules],
        capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
