# SPDX-License-Identifier: Apache-2.0
"""What is installed with the package, and where its links lead.

tests/production/test_packages.py builds the packages.
"""

import ast
import configparser
import importlib.metadata
import pathlib
import re
import subprocess
import sys

from packaging import requirements
from packaging import utils
from packaging import version
import pytest

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / 'setup.cfg')
# A link's target, without the part of the page.
LINK = re.compile(r'\]\(([^)#]+)[^)]*\)')
# What Debian calls otherwise than python3-<name of the distribution>.
DEBIAN = {'python-troveclient': 'python3-troveclient'}
# Imports modules as on a host that has no service.
SERVICES = ('cinder', 'neutron', 'nova', 'trove')
IMPORT = f'''
import importlib, sys
sys.modules.update(dict.fromkeys({SERVICES}))
for name in sys.argv[1:]:
    importlib.import_module(name)
'''


def _requirements(*extras):
    """Return the requirements of the package with some extras, by line."""
    lines = [SETUP['options']['install_requires'],
             *(SETUP['options.extras_require'][extra] for extra in extras)]
    return {line: requirements.Requirement(line)
            for line in '\n'.join(lines).split('\n') if line}


def _bound(wanted):
    """Return the lower bound of a Requirement, which is all that it says."""
    (bound,) = wanted.specifier
    assert bound.operator == '>=', wanted
    return version.Version(bound.version)


def _imported(path):
    """Yield the names of the modules that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def _modules(part):
    """Return the paths of a part's modules that need no service."""
    # Those of cmd/wings/ are for the hosts of one service each.
    return [path for path in (ROOT / 'nova_trove_guard' / part).rglob('*.py')
            if path.stem not in SERVICES]


REQUIREMENTS = _requirements(*SETUP['options.extras_require'])


@pytest.mark.parametrize('line', REQUIREMENTS)
def test_debian_s_package_has_the_same_lower_bound(line):
    wanted = REQUIREMENTS[line]
    name = DEBIAN.get(wanted.name, f'python3-{wanted.name.lower()}')
    found = re.findall(
        # An epoch is Debian's own.
        rf'^ {re.escape(name)} \(>= (?:\d+:)?([^)]+)\),$',
        (ROOT / 'debian/control').read_text(), re.M)
    assert [version.Version(bound) for bound in found] == [_bound(wanted)]


@pytest.mark.parametrize('part', ['core', 'cmd'])
def test_a_part_can_be_imported_on_a_host_without_services(part):
    modules = ['.'.join(path.relative_to(ROOT).with_suffix('').parts)
               for path in _modules(part) if path.stem != '__init__']
    assert modules
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', IMPORT, *modules],
        capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize('part, extras', [
    ('core', ('cadf', 'statsd')), ('cmd', ('cli',))])
def test_the_extras_have_all_that_a_part_imports(part, extras):
    distributions = importlib.metadata.packages_distributions()
    imported = {name.partition('.')[0] for path in _modules(part)
                for name in _imported(path)}
    imported -= sys.stdlib_module_names | {'nova_trove_guard'}
    assert imported
    declared = {utils.canonicalize_name(wanted.name)
                for wanted in _requirements(*extras).values()}
    assert [name for name in sorted(imported) if not declared & {
        utils.canonicalize_name(distribution)
        for distribution in distributions[name]}] == []


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
