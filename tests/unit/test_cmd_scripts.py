# SPDX-License-Identifier: Apache-2.0
"""The commands where what they need is not installed."""

import ast
import importlib.metadata
import os
import pathlib
import sys

import pytest

from nova_trove_guard.cmd import scripts


@pytest.mark.parametrize('script', [scripts.guard, scripts.status])
@pytest.mark.parametrize('package', ['cliff', 'nova_trove_guard.cmd.shell'])
def test_what_is_missing_is_named(monkeypatch, capsys, script, package):
    monkeypatch.delitem(sys.modules, 'nova_trove_guard.cmd.shell',
                        raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    assert script() == 2
    output, errors = capsys.readouterr()
    assert output == ''
    assert errors == (f'The Python package {package} is missing: pip install '
                      f'"nova-trove-guard[cli]"\n')


@pytest.mark.parametrize('script, name', [
    (scripts.guard, 'main'), (scripts.status, 'status')])
def test_the_commands_are_run(monkeypatch, script, name):
    from nova_trove_guard.cmd import shell
    monkeypatch.setattr(shell, name, lambda: 7)
    assert script() == 7


@pytest.mark.parametrize('interrupted', [KeyboardInterrupt, None])
def test_ctrl_c_ends_the_process_at_once(monkeypatch, interrupted):
    """Threads that wait for a service do not keep it."""
    from nova_trove_guard.cmd import shell

    def main():
        if interrupted:
            raise interrupted
        return 130

    monkeypatch.setattr(shell, 'main', main)
    monkeypatch.setattr(os, '_exit', sys.exit)
    with pytest.raises(SystemExit) as ended:
        scripts.guard()
    assert ended.value.code == 130


def test_each_script_has_a_man_page():
    source = pathlib.Path(__file__).parents[2] / 'doc/source'
    pages = next(
        ast.literal_eval(node.value)
        for node in ast.parse((source / 'conf.py').read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == 'man_pages')
    assert {name for _, name, *_ in pages} == {
        entry.name for entry in importlib.metadata.distribution(
            'nova-trove-guard').entry_points
        if entry.group == 'console_scripts'}
    for document, *_ in pages:
        assert (source / f'{document}.rst').is_file()
