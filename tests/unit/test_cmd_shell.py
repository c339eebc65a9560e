# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard`` itself: what all of its commands have in common."""

import subprocess
import sys

import pytest

RUN = ('import sys\n'
       'from nova_trove_guard.cmd import shell\n'
       'status = shell.main(sys.argv[1:])\n')
WITHOUT = 'import sys\nsys.modules["{}"] = None\n'


def run(*arguments, before='', after=''):
    """Run the command line in a process of its own.

    :param before: code to run before
    :param after: code to run after it, with its exit code in `status`
    :returns: subprocess.CompletedProcess
    """
    return subprocess.run(
        [sys.executable, '-c', f'{before}{RUN}{after}sys.exit(status)',
         *arguments], text=True, capture_output=True,
        stdin=subprocess.DEVNULL)


@pytest.mark.parametrize('arguments', [
    (), ('--debug',), ('--quiet',), ('--help',), ('help',)])
def test_no_command_is_a_call_for_help(arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert 'paste insert' in done.stdout


@pytest.mark.parametrize('command', [
    'bootstrap', 'drift', 'explain', 'paste check', 'paste insert',
    'paste remove', 'report'])
def test_no_command_tells_operators_what_is_for_developers(command):
    done = run(*command.split(), '--help')
    assert (done.returncode, done.stderr) == (0, '')


def test_nor_does_the_upgrade_check():
    done = subprocess.run(
        [sys.executable, '-c', 'from nova_trove_guard.cmd import shell; '
         'shell.status()', '--help'], text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'upgrade' in done.stdout


def test_no_more_is_imported_than_the_command_needs():
    loaded = 'nova', 'openstack', 'troveclient'
    done = run('paste', 'check', 'missing', after=(
        f'print([name for name in {loaded} if name in sys.modules])\n'))
    assert done.stdout == '[]\n'
    assert done.returncode == 3


def test_drift_needs_neither_nova_nor_trove():
    done = run('drift', '--help', after=(
        'print([name for name in ("nova", "trove") '
        'if name in sys.modules])\n'))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '[]'


@pytest.mark.parametrize('service, package, other', [
    ('compute', 'nova', 'cinder'), ('volume', 'cinder', 'nova')])
def test_only_what_needs_a_service_fails_without_it(service, package, other):
    command = 'explain', '--service', service, 'GET', '/', '--unmanaged'
    done = run(*command, before=WITHOUT.format(package))
    assert (done.returncode, done.stdout, done.stderr) == (
        3, '', f'the Python package {package} is not installed here\n')
    done = run(*command, before=WITHOUT.format(other))
    assert done.returncode == 0, done.stderr
    done = run('help', before=WITHOUT.format(package))
    assert done.returncode == 0
    assert '  drift ' in done.stdout


def test_any_text_can_be_told_in_any_locale(monkeypatch, tmp_path):
    monkeypatch.setenv('PYTHONIOENCODING', 'ascii')
    path = tmp_path / 'api-paste.ini'
    path.write_text(
        '[pipeline:\xfc\u2713]\npipeline = authtoken keystonecontext app\n'
        '[filter:authtoken]\nuse = egg:keystonemiddleware#auth_token\n'
        '[filter:keystonecontext]\nuse = call:nova.api.auth:'
        'NovaKeystoneContext.factory\n', encoding='utf-8')
    done = run('paste', 'check', '-f', 'value', str(path))
    assert (done.returncode, done.stderr) == (1, '')
    assert 'pipeline:\\xfc\\u2713 2 missing' in done.stdout


@pytest.mark.parametrize('arguments, told', [
    (('--jobs', '0'), 'invalid choice: 0 (choose from 1, 2'),
    (('--jobs', 'many'), 'invalid int value: \'many\''),
    (('--ignore', 'unlokked'),
     'invalid choice: \'unlokked\' (choose from \'unlocked\', ')])
def test_a_wrong_value_is_told_with_the_right_ones(arguments, told):
    done = run('drift', *arguments)
    assert done.returncode == 2
    assert told in done.stderr
