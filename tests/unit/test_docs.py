# SPDX-License-Identifier: Apache-2.0
"""README.md and the pages in doc/source name what there is, and nothing else.

``python3 -m tests --gates`` builds them; this needs no Sphinx.
"""

import configparser
import functools
import importlib
import importlib.metadata
import pathlib
import re
import shlex
import types

import pytest
import webob.exc

from nova_trove_guard.core import faults
from nova_trove_guard.core import options
from nova_trove_guard.core import resources
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import service
from nova_trove_guard.trove import opts as trove_opts

ROOT = pathlib.Path(__file__).parents[2]
SOURCE = ROOT / 'doc/source'
PAGES = {str(path.relative_to(SOURCE)): path.read_text()
         for path in sorted(SOURCE.rglob('*.rst'))}
README = (ROOT / 'README.md').read_text()
WHOLE = '\n'.join(PAGES.values())

SERVER = resources.ManagedResource(
    policies.KIND, 'server', 'project', 'user', 'instance')
NOVA = service.NovaService(None)
FAULTS = (
    faults.forbidden(operations.UNKNOWN, SERVER),
    faults.marker_forbidden(
        policies.KIND, 'metadata key', 'trove_instance_id'),
    NOVA.not_found('server', 'server'),
    NOVA.unauthorized(operations.UNKNOWN, SERVER),
    faults.unidentified(),
    faults.unreadable(),
    faults.unavailable(policies.KIND),
)


def _commands():
    """Return the entry points of commands, as in setup.cfg, by name."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    lines = setup['options.entry_points']['nova_trove_guard.cli'].split('\n')
    return {name.strip().replace('_', ' '): where.strip()
            for name, where in (line.split('=') for line in lines if line)}


COMMANDS = _commands()


@functools.cache
def _parser(name):
    """Return the parser of a command's arguments."""
    module, _, kind = COMMANDS[name].partition(':')
    command = getattr(importlib.import_module(module), kind)(
        types.SimpleNamespace(arguments=()), None)
    return command.get_parser(name)


def _texts():
    """Yield (page, text) of README.md and all pages."""
    for page, text in {'README.md': README, **PAGES}.items():
        # A backslash at a line's end goes on in the next.
        yield page, re.sub(r'\\\n\s+', '', text)


def _mentions():
    """Yield (page, words) of each nova-trove-guard command in a sentence."""
    for page, text in _texts():
        for literal in re.findall(r'``(nova-trove-guard [^`]+)``', text):
            words = literal.split()[1:]
            # Options of all commands stand before them.
            yield page, words[words[0].startswith('-'):]


def _command_lines():
    """Yield (page, words) of each nova-trove-guard command to be typed."""
    for page, text in _texts():
        for line in re.findall(r'^ +(nova-trove-guard .+)$', text, re.M):
            yield page, shlex.split(re.split(' [|>] ', line)[0])[1:]


def _command(words):
    """Return the name of the command that words begin with, '' for none."""
    return next((' '.join(words[:length]) for length in (2, 1)
                 if ' '.join(words[:length]) in COMMANDS), '')


def test_there_are_pages_and_command_lines():
    assert len(PAGES) > 20
    assert len(list(_mentions())) > 5
    assert len(list(_command_lines())) > 15


@pytest.mark.parametrize('page, options', [
    ('options', options.GUARD_OPTS), ('options-trove', trove_opts.TROVE_OPTS)])
def test_every_option_is_named(page, options):
    intro = PAGES[f'reference/{page}.rst'].partition('.. show-options')[0]
    assert set(re.findall(r'``([a-z_]+)``', intro)) == {
        opt.name for opt in options}


@pytest.mark.parametrize('status', sorted(
    {fault.status_int for fault in FAULTS}))
def test_every_fault_is_named(status):
    assert f'``{status}``' in PAGES['reference/faults.rst']


def test_no_fault_is_forgotten_here():
    made = {function for function in vars(faults).values()
            if isinstance(function, types.FunctionType)
            and function.__module__ == faults.__name__}
    # Two more are in Nova's own words.
    assert len(made) + 2 == len(FAULTS)
    assert all(isinstance(fault, webob.exc.HTTPException) for fault in FAULTS)


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_is_told_of(name):
    assert f'nova-trove-guard {name}' in WHOLE


@pytest.mark.parametrize('page, words', _mentions())
def test_a_command_in_a_sentence_names_what_exists(page, words):
    name = _command(words)
    assert name, f'{page}: there is no such command: {words}'
    given = {word.partition('=')[0] for word in words
             if re.match('-{1,2}[a-z]', word)}
    assert given <= _parser(name)._option_string_actions.keys(), page


@pytest.mark.parametrize('page, words', _command_lines())
def test_a_command_line_can_be_typed_as_it_is(page, words):
    name = _command(words)
    assert name, f'{page}: there is no such command: {words}'
    assert _parser(name).parse_args(words[len(name.split()):])


@pytest.mark.parametrize('tool, group', [
    ('oslo-config-generator', 'oslo.config.opts'),
    ('oslopolicy-sample-generator', 'oslo.policy.policies'),
    ('oslopolicy-policy-generator', 'oslo.policy.enforcer'),
    ('oslopolicy-validator', 'oslo.policy.enforcer')])
def test_a_tool_of_oslo_is_given_a_namespace_that_exists(tool, group):
    names = {name for _, text in _texts() for name in re.findall(
        rf'{tool} .*?--namespace ([a-z_.]+)', text)}
    assert names
    assert names <= importlib.metadata.entry_points(group=group).names


@pytest.mark.parametrize('page', [
    'README.md', 'CONTRIBUTING.md', 'SECURITY.md'])
def test_a_link_in_the_repository_leads_to_a_file(page):
    targets = re.findall(r'\]\(([^)#]+)[^)]*\)', (ROOT / page).read_text())
    assert targets
    assert [target for target in targets
            if not target.startswith('https://')
            and not (ROOT / target).exists()] == []


def test_the_readme_is_short_and_begins_with_audit_mode():
    assert 80 <= README.count('\n') <= 120
    assert 0 < README.find('mode = audit') < README.find('mode = enforce')


@pytest.mark.parametrize('page, link', [
    ('README.md', 'threats/index.rst#which-project-owns-the-servers'),
    ('admin/index.rst', ':ref:`open-by-ownership`'),
    ('trove/index.rst', ':ref:`open-by-ownership`')])
def test_servers_in_trove_s_own_project_are_recommended(page, link):
    text = ' '.join({'README.md': README, **PAGES}[page].split())
    assert re.search("its (own project|\\*\\*own project)", text)
    assert link in text
    assert '\n.. _open-by-ownership:\n\nWhich project owns the servers\n' in (
        PAGES['threats/index.rst'])


def test_the_theme_is_pinned_and_no_other_project_s():
    conf = (SOURCE / 'conf.py').read_text()
    pinned = (ROOT / 'doc/requirements.txt').read_text()
    assert re.findall(r"^html_theme = '(.+)'$", conf, re.M) == ['furo']
    assert re.search('^furo==', pinned, re.M)
    assert 'openstackdocs' not in conf + pinned


def test_every_page_is_in_a_table_of_contents():
    listed = {'index.rst'}
    for page, text in PAGES.items():
        for tree in re.findall(
                r'\.\. toctree::\n(?:   :.*\n)*\n((?:   .+\n)+)', text):
            listed |= {str(pathlib.PurePath(page).parent / f'{name}.rst')
                       for name in tree.split()}
    assert listed == PAGES.keys()


@pytest.mark.parametrize('note', sorted(
    path.name for path in (ROOT / 'releasenotes/notes').glob('*')))
def test_a_release_note_has_a_unique_name(note):
    assert re.fullmatch(r'[a-z-]+-[0-9a-f]{16}\.yaml', note)
