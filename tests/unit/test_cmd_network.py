# SPDX-License-Identifier: Apache-2.0
"""What the commands make of Neutron, in a process of its own.

Neutron changes oslo.policy and SQLAlchemy for all others in its process.
"""

from concurrent import futures
import contextlib
import io
import json
import multiprocessing
import types
from unittest import mock

from keystoneauth1 import exceptions
import pytest

from tests.unit import pastes

PORT, PLAIN_PORT, GROUP, BOUND, PLAIN_GROUP, RULE, FLOATING_IP, NOWHERE = (
    f'5e5e5e5e-1111-4111-8111-{number:012}' for number in range(8))
INSTANCE = 'dbdbdbdb-0000-4000-8000-000000000001'
TAG = f'trove_instance_id_{INSTANCE}'
OWNER = ('--role', 'member', '--project-id', 'p')


@pytest.fixture(scope='module')
def process():
    """Return a function that calls functions of this module elsewhere."""
    with futures.ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn')) as pool:
        yield lambda *call: pool.submit(*call).result()


# Neutron's API.

def shown(path):
    """Return what Neutron shows an admin, None for nothing."""
    by_group = '/v2.0/ports?security_groups='
    if path.startswith(by_group):
        return {'ports': [
            {'id': PORT, 'tags': ['x', TAG]}] if path.endswith(BOUND) else [
            {'id': PLAIN_PORT, 'tags': ['x']}]}
    port = {'project_id': 'p', 'network_id': 'network'}
    group = {'project_id': 'p'}
    return {
        f'/v2.0/ports/{PORT}': {'port': port | {
            'id': PORT, 'tags': ['x', TAG.upper()]}},
        f'/v2.0/ports/{PLAIN_PORT}': {'port': port | {
            'id': PLAIN_PORT, 'tags': ['trove']}},
        f'/v2.0/security-groups/{GROUP}': {'security_group': group | {
            'id': GROUP, 'tags': [TAG]}},
        f'/v2.0/security-groups/{BOUND}': {'security_group': group | {
            'id': BOUND, 'tags': []}},
        f'/v2.0/security-groups/{PLAIN_GROUP}': {'security_group': group | {
            'id': PLAIN_GROUP, 'tags': []}},
        '/v2.0/networks/network': {'network': {'project_id': 'q'}},
    }.get(path)


def get(path):
    """Answer a read of Neutron's API."""
    answer = shown(path)
    if answer is None:
        raise exceptions.NotFound()
    return types.SimpleNamespace(json=lambda: answer)


def find(kind, identifier):
    """Return what Neutron shows of a resource: (kind, id, ...), or None."""
    from nova_trove_guard.cmd import wings
    wing = wings.load('network')
    return [each and (each.kind, each.id, each.project_id,
                      each.database_instance.lower(), set(each.shown_to))
            for each in wing.shown.find[kind](
                types.SimpleNamespace(get=get), identifier,
                'trove_instance_id')]


@pytest.mark.parametrize('kind, identifier, found', [
    ('port', PORT, [('port', PORT, 'p', INSTANCE, {'q'})]),
    ('port', PLAIN_PORT, [None]), ('port', NOWHERE, []),
    ('security_group', GROUP, [('security_group', GROUP, 'p', INSTANCE,
                                set())]),
    ('security_group', BOUND, [('security_group', BOUND, 'p', INSTANCE,
                                set())]),
    ('security_group', PLAIN_GROUP, [None]),
    ('security_group', NOWHERE, [])])
def test_neutron_is_asked_for_ports_and_groups(
        process, kind, identifier, found):
    assert process(find, kind, identifier) == found


# explain

def explain(*arguments):
    """Run explain: (exit status, dict, errors)."""
    from oslo_config import cfg

    from nova_trove_guard.cmd.explain import command
    from nova_trove_guard.cmd import shell

    output, errors = io.StringIO(), io.StringIO()
    with (mock.patch.object(cfg, 'CONF', cfg.ConfigOpts()),
          mock.patch.object(command.Explain, 'connect'),
          mock.patch.object(command, '_api', lambda connection, service: (
              types.SimpleNamespace(get=get))),
          contextlib.redirect_stdout(output),
          contextlib.redirect_stderr(errors)):
        status = shell.main(['explain', '-f', 'json', '--service', 'network',
                             *arguments])
    text = output.getvalue()
    return status, json.loads(text) if text else None, errors.getvalue()


RULES = ('POST', '/v2.0/security-group-rules', '--body')


def opening(group):
    """Return the body of a rule that opens a security group."""
    return json.dumps({'security_group_rule': {
        'security_group_id': group, 'direction': 'ingress'}})


@pytest.mark.parametrize('path', ['/ports/{}', '/v2.0/ports/{}.json'])
def test_a_managed_port(process, path):
    status, told, errors = process(
        explain, 'DELETE', path.format(PORT), *OWNER)
    assert status == 0, errors
    assert told == told | {
        'operation': 'network:delete_port', 'guarded': True,
        'rule': 'trove_guard:network:delete_port', 'decision': 'refused',
        'resource': PORT, 'status': 403}
    assert told['message'].startswith(f'Port {PORT} is managed')


@pytest.mark.parametrize('group, decision', [
    (GROUP, 'refused'), (BOUND, 'refused'), (PLAIN_GROUP, 'not_managed'),
    (NOWHERE, 'not_managed')])
def test_a_rule_is_its_group_s(process, group, decision):
    told = process(explain, *RULES, opening(group), *OWNER)[1]
    assert told['decision'] == decision
    if decision == 'refused':
        assert told['message'].startswith(f'Security group {group} is ')


@pytest.mark.parametrize('project, is_told', [
    ('p', True), ('q', True), ('r', False)])
def test_who_owns_the_network_sees_the_guard(process, project, is_told):
    told = process(explain, 'DELETE', f'/ports/{PORT}', '--role', 'member',
                   '--project-id', project)[1]
    assert told['decision'] == 'refused'
    assert ('is managed' in told['message']) is is_told


@pytest.mark.parametrize('path, kind, message', [
    (f'/floatingips/{FLOATING_IP}', 'floating ip',
     'Port <port> is managed by Trove'),
    (f'/security-group-rules/{RULE}', 'security group rule',
     'Security group <security_group> is managed by Trove'),
    (f'/x/{PORT}', 'anything', 'Port <port> is managed by Trove')])
def test_what_leads_to_a_port_or_group_must_be_told(
        process, path, kind, message):
    status, _, errors = process(explain, 'DELETE', path, *OWNER)
    assert status == 2
    assert (f'does not name a port or security group itself ({kind}): give '
            f'--managed or --unmanaged') in errors
    told = process(explain, 'DELETE', path, *OWNER, '--managed', INSTANCE)[1]
    assert told['decision'] == 'refused'
    assert told['message'].startswith(message)
    told = process(explain, 'DELETE', path, *OWNER, '--unmanaged')[1]
    assert (told['decision'], told['status'], told['why']) == (
        'not_managed', 'Neutron\'s own',
        'no resource that it acts on is managed')


def test_the_words_are_those_of_neutron(process):
    assert process(explain, 'PUT', f'/v2.0/networks/{NOWHERE}', *OWNER)[1][
        'why'] == ('the guard passes it: it is a plain read, or names no '
                   'resource')


def test_the_policy_and_the_mode_are_those_of_neutron_conf(process, tmp_path):
    (tmp_path / 'neutron.conf').write_text(
        '[trove_guard]\nmode = audit\ntrove_managed_instances = true\n'
        f'[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n')
    (tmp_path / 'policy.yaml').write_text(
        '"trove_guard:network:delete_port": "rule:admin_only"\n')
    how = ('--config-file', str(tmp_path / 'neutron.conf'))
    told = process(explain, *RULES, opening(GROUP), *OWNER, *how)[1]
    assert (told['decision'], told['guard_is_on']) == ('would_refuse', True)
    told = process(explain, 'DELETE', f'/ports/{PORT}', '--role', 'admin',
                   *how)[1]
    assert told['decision'] == 'allowed'
    assert told['check'].startswith(
        'trove_guard:network:delete_port: rule:admin_only\nadmin_only: ')


def test_the_api_paste_ini_is_of_neutron(process):
    arguments = 'DELETE', f'/ports/{PORT}', *OWNER, '--paste-file'
    assert process(
        explain, *arguments, str(pastes.INSTALLED['neutron']))[0] == 0
    status, _, errors = process(
        explain, *arguments, str(pastes.INSTALLED['cinder']))
    assert status == 2
    assert 'is not an api-paste.ini of Neutron' in errors


# The upgrade check

def advice(*files):
    """Return what the check of ML2's options says of configuration files."""
    from oslo_config import cfg

    from nova_trove_guard.cmd import wings
    conf = cfg.ConfigOpts()
    conf([], project='neutron', default_config_files=files,
         default_config_dirs=[])
    advise, = wings.load('network').advice.values()
    return advise(conf)


@pytest.mark.parametrize('text, is_warning', [
    ('[ml2]\nextension_drivers = port_security\n', True),
    ('[ml2]\nmechanism_drivers = ovn\n', True),
    ('[ml2]\nextension_drivers = qos, tag_ports_during_bulk_creation\n',
     False),
    ('', False)])
@pytest.mark.parametrize('where', [
    'plugins/ml2/ml2_conf.ini', 'neutron.conf', 'elsewhere.ini'])
def test_ml2_should_store_the_tags_of_new_ports(
        process, tmp_path, where, text, is_warning):
    (tmp_path / 'plugins/ml2').mkdir(parents=True)
    (tmp_path / 'neutron.conf').touch()
    (tmp_path / where).write_text(text)
    files = [str(tmp_path / 'neutron.conf')]
    if where == 'elsewhere.ini':
        # It can't be known.
        assert process(advice, *files) is None
        files.append(str(tmp_path / where))
    complaint = process(advice, *files)
    assert ('tag_ports_during_bulk_creation' in (complaint or '')) is (
        is_warning)


def test_without_a_configuration_nothing_is_known_of_ml2(process):
    assert process(advice) is None
