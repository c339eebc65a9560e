# SPDX-License-Identifier: Apache-2.0
"""``explain`` says what the guard does: held against the filter itself."""

import io
import json
import pathlib
import subprocess
import sys
import types

import hypothesis
from oslo_config import cfg
import pytest
import webob

from nova_trove_guard.cmd.explain import command
from nova_trove_guard.cmd.explain import lookups
from nova_trove_guard.cmd.explain import verdicts
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd import shell
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import decisions
from nova_trove_guard.core import documents
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core import principals
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import surface
from tests.unit import nova_api
from tests.unit import pastes
from tests.unit import requests as hostile

WING = wings.load('compute')
OWNER = ('member', 'reader')
NOVA_S_OWN = None

ROLES = {'owner': OWNER, 'reader': ('reader',), 'admin': ('admin', *OWNER),
         'trove admin': ('trove_admin', *OWNER), 'service': ('service',)}


def principal(who, project_id=nova_api.PROJECT):
    return principals.Principal('the-user', project_id, ROLES[who])


@pytest.fixture(scope='session')
def enforcer(guarded):
    """Return the Enforcer with the configuration of the guarded Nova."""
    return policies.enforcer(cfg.CONF)


class Looking:
    """Stands in for Nova's API: the servers of nova_api."""

    @staticmethod
    def get(path):
        from keystoneauth1 import exceptions
        server_id = path.removeprefix('/servers/')
        if server_id == nova_api.BROKEN:
            raise exceptions.InternalServerError()
        if server_id not in nova_api.SERVERS:
            raise exceptions.NotFound()
        return types.SimpleNamespace(json=lambda: {'server': {
            'id': server_id, 'tenant_id': nova_api.project(server_id),
            'user_id': nova_api.USER,
            'metadata': nova_api.metadata(server_id)}})


def looked_up():
    """Return the servers as Nova's API shows them."""
    return lookups.LookedUp(
        {'compute': Looking}.__getitem__, WING, nova_api.METADATA_KEY)


def explained(enforcer, environ, who, servers=None, **how):
    """Return the Verdict on a request."""
    return verdicts.verdict(
        environ | verdicts.token_auth(principal(who, **how)), WING,
        options.settings(cfg.CONF, {}, 'nova'), enforcer,
        servers or looked_up())


def environ(method, path, body=None):
    """Return the WSGI environ of a request."""
    request = webob.Request.blank(path, method=method)
    if body is not None:
        request.json = body
    return request.environ


SERVERS = (nova_api.MANAGED, nova_api.FREE, nova_api.OTHERS,
           nova_api.MISSING, nova_api.BROKEN)
REQUESTS = [
    ('GET', '/servers/{}', None), ('DELETE', '/servers/{}', None),
    ('GET', '/servers/{}?_method=DELETE', None),
    ('PUT', '/servers/{}', {'server': {'name': 'x'}}),
    ('POST', '/servers/{}/action', {'reboot': {'type': 'HARD'}}),
    ('POST', '/servers/{}/action', {'createImage': {'name': 'x'}}),
    ('POST', '/servers/{}/action', {'someday': None}),
    ('POST', '/servers/{}/action', {'lock': None, 'unlock': None}),
    ('POST', '/servers/{}/action',
     {'rebuild': {'metadata': {nova_api.METADATA_KEY: 'x'}}}),
    ('POST', '/servers/{}/metadata',
     {'metadata': {nova_api.METADATA_KEY: 'x'}}),
    ('POST', '/servers/{}/metadata', {'metadata': {'a': 'b'}}),
    ('PUT', '/servers/{}/metadata', {'metadata': {}}),
    ('DELETE', f'/servers/{{}}/metadata/{nova_api.METADATA_KEY}', None),
    ('GET', '/servers/{}/os-server-password', None),
    ('POST', '/servers', {'server': {'metadata': {
        nova_api.METADATA_KEY: 'x'}}}),
    ('POST', '/servers', {'server': {'name': 'x'}}),
    ('GET', '/servers/detail', None),
    ('GET', '/flavors', None), ('GET', '/nonsense', None),
    ('POST', '/os-server-external-events',
     {'events': [{'server_uuid': nova_api.MANAGED, 'name': 'x'}]}),
    ('POST', '/os-server-external-events', {'events': 7}),
]


def assert_same(verdict, answer, dispatched):
    """Assert that a Verdict is what the guarded Nova answered."""
    if verdict.status is NOVA_S_OWN:
        assert 'Trove' not in answer.text
        assert (dispatched or answer.status_int >= 400 or
                answer.status_int in (200, 202, 204, 300, 302))
        return
    assert not dispatched
    assert answer.status_int == verdict.status
    fault, = answer.json.values()
    assert fault['message'] == verdict.message


@pytest.mark.parametrize('who', ROLES)
@pytest.mark.parametrize('server', SERVERS)
@pytest.mark.parametrize('method, path, body', REQUESTS)
def test_it_says_what_the_filter_does(
        guarded, enforcer, who, server, method, path, body):
    path = '/v2.1' + path.format(server)
    answer = guarded.ask(method, path, json=body,
                         token=guarded.token(*ROLES[who]))
    verdict = explained(enforcer, environ(method, path, body), who)
    assert_same(verdict, answer, guarded.dispatched)
    assert verdict.why


@hypothesis.settings(
    max_examples=400, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(request=hostile.requests(),
                  who=hypothesis.strategies.sampled_from(sorted(ROLES)))
def test_it_says_what_the_filter_does_with_hostile_requests(
        guarded, enforcer, request, who):
    # Who hangs up gets no answer, and which version is meant by no path
    # Nova's urlmap alone knows.
    hypothesis.assume(not request.is_cut_short)
    hypothesis.assume(request.environ['PATH_INFO'].startswith('/v2'))
    # oslo.middleware's cors, up in the pipeline, answers some of these.
    hypothesis.assume(request.environ['REQUEST_METHOD'] != 'OPTIONS')
    # What a volume leads to can't be looked up.
    hypothesis.assume(hostile.VOLUME not in str(request.body) +
                      request.environ['PATH_INFO'] +
                      request.environ['QUERY_STRING'])
    hypothesis.note(hostile.describe(request))
    guarded.dispatched.clear()
    answer = webob.Request(request(guarded.token(*ROLES[who])))
    try:
        answer = answer.get_response(guarded.app)
    except Exception:
        # It passes all of Nova's filters.
        hypothesis.reject()
    verdict = explained(enforcer, request('none'), who)
    if verdict.status is None:
        assert b'managed by Trove' not in answer.body
        assert b'only Trove may write it' not in answer.body
    else:
        assert not guarded.dispatched
        assert answer.status_int == verdict.status
        assert verdict.message.encode() in answer.body.replace(
            b'\\"', b'"') or answer.status_int in (404, 400)


# Why

@pytest.mark.parametrize('method, path, body, who, why', [
    ('GET', '/servers/{}', None, 'owner', verdicts.NO_SAY),
    ('DELETE', '/servers/{}', None, 'owner', verdicts._NO_RULE),
    ('DELETE', '/servers/{}', None, 'trove admin',
     verdicts._TROVE_ADMIN),
    ('POST', '/servers/{}/metadata',
     {'metadata': {nova_api.METADATA_KEY: 'x'}}, 'admin',
     verdicts._MARKER),
    ('POST', '/os-server-external-events',
     {'events': [{'server_uuid': nova_api.MANAGED}]}, 'service',
     verdicts._RULE),
    ('POST', '/servers/{}/action', {'a': 1, 'b': 2}, 'owner',
     verdicts._REFUSALS[400]),
])
def test_why(enforcer, method, path, body, who, why):
    verdict = explained(
        enforcer, environ(method, path.format(nova_api.MANAGED), body), who)
    assert verdict.why == verdicts.worded(why, WING)


def test_the_words_are_those_of_the_service(enforcer):
    verdict = explained(enforcer, environ('GET', '/flavors'), 'owner')
    assert verdict.why == (
        'the guard passes it: it is a plain read, or names no server')


def test_a_body_that_the_guard_does_not_parse_is_explained(enforcer):
    verdict = explained(enforcer, environ(
        'POST', f'/v2.1/servers/{nova_api.MANAGED}/action',
        {'os-stop': [[]] * documents.MAX_CONTAINERS}), 'owner')
    assert verdict.status == 413
    assert 'too many lists and objects' in verdict.why
    assert 'too many lists and objects' in verdict.message


def test_why_others_do_not_see_it(enforcer):
    verdict = explained(
        enforcer, environ('DELETE', f'/servers/{nova_api.MANAGED}'), 'owner',
        project_id=nova_api.OTHER_PROJECT)
    assert verdict.why == verdicts.worded(verdicts._REFUSALS[404], WING)
    assert (verdict.status, verdict.decision.fault.explanation) == (
        None, f'Instance {nova_api.MANAGED} could not be found.')


def test_why_it_is_not_managed(enforcer):
    verdict = explained(
        enforcer, environ('DELETE', f'/servers/{nova_api.FREE}'), 'owner')
    assert (verdict.why, verdict.decision.outcome, verdict.status) == (
        'no server that it acts on is managed',
        decisions.Outcome.NOT_MANAGED, None)
    # What would judge it, were it managed.
    assert verdict.rule == 'trove_guard:servers:delete'


def test_every_outcome_is_told():
    assert {outcome for outcome, _ in verdicts._PASSES} == set(
        decisions.Outcome) - {
            decisions.Outcome.REFUSED, decisions.Outcome.WOULD_REFUSE,
            # There is no answer here from which anything could be taken.
            decisions.Outcome.REDACTED}


def test_checks_are_followed(guarded):
    assert verdicts.checks('trove_guard:servers:delete', WING) == {
        'trove_guard:servers:delete': f'rule:{rules.TROVE_ADMIN}',
        rules.TROVE_ADMIN:
            '(role:trove_admin or service_roles:trove_admin)'}


# What Nova does not have.

ITEM = f'/servers/{nova_api.MANAGED}'


@pytest.mark.parametrize('method, path, body', [
    ('GET', '/nothing', None), ('POST', '/nothing', {}),
    ('DELETE', '/servers', None), ('GET', f'{ITEM}/nothing', None),
    ('PUT', f'{ITEM}/action', {}), ('POST', '/0123/nothing', {}),
    ('DELETE', '/servers/detail/nothing', None), ('PATCH', '/flavors', {}),
    ('PATCH', ITEM, {})])
def test_a_route_that_nova_does_not_have_is_called_so(
        guarded, enforcer, method, path, body):
    answer = guarded.ask(method, f'/v2.1{path}', json=body,
                         token=guarded.token('trove_admin', *OWNER))
    assert answer.status_int in (404, 405)
    verdict = explained(enforcer, environ(method, path, body), 'trove admin')
    assert verdict.no_route == f'{method} {path}'
    assert verdict.why.startswith(f'Nova has no route {method} {path}')
    assert verdict.status is None


def test_a_route_that_nobody_has_is_all_that_is_said(enforcer):
    assert explained(enforcer, environ('FROB', '/nothing'), 'owner').why == (
        'Nova has no route FROB /nothing')


@pytest.mark.parametrize('path', ['', '/'])
def test_the_root_of_the_api_is_a_route(enforcer, path):
    assert explained(
        enforcer, environ('GET', f'/v2.1{path}'), 'owner').no_route is None


def test_nova_has_its_routes(guarded, enforcer):
    for route, methods in surface.nova_routes():
        path = route.replace('{', '').replace('}', '')
        for prefix in ('', '/0123abcd'):
            assert not WING.routes.lack(environ(methods, prefix + path)), route


def test_a_route_that_is_not_there_is_still_refused(enforcer):
    verdict = explained(enforcer, environ('PATCH', ITEM, {}), 'owner')
    assert (verdict.status, verdict.why) == (
        403, f'Nova has no route PATCH {ITEM}; {verdicts._NO_RULE}')


@pytest.mark.parametrize('action, guess', [
    ('resizee', ' (did you mean resize?)'),
    ('createimage', ' (did you mean createImage?)'), ('xyz', '')])
def test_a_misspelt_action_is_called_by_its_name(enforcer, action, guess):
    verdict = explained(
        enforcer, environ('POST', f'{ITEM}/action', {action: {}}), 'owner')
    assert verdict.call.operation.name == 'unknown'
    assert verdict.why == (
        f'Nova has no action {action!r}, as far as the guard knows{guess}; '
        f'{verdicts._NO_RULE}')


@pytest.mark.parametrize('body', [{'a': 1, 'b': 2}, [], {}])
def test_a_body_without_one_action_has_no_name(enforcer, body):
    verdict = explained(
        enforcer, environ('POST', f'{ITEM}/action', body), 'owner')
    assert 'no action' not in verdict.why


# Servers

@pytest.mark.parametrize('path, body', [
    ('/v2.1/os-volumes/{}', None), ('/os-floating-ips/{}', None)])
def test_what_leads_to_a_server_must_be_told(enforcer, path, body):
    servers = looked_up()
    explained(enforcer, environ('DELETE', path.format(nova_api.VOLUME)),
              'owner', servers)
    assert isinstance(servers.error, outcome.Refused)
    verdict = explained(
        enforcer, environ('DELETE', path.format(nova_api.VOLUME)), 'owner',
        lookups.Given(
            WING.shown, True, nova_api.PROJECT, None, 'an-instance'))
    assert verdict.status == 403


# The command line

@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Return a function that runs explain: (exit status, dict, errors)."""
    monkeypatch.setattr(cfg, 'CONF', cfg.ConfigOpts())
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            status = shell.main(['explain', '-f', 'json', *arguments])
        except SystemExit as error:
            status = error.code
        output, errors = capsys.readouterr()
        return status, json.loads(output) if output else None, errors

    return run


DELETE = ('DELETE', f'/v2.1/servers/{nova_api.MANAGED}', '--project-id', 'p')


def test_a_managed_server(run):
    status, told, errors = run(*DELETE, '--managed', 'inst', '--role',
                               'member')
    assert status == 0, errors
    assert told == told | {
        'operation': 'servers:delete', 'guarded': True,
        'rule': 'trove_guard:servers:delete', 'decision': 'refused',
        'server': nova_api.MANAGED, 'database_instance': 'inst',
        'status': 403}
    assert told['message'].startswith(f'Server {nova_api.MANAGED} is managed')


def test_a_body_that_the_guard_does_not_parse(run, tmp_path):
    body = tmp_path / 'body.json'
    body.write_text(json.dumps(
        {'os-stop': [[]] * documents.MAX_CONTAINERS}))
    status, told, errors = run(
        'POST', f'/v2.1/servers/{nova_api.MANAGED}/action', '--body',
        f'@{body}', '--project-id', 'p', '--managed', 'inst', '--role',
        'member')
    assert status == 0, errors
    assert (told['decision'], told['status']) == ('too_large', 413)


def test_an_unmanaged_server_and_the_trove_admin(run):
    assert run(*DELETE, '--unmanaged')[1]['decision'] == 'not_managed'
    told = run(*DELETE, '--managed', '--service-role', 'trove_admin')[1]
    assert (told['decision'], told['status']) == ('allowed', 'Nova\'s own')


def test_the_api_paste_ini_is_of_the_service(run):
    status, _, errors = run(*DELETE, '--managed', '--paste-file', str(
        pastes.INSTALLED['cinder']))
    assert (status, errors) == (
        2, f'{pastes.INSTALLED["cinder"]} is not an api-paste.ini of Nova\n')


def test_the_policy_and_the_mode_are_those_of_nova_conf(run, tmp_path):
    conf = tmp_path / 'nova.conf'
    conf.write_text('[trove_guard]\nmode = audit\n'
                    'trove_managed_instances = true\n[oslo_policy]\n'
                    f'policy_file = {tmp_path}/policy.yaml\n')
    (tmp_path / 'policy.yaml').write_text(
        '"trove_guard:servers:reboot": "role:member"\n')
    how = ('--config-file', str(conf), '--managed', '--role', 'member')
    told = run(*DELETE, *how)[1]
    assert (told['decision'], told['status'], told['guard_is_on']) == (
        'would_refuse', 'Nova\'s own', True)
    assert 'is managed by Trove' in told['message']
    (tmp_path / 'body').write_text('{"reboot": {"type": "SOFT"}}')
    told = run('POST', f'/servers/{nova_api.MANAGED}/action', '--body',
               f'@{tmp_path}/body', *how)[1]
    assert (told['operation'], told['decision'], told['check']) == (
        'servers:reboot', 'allowed',
        'trove_guard:servers:reboot: role:member')


OFF = 'The guard is off in Nova: trove_managed_instances in [trove_guard] of '


@pytest.mark.parametrize('text, note', [
    ('', f'{OFF}{{}} is false. This is what it would decide.\n'),
    ('[trove_guard]\ntrove_managed_instances = true\n', '')])
@pytest.mark.parametrize('where', ['--config-file', 'home'])
def test_a_guard_that_is_off_is_said_first(
        run, monkeypatch, tmp_path, text, note, where):
    conf = tmp_path / '.nova' / 'nova.conf'
    conf.parent.mkdir()
    conf.write_text(text)
    how = ('--config-file', str(conf))
    if where == 'home':
        # One of the places where oslo.config looks for it.
        monkeypatch.setenv('HOME', str(tmp_path))
        how = ()
    status, told, errors = run(*DELETE, '--managed', *how)
    assert (status, errors) == (0, note.format(conf))
    assert told['decision'] == 'refused'
    assert told['guard_is_on'] is (not note)


def test_without_a_configuration_one_is_asked_for(run):
    status, told, errors = run(*DELETE, '--managed')
    assert (status, told['guard_is_on']) == (0, False)
    assert errors == (
        'No nova.conf was found, so the guard is off in Nova. This is what '
        'it would decide with its default policy: name the configuration of '
        'nova-api with --config-file.\n')


@pytest.mark.parametrize('text, complaint', [
    (None, 'Failed to find some config files: {}. Name the configuration of '
           'nova-api with --config-file\n'),
    ('[trove_guard', 'Failed to parse {}'),
    (..., '{}: Is a directory. Name the configuration of '),
    ('[trove_guard]\nmode = adit', '{}: [trove_guard] mode is not valid: ')])
def test_a_configuration_that_can_t_be_read_is_refused(
        run, tmp_path, text, complaint):
    conf = tmp_path / 'nova.conf'
    if text is ...:
        conf.mkdir()
    elif text:
        conf.write_text(text)
    status, told, errors = run(
        *DELETE, '--managed', '--config-file', str(conf))
    assert (status, told) == (2, None)
    assert errors.startswith(complaint.format(conf))
    assert errors.count('\n') == 1


SLOW = {
    'compute': ('nova.context', 'nova.api.openstack.compute', 'sqlalchemy',
                'keystonemiddleware.auth_token'),
    'volume': ('cinder.service', 'cinder.context', 'sqlalchemy', 'os_brick'),
    # neutron itself imports neutron_lib.db, and with it sqlalchemy.
    'network': ('neutron.conf.plugins.ml2.config', 'neutron.manager',
                'keystonemiddleware.auth_token'),
}


@pytest.mark.parametrize('service', SLOW)
def test_what_takes_long_to_import_is_left_out(service):
    done = subprocess.run(
        [sys.executable, '-c',
         'import sys\nfrom nova_trove_guard.cmd import shell\n'
         'status = shell.main(sys.argv[2:])\n'
         'print(*(set(sys.argv[1].split(",")) & set(sys.modules)))\n'
         'sys.exit(status)', ','.join(SLOW[service]), 'explain',
         '--service', service, 'DELETE', '/x', '--managed',
         '-f', 'value', '-c', 'guard_is_on'], text=True, capture_output=True)
    assert (done.returncode, done.stdout) == (0, 'False\n\n'), done.stderr


def test_a_mistake_in_the_policy_is_told(run, tmp_path):
    (tmp_path / 'nova.conf').write_text(
        f'[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n')
    (tmp_path / 'policy.yaml').write_text(
        '"trove_guard:servers:delet": "role:member"\n')
    status, told, errors = run(*DELETE, '--managed', '--config-file',
                               str(tmp_path / 'nova.conf'))
    assert (status, told) == (2, None)
    assert 'trove_guard:servers:delet' in errors


@pytest.mark.parametrize('arguments, told', [
    (('--token-from', 'env:NO_SUCH'), 'the variable NO_SUCH is not set'),
    (('--service-token-from', '-'), 'needs --token-from'),
    (('--token-from', '-', '--role', 'x'), 'leave out --user-id and --role')])
def test_what_is_refused(run, arguments, told):
    status, _, errors = run(*DELETE, '--managed', *arguments)
    assert status == 2
    assert told in errors


@pytest.mark.parametrize('path', ['servers/x', '/servers/\xfc', '//[x/y'])
def test_what_is_no_path_is_refused(run, path):
    status, _, errors = run('DELETE', path, '--managed')
    assert status == 2
    assert errors.startswith(f'{path} is not a path: ')


def test_a_body_is_none_of_the_client_s_options(run):
    # Nobody listens there: it fails, but not because of the body's braces.
    status, _, errors = run(
        'POST', f'/servers/{nova_api.MANAGED}/action', '--body',
        '{"lock": null}', '--os-auth-url', 'http://127.0.0.1:9/v3',
        '--os-username', 'x', '--os-password', 'x', '--os-project-name', 'x')
    assert status == 3
    assert errors.endswith(
        '\nhttp://127.0.0.1:9/v3 is unreachable: Connection refused\n')


def test_a_token_comes_from_where_others_do_not_see_it(
        monkeypatch, tmp_path):
    monkeypatch.setenv('A_TOKEN', 'one')
    path = pathlib.Path(tmp_path / 'token')
    path.write_text('two\n')
    path.chmod(0o600)
    assert [command._secret(source, io.StringIO('three\n')) for source in (
        'env:A_TOKEN', str(path), '-')] == ['one', 'two', 'three']
    path.chmod(0o644)
    with pytest.raises(outcome.Refused):
        command._secret(str(path))
