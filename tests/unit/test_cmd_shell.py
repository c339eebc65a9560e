# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard`` itself: what all of its commands have in common."""

import pathlib
import re
import subprocess
import sys

from oslo_config import cfg
import pytest

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd import shell

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
    assert done.returncode == 2


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
        2, '', f'the Python package {package} is not installed here\n')
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


# Without the packages that commands need.

NOVA_CINDER_NEUTRON = ''.join(map(WITHOUT.format, (
    'nova', 'cinder', 'neutron')))
NO_CLIENT = ('Not usable: the Python package {} is not installed here '
             '(pip install "nova-trove-guard[cli]")')


@pytest.mark.parametrize('arguments', [
    ('help',), ('complete',), ('explain', '--help'), ('drift', '--help')])
def test_no_help_needs_a_service(arguments):
    done = run(*arguments, before=NOVA_CINDER_NEUTRON)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'Not usable' not in done.stdout


@pytest.mark.parametrize('package', ['openstack', 'osc_lib', 'troveclient'])
def test_a_command_whose_client_is_missing_says_so(package):
    before = WITHOUT.format(package)
    done = run('help', before=before)
    assert (done.returncode, done.stderr) == (0, '')
    assert f'  drift          {NO_CLIENT.format(package)}\n' in done.stdout
    assert '  paste check    Check ' in done.stdout
    done = run('complete', before=before)
    assert (done.returncode, done.stderr) == (0, '')
    done = run('drift', '--fix', before=before)
    assert (done.returncode, done.stdout, done.stderr) == (
        2, '', f'{NO_CLIENT.format(package)}\n')


def run_script(name, *arguments, before='', **options):
    """Run a console script in a process of its own."""
    return subprocess.run(
        [sys.executable, '-c', f'{before}import sys\n'
         f'from nova_trove_guard.cmd import scripts\n'
         f'sys.exit(scripts.{name}())', *arguments], text=True,
        capture_output=True, **options)


@pytest.mark.parametrize('before, status, complaint', [
    (WITHOUT.format('oslo_upgradecheck'), 2,
     'The Python package oslo_upgradecheck is missing: pip install '
     '"nova-trove-guard[cli]"\n'),
    (NOVA_CINDER_NEUTRON, 0, '')])
def test_the_upgrade_check_starts_or_says_what_is_missing(
        before, status, complaint):
    done = run_script('status', '--help', before=before)
    assert (done.returncode, done.stderr) == (status, complaint)


@pytest.mark.parametrize('content, complaint', [
    (None, 'Is a directory'), (b'x\n', 'No \':\' or \'=\' found'),
    (b'\x80', 'not text in UTF-8')])
def test_the_upgrade_check_says_which_file_it_cannot_read(
        monkeypatch, capsys, tmp_path, content, complaint):
    path = tmp_path
    if content is not None:
        path = tmp_path / 'nova.conf'
        path.write_bytes(content)
    monkeypatch.setattr(sys, 'argv', [
        'nova-trove-guard-status', '--config-file', str(path), 'upgrade',
        'check'])
    assert shell.status() == 255
    errors = capsys.readouterr().err
    assert errors.startswith('nova-trove-guard-status: ')
    assert complaint in errors
    assert errors.count('\n') == 1


# What else can go wrong.

@pytest.mark.parametrize('stream', ['0<&-', '1>&-', '2>&-'])
def test_a_closed_stream_is_an_empty_one(tmp_path, stream):
    path = tmp_path / 'missing'
    done = subprocess.run(
        ['sh', '-c', f'exec "$@" {stream}', 'sh', sys.executable, '-c',
         'import sys\nfrom nova_trove_guard.cmd import scripts\n'
         'sys.exit(scripts.guard())', 'paste', 'check', str(path)],
        text=True, capture_output=True)
    assert done.returncode == 2
    assert done.stderr in ('', f'{path}: No such file or directory\n')


def test_a_reader_that_leaves_ends_the_command_without_a_word():
    process = subprocess.Popen(
        [sys.executable, '-c', f'{RUN}sys.exit(status)', 'complete'],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == ''
    assert process.wait() == 141


@pytest.mark.parametrize('arguments', [
    ('frob',), ('paste', 'frob'), ('help', 'frob'), ('--frob',),
    ('paste', 'check'), ('--log-file', '/', 'help')])
def test_usage_errors_have_one_exit_code(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert not re.search(r"Traceback|\[Errno|\['", done.stdout + done.stderr)


@pytest.mark.parametrize('error, code, text', [
    (outcome.Refused('no'), 2, 'no'), (outcome.Denied('no'), 4, 'no'),
    (outcome.Unavailable('no'), 3, 'no'),
    (FileNotFoundError(2, 'No such file', 'x'), 2, 'x: No such file'),
    (OSError(28, 'No space left'), 2, 'No space left'),
    (ModuleNotFoundError('no', name='nova.api'), 2,
     'the Python package nova is not installed here'),
    (cfg.ConfigFileValueError(
        'Value for option x from LocationInfo(location=<Locations.user: (4, '
        'True)>, detail=\'/etc/nova.conf\') is not valid: y'), 2,
     'Value for option x in /etc/nova.conf is not valid: y'),
    (KeyError('servers'), 70, 'unexpected KeyError: \'servers\'. Please '
     'report it, with what --debug shows.')])
def test_each_error_has_an_exit_code_and_a_text(error, code, text):
    assert (outcome.exit_code(error), outcome.describe(error)) == (code, text)


def test_the_help_has_the_exit_codes():
    output = ' '.join(run('--help').stdout.split())
    for code, meaning in outcome.MEANINGS.items():
        assert f'{code} {meaning}' in output


def test_the_reference_has_the_exit_codes():
    reference = pathlib.Path(__file__).parents[2].joinpath(
        'doc/source/reference/cli.rst').read_text()
    text = ' '.join(reference.split())
    for code, meaning in outcome.MEANINGS.items():
        assert f'* - {code} - {meaning}' in text


@pytest.mark.parametrize('number, text', [
    (0, '0 ports'), (1, '1 port'), (2, '2 ports')])
def test_plurals(number, text):
    assert outcome.count(number, 'port') == text
