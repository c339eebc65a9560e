# SPDX-License-Identifier: Apache-2.0
"""What is installed with the package, and where its links lead."""

import configparser
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / 'setup.cfg')
# A link's target, without the part of the page.
LINK = re.compile(r'\]\(([^)#]+)[^)]*\)')
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


@pytest.mark.parametrize('target', sorted(
    {target for target in LINK.findall(README) if ':' not in target}))
def test_readme_links_to_a_file_that_exists(target):
    assert (ROOT / target).exists()


def test_the_description_on_a_package_index_links_to_no_file():
    # An index shows it on a page of its own, beside no other file.
    description = SETUP['metadata']['long_description']
    assert description.strip()
    assert not description.strip().startswith('file:')
    assert [target for target in LINK.findall(description)
            if ':' not in target] == []
