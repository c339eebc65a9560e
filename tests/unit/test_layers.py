# SPDX-License-Identifier: Apache-2.0
"""Which part of the package knows which: arrows run downwards only."""

import ast
import collections
import pathlib
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[2] / 'nova_trove_guard'
MODULES = sorted(PACKAGE.rglob('*.py'))
# A wing knows no other wing.
KNOWS = {
    'core': {'core'},
    'nova': {'core', 'nova'},
    'cinder': {'core', 'cinder'},
    'neutron': {'core', 'neutron'},
    'trove': {'core', 'trove'},
    'cmd': {'core', 'nova', 'cinder', 'neutron', 'trove', 'cmd'},
    'health': {'core', 'nova', 'cinder', 'neutron', 'cmd', 'health'},
}
# The libraries that the core may import: nothing of a service.
LIBRARIES = {'oslo_config', 'oslo_log', 'oslo_messaging', 'oslo_middleware',
             'oslo_policy', 'oslo_serialization', 'oslo_utils', 'pycadf',
             'routes', 'statsd', 'webob'}


def part(path):
    """Return the name of the part that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0]


def imported(path):
    """Yield the names of the modules that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


@pytest.mark.parametrize(
    'path', [path for path in MODULES if part(path) in KNOWS],
    ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_from_the_parts_below_it(path):
    parts = {name.split('.')[1] for name in imported(path)
             if name.startswith('nova_trove_guard.')}
    assert parts <= KNOWS[part(path)]


def test_every_part_is_known_here():
    assert {part(path) for path in MODULES} == {*KNOWS, '__init__.py'}


def test_the_core_knows_nothing_of_a_service():
    libraries = {name.partition('.')[0]
                 for path in MODULES if part(path) == 'core'
                 for name in imported(path)}
    assert libraries - sys.stdlib_module_names - {
        'nova_trove_guard'} == LIBRARIES


def test_no_two_classes_have_one_name():
    names = collections.Counter(
        node.name for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(
    'path', MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_imported_by_its_own_name(path):
    renamed = [alias.asname for node in ast.walk(ast.parse(path.read_text()))
               if isinstance(node, ast.ImportFrom)
               and (node.module or '').startswith('nova_trove_guard')
               for alias in node.names if alias.asname]
    assert renamed == []
