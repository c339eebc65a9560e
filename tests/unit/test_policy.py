# SPDX-License-Identifier: Apache-2.0
"""The guard's rules: what they say, who overrides them, and mistakes."""

import io
import os
import pathlib
import subprocess
import sys
import threading
import time

import hypothesis
from nova import context as nova_context
import nova.policies
from oslo_config import cfg
from oslo_policy import _checks as checks
from oslo_policy import opts as policy_opts
from oslo_policy import policy as oslo_policy
import pytest
import yaml

from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core import principals
from nova_trove_guard.core import resources
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import reader
from tests.unit import nova_api
from tests.unit import requests as hostile
from tests.unit import test_differential as differential
from tests.unit import test_filter as filters

PROFILES = pathlib.Path(__file__).parents[2] / 'paste' / 'profiles'
RULES = {rule.name: rule for rule in policies.list_rules()}
MANAGED = f'/v2.1/servers/{nova_api.MANAGED}'
TENANT = ('member', 'reader')
WAIT = 60  # seconds
ADMIN = ('admin', 'manager', 'member', 'reader')
CONSOLE_OUTPUT = ('"trove_guard:os-console-output": '
                  '"rule:trove_guard:trove_admin or '
                  '(role:member and project_id:%(project_id)s)"\n')


@pytest.fixture(scope='module')
def api(load_nova_api, guarded):
    """Return NovaAPI for tests that write its policy file."""
    return load_nova_api(filters.paste(guarded), filters.GUARDED)


@pytest.fixture
def write_policy(api):
    """Return a function that writes the policy file of that NovaAPI."""
    path = api.directory / 'policy.yaml'
    yield path.write_text
    path.write_text('')


# What rules there are.

def test_each_operation_has_a_rule_but_for_what_is_trove_s_alone():
    named = {name.removeprefix('trove_guard:') for name in RULES}
    assert named - {'trove_admin', 'service_api', 'break_glass'} == (
        operations.operations().keys() - {
            operation.name for operation in operations.operations().values()
            if operation.trove_admin_only})


@pytest.mark.parametrize('operation', operations.operations().values(),
                         ids=lambda operation: operation.name)
def test_each_operation_is_judged_by_a_rule_that_is_there(operation):
    assert rules.rule_name(operation) in RULES


def test_by_default_all_is_the_trove_admin_s_and_the_services():
    services = {operation.name
                for operation in operations.operations().values()
                if operation.used_by_services}
    documented = {name.removeprefix('trove_guard:'): rule
                  for name, rule in RULES.items()
                  if isinstance(rule, oslo_policy.DocumentedRuleDefault)}
    assert {rule.check_str for name, rule in documented.items()
            if name not in services} == {'rule:trove_guard:trove_admin'}
    assert {rule.check_str for name, rule in documented.items()
            if name in services} == {'rule:trove_guard:service_api'}


def documented_calls():
    """Yield (operation's name, method, path) of what the rules document."""
    for name, rule in RULES.items():
        for call in getattr(rule, 'operations', ()):
            if '*' not in call['method']:
                yield (name.removeprefix('trove_guard:'), call['method'],
                       call['path'])


@pytest.mark.parametrize('name, method, path', documented_calls())
def test_documented_calls_are_what_the_guard_takes_them_for(
        name, method, path):
    path, _, action = path.partition(' (')
    body = b'{"%s": null}' % action.removesuffix(')').encode()
    if name == 'os-volumes-attachments:swap':
        body = b'{"volumeAttachment": {"volumeId": "another"}}'
    call = reader.read({
        'REQUEST_METHOD': method, 'QUERY_STRING': '', 'PATH_INFO': path,
        'CONTENT_LENGTH': str(len(body)), 'wsgi.input': io.BytesIO(body)})
    assert call.operation.name == name


# Overrides.

def test_an_operation_is_opened_to_the_owner_without_a_restart(
        api, write_policy):
    def ask(**who):
        return api.ask('POST', MANAGED + '/action',
                       json={'os-getConsoleOutput': {}},
                       token=api.token(*TENANT, **who))

    assert ask().status_int == 403
    write_policy(CONSOLE_OUTPUT)
    ask()
    assert [dispatch.method for dispatch in api.dispatched] == [
        'get_console_output']
    answer = ask(project_id=nova_api.OTHER_PROJECT)
    assert answer.status_int == 404
    assert api.dispatched == []
    write_policy('')
    assert ask().status_int == 403


@pytest.mark.parametrize('rule, passes', [
    ('user_id:%(user_id)s', False),
    (f"'{nova_api.USER}':%(user_id)s", True),
    (f"'{nova_api.MANAGED}':%(server_id)s", True),
    (f"'{nova_api.DATABASE_INSTANCE}':%(database_instance)s", True),
    ('rule:project_member_api', True),
    ('rule:os_compute_api:servers:stop', True),
    ('rule:context_is_admin', False)])
def test_a_rule_may_ask_for_the_server_and_refer_to_nova_s(
        api, write_policy, rule, passes):
    write_policy(f'"trove_guard:servers:stop": "{rule}"\n')
    api.ask('POST', MANAGED + '/action', json={'os-stop': None},
            token=api.token(*TENANT))
    assert bool(api.dispatched) is passes


@pytest.mark.parametrize('token', [
    {}, {'user_domain_id': 'evil'},
    {'project_domain_id': 'evil', 'project_id': nova_api.OTHER_PROJECT},
    {'project_id': None, 'domain_id': 'evil'},
    {'project_id': None, 'is_of_system': True}, {'is_admin_project': False}],
    ids=str)
@pytest.mark.parametrize('roles', [TENANT, ('admin', 'Member')], ids=str)
@pytest.mark.parametrize('service', [
    None, {'user_domain_id': 'services', 'project_domain_id': 'services'}])
def test_a_rule_knows_of_the_principal_what_nova_knows(
        api, monkeypatch, roles, token, service):
    """Behind a "not", what is not known lets pass."""
    seen = []

    def judge(enforcer, principal):
        made = enforcement.Judge(principal, enforcer._enforcer.snapshot)
        # oslo.policy adds its older name for the system's scope.
        made._credentials.pop('system', None)
        seen.append(dict(made._credentials))
        return made

    real = nova_context.RequestContext.from_environ

    def from_environ(environ, **more):
        context = real(environ, **more)
        seen.append(dict(context.to_policy_values()))
        return context

    monkeypatch.setattr(enforcement.Enforcer, 'judge', judge)
    monkeypatch.setattr(
        nova_context.RequestContext, 'from_environ', from_environ)
    service_token = service and api.token('service', **service)
    api.ask('DELETE', MANAGED, token=api.token(*roles, **token),
            service_token=service_token)
    nova_s, guard_s = seen
    if service_token and 'is_of_system' in token:
        # The scope of the service token takes its place in the header that
        # Nova reads (keystonemiddleware.auth_token._request); the guard reads
        # the user's token.
        assert nova_s.pop('system_scope') is None
        assert guard_s.pop('system_scope') == 'all'
    assert guard_s == nova_s


@pytest.mark.parametrize('rule, token', [
    ('not user_domain_id:evil', {'user_domain_id': 'evil'}),
    ('not project_domain_id:evil', {'project_domain_id': 'evil'}),
    ('not domain_id:evil', {'project_id': None, 'domain_id': 'evil'}),
    ('not system_scope:all', {'project_id': None, 'is_of_system': True}),
    ('not is_admin_project:False', {'is_admin_project': False}),
    ('is_admin_project:True', {'is_admin_project': False}),
    ('not is_admin:True', {'roles': ('admin',)})])
def test_a_not_keeps_out_whom_it_names(api, write_policy, rule, token):
    write_policy(f'"trove_guard:servers:delete": "{rule}"\n')
    roles = token.pop('roles', TENANT)
    api.ask('DELETE', MANAGED, token=api.token(*roles, **token))
    assert api.dispatched == []
    api.ask('DELETE', MANAGED, token=api.token(*TENANT))
    assert len(api.dispatched) == 1


ATTACH = {'volumeAttachment': {'volumeId': nova_api.VOLUME}}


@pytest.mark.parametrize('server, project_id, passes', [
    (nova_api.MANAGED, nova_api.PROJECT, True),
    (nova_api.FREE, nova_api.PROJECT, True),
    (nova_api.OTHERS, nova_api.PROJECT, False),
    (nova_api.OTHERS, nova_api.OTHER_PROJECT, False)])
def test_each_server_that_is_named_must_be_allowed(
        api, write_policy, server, project_id, passes):
    """One is in the path, and another has the volume in the body."""
    write_policy('"trove_guard:os-volumes-attachments:create": '
                 '"project_id:%(project_id)s"\n')
    api.ask('POST', f'/v2.1/servers/{server}/os-volume_attachments',
            json=ATTACH, token=api.token(*TENANT, project_id=project_id))
    assert bool(api.dispatched) is passes


def test_a_service_call_is_opened_by_what_its_server_is_too(
        api, write_policy):
    write_policy('"trove_guard:os-server-external-events:create": '
                 '"project_id:%(project_id)s"\n')
    for project_id, passes in ((nova_api.PROJECT, True),
                               (nova_api.OTHER_PROJECT, False)):
        api.ask('POST', '/v2.1/os-server-external-events',
                json=filters.EVENTS,
                token=api.token('admin', project_id=project_id))
        assert bool(api.dispatched) is passes


@pytest.mark.parametrize('server_id, passes', [
    (nova_api.MANAGED, False), (nova_api.FREE, True)])
def test_a_service_rule_that_speaks_of_the_server_waits_for_it(
        api, write_policy, server_id, passes):
    """What is false of no server is true behind a "not"."""
    write_policy('"trove_guard:os-server-external-events:create": '
                 '"not project_id:%(project_id)s"\n')
    api.ask('POST', '/v2.1/os-server-external-events', json={
        'events': [{'name': 'network-changed', 'server_uuid': server_id}]},
        token=api.token('admin'))
    assert bool(api.dispatched) is passes


def test_the_trove_admin_may_whatever_a_rule_says(api, write_policy):
    write_policy('"trove_guard:servers:delete": "!"\n')
    api.ask('DELETE', MANAGED, token=api.token('trove_admin'))
    assert len(api.dispatched) == 1


# All is open, but for one thing.

@pytest.mark.parametrize('body', [
    b'', b'{', b'{}', b'{"os-stop": null, "lock": null}', b'["os-stop"]'])
def test_what_can_t_be_read_is_refused_whatever_the_rules(
        api, write_policy, body):
    write_policy('"trove_guard:unknown": "@"\n"trove_guard:servers:stop": '
                 '"@"\n"trove_guard:os-lock-server:lock": "@"\n')
    answer = api.ask('POST', MANAGED + '/action', params=body,
                     token=api.token(*TENANT))
    assert answer.status_int == 400
    assert api.dispatched == []


METADATA = ('servers:rebuild', 'server-metadata:create',
            'server-metadata:update', 'server-metadata:delete')
OPEN_METADATA = ''.join(f'"trove_guard:{name}": "@"\n' for name in METADATA)
KEY = nova_api.METADATA_KEY


@pytest.mark.parametrize('method, path, body', [
    ('PUT', '/metadata', {'metadata': {}}),
    ('PUT', '/metadata', {'metadata': {'a': 'b'}}),
    ('POST', '/metadata', {'metadata': {KEY.upper(): 'x'}}),
    ('PUT', f'/metadata/{KEY} ', {'meta': {f'{KEY} ': 'x'}}),
    ('DELETE', f'/metadata/{KEY}', None),
    ('DELETE', f'/metadata/{KEY}%0A', None),
    ('DELETE', f'/metadata/{KEY.title()}', None),
    ('DELETE', f'/metadata/{KEY}%20', None),
    ('GET', f'/metadata/{KEY}?_method=DELETE', None),
    ('POST', '/action', {'rebuild': {'metadata': {}}}),
    ('POST', '/action', {'rebuild': {'metadata': {'a': 'b'}}}),
    ('POST', '/action', {'rebuild': {'metadata': None}}),
    ('POST', '/action', {'rebuild': {'metadata': {KEY: 'x'}}})])
def test_no_rule_opens_the_marker(api, write_policy, method, path, body):
    write_policy(OPEN_METADATA)
    answer = api.ask(method, MANAGED + path, json=body,
                     token=api.token(*TENANT))
    assert answer.status_int == 403
    assert api.dispatched == []
    api.ask(method, MANAGED + path, json=body, token=api.token('trove_admin'))
    assert len(api.dispatched) == 1


@pytest.mark.parametrize('method, path, body', [
    ('POST', '/metadata', {'metadata': {'a': 'b'}}),
    ('POST', '/metadata', {'metadata': []}),
    ('PUT', '/metadata/a', {'meta': {'a': 'b'}}),
    ('DELETE', '/metadata/a', None),
    ('POST', '/action', {'rebuild': {}}),
    ('POST', '/action', {'rebuild': None})])
def test_a_rule_opens_other_metadata(api, write_policy, method, path, body):
    write_policy(OPEN_METADATA)
    api.ask(method, MANAGED + path, json=body, token=api.token(*TENANT))
    assert len(api.dispatched) == 1


@differential.settings
@hypothesis.given(request=hostile.requests())
def test_nothing_else_gets_through_by_a_generous_rule(opened, request):
    *_, dispatches = differential.send(
        opened, request(opened.token(*TENANT)))
    hypothesis.note(hostile.describe(request))
    assert {(dispatch.controller, dispatch.method)
            for dispatch in differential.mutations(dispatches)} <= {
        ('ConsoleOutputController', 'get_console_output')}


@pytest.fixture(scope='module')
def opened(load_nova_api, guarded):
    """Return NovaAPI with one action open to the owner."""
    return load_nova_api(filters.paste(guarded), filters.GUARDED,
                         policy=CONSOLE_OUTPUT)


# Mistakes.

MISTAKES = {
    'bad YAML': ('}\n', 'policy.yaml'),
    'a rule that is not there':
        ('"trove_guard:servers:delte": "!"\n',
         'there is no rule trove_guard:servers:delte; '
         'trove_guard:servers:delete?'),
    'a rule for the marker':
        ('"trove_guard:servers:create": "@"\n',
         'there is no rule trove_guard:servers:create'),
    'a reference to nothing':
        ('"trove_guard:servers:delete": "rule:nobody"\n',
         'trove_guard:servers:delete refers to rule:nobody, which does '
         'not exist'),
    'a reference to nothing behind a not':
        ('"trove_guard:servers:delete": "not (role:a or rule:nobody)"\n',
         'trove_guard:servers:delete refers to rule:nobody, which does '
         'not exist'),
    'a reference to nothing in a rule that is referred to':
        ('"a": "rule:nobody"\n"trove_guard:servers:delete": "rule:a"\n',
         'a refers to rule:nobody, which does not exist'),
    'a reference to nothing where a default rule is':
        ('"default": "@"\n"trove_guard:servers:delete": "rule:nobody"\n',
         'trove_guard:servers:delete refers to rule:nobody, which does '
         'not exist'),
    'a circle':
        ('"a": "rule:b"\n"b": "not rule:a"\n'
         '"trove_guard:servers:delete": "rule:a"\n',
         'trove_guard:servers:delete -> a -> b -> a is a circular reference'),
    'a rule that is itself':
        ('"trove_guard:servers:stop": "rule:trove_guard:servers:stop"\n',
         'trove_guard:servers:stop -> trove_guard:servers:stop is a circular '
         'reference'),
    'no value':
        ('"trove_guard:servers:delete":\n',
         'trove_guard:servers:delete is empty'),
    'an empty value':
        ('"trove_guard:servers:delete": ""\n',
         'trove_guard:servers:delete is empty'),
    'no text': ('"trove_guard:servers:delete": []\n', 'is empty'),
    'what is no check':
        ('"trove_guard:servers:delete": "not nobody"\n',
         'trove_guard:servers:delete can\'t be parsed: not nobody'),
    'bad grammar':
        ('"trove_guard:servers:delete": "role:a or or role:b"\n',
         'can\'t be parsed'),
    'an end that is no time':
        ('"trove_guard:servers:delete": "not until:tomorrow"\n',
         'trove_guard:servers:delete: until:tomorrow is not a time with a '
         'time zone'),
    'a mistake in who is an admin':
        ('"context_is_admin": "rule:nobody"\n',
         'context_is_admin refers to rule:nobody, which does not exist'),
    'no rules at all': ('- a\n', 'policy.yaml'),
    'a kind of check that is none':
        ('"trove_guard:servers:delete": "not user_domian_id:evil"\n',
         'trove_guard:servers:delete: unknown attribute user_domian_id in '
         'user_domian_id:evil; user_domain_id?'),
    'a misspelt role':
        ('"trove_guard:servers:delete": "not rolle:reader"\n',
         'unknown attribute rolle in rolle:reader; role?'),
    'what is known of no server':
        ('"trove_guard:servers:delete": "not project_id:%(projectid)s"\n',
         'trove_guard:servers:delete: unknown name %(projectid)s in '
         'project_id:%(projectid)s; known are '
         'database_instance, project_id, server_id, user_id'),
    'what is known of no server in a role':
        ('"trove_guard:servers:delete": "not role:%(role)s"\n',
         'unknown name %(role)s in role:%(role)s'),
    'what is known of no server in a rule that is referred to':
        ('"a": "project_id:%(target.project.id)s"\n'
         '"trove_guard:servers:delete": "not rule:a"\n',
         'a: unknown name %(target.project.id)s in '
         'project_id:%(target.project.id)s'),
    'half a name of a server\'s':
        ('"trove_guard:servers:delete": "not project_id:%(project_id"\n',
         'malformed %(...)s in project_id:%(project_id'),
    'a mistake in break-glass':
        ('"trove_guard:break_glass": '
         '"not user:evil and until:3000-01-01T00:00:00Z"\n',
         'unknown attribute user in user:evil'),
}
EACH_MISTAKE = pytest.mark.parametrize('text, complaint', MISTAKES.values(),
                                       ids=MISTAKES)


@EACH_MISTAKE
def test_a_mistake_keeps_nova_from_starting(
        load_nova_api, guarded, text, complaint):
    with pytest.raises(enforcement.PolicyUnreadable) as error:
        load_nova_api(filters.paste(guarded), filters.GUARDED, policy=text)
    assert complaint in str(error.value)


@EACH_MISTAKE
def test_a_mistake_refuses_everybody_until_it_is_mended(
        load_nova_api, guarded, caplog, text, complaint):
    api = load_nova_api(filters.paste(guarded), filters.GUARDED)
    path = api.directory / 'policy.yaml'
    path.write_text(text)
    for roles in TENANT, ['trove_admin']:
        answer = api.ask('DELETE', MANAGED, token=api.token(*roles))
        assert answer.status_int == 503
        assert api.dispatched == []
        assert complaint in caplog.text
        caplog.clear()
    path.write_text('')
    api.ask('DELETE', MANAGED, token=api.token('trove_admin'))
    assert len(api.dispatched) == 1


@pytest.mark.parametrize('text', [
    '"os_compute_api:servers:delete": "rule:nobody"\n',
    '"a": "rule:b"\n"b": "rule:a"\n', '"a":\n',
    '"trove_guard:servers:delete": "rule:a"\n"a": "@"\n',
    '"trove_guard:servers:delete": "role:a and not (role:b or !)"\n',
    '"trove_guard:servers:delete": "not until:2020-01-01T00:00Z"\n'])
def test_what_is_no_mistake_of_the_guard_s_rules_is_none(conf, text):
    (conf.directory / 'policy.yaml').write_text(text)
    policies.enforcer(conf)


@pytest.fixture
def conf(tmp_path):
    """Return a ConfigOpts of its own, with a policy file."""
    (tmp_path / 'nova.conf').write_text(
        f'[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n')
    conf = cfg.ConfigOpts()
    conf(['--config-file', f'{tmp_path}/nova.conf'])
    conf.__dict__['directory'] = tmp_path
    return conf


def test_nobody_is_judged_by_rules_that_are_half_read(
        conf, principal, monkeypatch):
    """oslo.policy has the file's rules for a moment, without the defaults."""
    path = conf.directory / 'policy.yaml'
    path.write_text('"a": "!"\n')
    enforcer = policies.enforcer(conf)
    judging, half, go_on = (threading.Event() for _ in range(3))
    judge = checks.RoleCheck.__call__
    set_rules = oslo_policy.Enforcer.set_rules

    def judge_meanwhile(*arguments):
        judging.set()
        assert half.wait(WAIT)
        return judge(*arguments)

    def set_half(*arguments, **named):
        set_rules(*arguments, **named)
        half.set()
        go_on.wait(WAIT)

    monkeypatch.setattr(checks.RoleCheck, '__call__', judge_meanwhile)
    monkeypatch.setattr(oslo_policy.Enforcer, 'set_rules', set_half)
    answers = []

    def ask():
        answers.append(enforcer.judge(principal('trove_admin')).may(
            operations.UNKNOWN, SERVER))

    judged, reads = threading.Thread(target=ask), threading.Thread(target=ask)
    judged.start()
    assert judging.wait(WAIT)
    os.utime(path, (0, path.stat().st_mtime + 1))
    reads.start()
    judged.join()
    go_on.set()
    reads.join()
    assert answers == [True, True]


@pytest.fixture
def principal():
    """Return a maker of Principals with some roles."""
    return lambda *roles: principals.Principal(
        'user', nova_api.PROJECT, roles)


def may_delete(enforcer, principal):
    """Return whether anybody with a role may delete a managed server."""
    return enforcer.judge(principal('anybody')).may(
        operations.operations()['servers:delete'], SERVER)


SERVER = resources.ManagedResource(
    policies.KIND, nova_api.MANAGED, nova_api.PROJECT, nova_api.USER,
    nova_api.DATABASE_INSTANCE)


OPEN = '"trove_guard:servers:delete": "role:anybody"\n'


def test_a_change_of_the_file_counts_at_once(conf, principal):
    path = conf.directory / 'policy.yaml'
    path.write_text('')
    enforcer = policies.enforcer(conf)
    for number, text in enumerate((OPEN, '', OPEN, ''), 1):
        path.write_text(text)
        os.utime(path, (0, time.time() + number))
        assert may_delete(enforcer, principal) is bool(text)
    path.write_text(OPEN)
    os.utime(path, (0, time.time() + 9))
    assert may_delete(enforcer, principal)
    path.unlink()
    assert not may_delete(enforcer, principal)


def test_what_is_new_in_a_directory_counts_a_second_later(
        conf, principal, monkeypatch):
    (conf.directory / 'policy.yaml').write_text('')
    (conf.directory / 'policy.d').mkdir()
    policy_opts._register(conf)
    conf.set_override('policy_dirs', [str(conf.directory / 'policy.d')],
                      'oslo_policy')
    now = 1000
    monkeypatch.setattr(enforcement.time, 'monotonic', lambda: now)
    enforcer = policies.enforcer(conf)
    assert not may_delete(enforcer, principal)
    (conf.directory / 'policy.d' / 'more.yaml').write_text(OPEN)
    now += enforcement.SECONDS_BETWEEN_SEARCHES
    assert may_delete(enforcer, principal)


def test_files_are_searched_for_once_a_second(conf, principal, monkeypatch):
    (conf.directory / 'policy.yaml').write_text('')
    now, reads = 1000, []
    load = oslo_policy.Enforcer.load_rules
    monkeypatch.setattr(enforcement.time, 'monotonic', lambda: now)
    monkeypatch.setattr(oslo_policy.Enforcer, 'load_rules',
                        lambda self: self.use_conf and reads.append(now) or
                        load(self))
    enforcer = policies.enforcer(conf)
    for now in (1000.5, 1001.2, 1001.8, 1002.5):  # noqa: B007 - by the clock
        may_delete(enforcer, principal)
    # The first was before it was known which file it is.
    assert reads == [1000, 1000.5, 1001.8]


def test_a_judge_judges_by_the_rules_of_one_moment(conf, principal):
    path = conf.directory / 'policy.yaml'
    path.write_text('')
    enforcer = policies.enforcer(conf)
    before = enforcer.judge(principal('anybody'))
    path.write_text(OPEN)
    os.utime(path, (2e9, 2e9))
    assert may_delete(enforcer, principal)
    assert not before.may(
        operations.operations()['servers:delete'], SERVER)


# Profiles.

@pytest.mark.parametrize('profile', sorted(PROFILES.glob('*.yaml')),
                         ids=lambda profile: profile.stem)
def test_a_profile_is_in_order(conf, profile):
    text = profile.read_text()
    assert text.startswith('# ')
    (conf.directory / 'policy.yaml').write_text(text)
    policies.enforcer(conf)
    nova_s = {rule.name: rule for rule in nova.policies.list_rules()}
    overridden = yaml.safe_load(text)
    referred = {word.strip('()') for check in overridden.values()
                for word in check.split()}
    for name in overridden:
        known = RULES.get(name) or nova_s.get(name)
        if known is None:
            # A name of the profile's own.
            assert f'rule:{name}' in referred
        else:
            assert not known.deprecated_for_removal
        if name.startswith('trove_guard:'):
            assert 'rule:trove_guard:trove_admin' in overridden[name]


@pytest.mark.parametrize('roles, action, status, dispatched', [
    (ADMIN, {'lock': {'locked_reason': 'new disks'}}, 202, ['_lock']),
    (ADMIN, {'unlock': None}, 202, ['_unlock']),
    (ADMIN, {'os-stop': None}, 403, []),
    (TENANT, {'lock': None}, 403, []),
    (TENANT, {'unlock': None}, 403, [])], ids=str)
def test_cloud_admins_lock_a_server_for_maintenance(
        api, write_policy, roles, action, status, dispatched):
    def ask():
        return api.ask('POST', MANAGED + '/action', json=action,
                       token=api.token(*roles),
                       headers={'OpenStack-API-Version': 'compute 2.73'})

    assert ask().status_int == 403
    write_policy((PROFILES / 'maintenance-lock.yaml').read_text())
    assert ask().status_int == status
    assert [dispatch.method for dispatch in api.dispatched] == dispatched


# oslo.policy's command line tools.

def run(tool, *arguments):
    """Run a command line tool of the environment."""
    return subprocess.run(
        [pathlib.Path(sys.executable).with_name(tool), *arguments],
        capture_output=True, text=True)


@pytest.fixture
def options(conf):
    """Return the options that tell a tool what to work on."""
    (conf.directory / 'policy.yaml').write_text(CONSOLE_OUTPUT)
    return ('--namespace', 'nova_trove_guard', '--config-file',
            str(conf.directory / 'nova.conf'))


def test_the_policy_generator_writes_what_is_in_force(options):
    written = yaml.safe_load(run('oslopolicy-policy-generator',
                                 *options).stdout)
    assert written['trove_guard:os-console-output'].endswith(
        '(role:member and project_id:%(project_id)s)')
    assert written['trove_guard:servers:delete'] == (
        'rule:trove_guard:trove_admin')


TOKEN = ('{"token": {"roles": [{"name": "%s"}], "user": {"id": "u"}, '
         '"project": {"id": "p"}}}')


@pytest.mark.parametrize('role, verdict', [
    ('admin', 'passed'), ('member', 'failed')])
def test_the_checker_judges_break_glass_too(conf, options, role, verdict):
    (conf.directory / 'policy.yaml').write_text(
        '"trove_guard:break_glass": "role:admin and until:3000-01-01T00Z"\n')
    whole, access = conf.directory / 'whole.yaml', conf.directory / 'token'
    run('oslopolicy-policy-generator', *options, '--output-file', str(whole))
    access.write_text(TOKEN % role)
    done = run('oslopolicy-checker', '--policy', str(whole), '--access',
               str(access), '--rule', rules.BREAK_GLASS)
    assert done.stdout == f'{verdict}: {rules.BREAK_GLASS}\n'


def test_the_validator_is_content(options):
    done = run('oslopolicy-validator', *options)
    assert (done.returncode, done.stdout) == (0, '')


@pytest.mark.parametrize('mistake', [
    'a rule that is not there', 'a reference to nothing',
    'a rule that is itself', 'bad grammar'])
def test_the_validator_finds_a_mistake(conf, options, mistake):
    (conf.directory / 'policy.yaml').write_text(MISTAKES[mistake][0])
    assert run('oslopolicy-validator', *options).returncode == 1
