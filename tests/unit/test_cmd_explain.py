# SPDX-License-Identifier: Apache-2.0
"""``explain`` says what the guard does: held against the filter itself."""

import io
import json
import pathlib
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
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core import principals
from nova_trove_guard.nova import policies
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
        'the guard has no say in it: it is a plain read, or names no server')


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


def test_an_unmanaged_server_and_the_trove_admin(run):
    assert run(*DELETE, '--unmanaged')[1]['decision'] == 'not_managed'
    told = run(*DELETE, '--managed', '--service-role', 'trove_admin')[1]
    assert (told['decision'], told['status']) == ('allowed', 'Nova\'s own')


def test_the_api_paste_ini_is_of_the_service(run):
    status, _, errors = run(*DELETE, '--managed', '--paste-file', str(
        pastes.INSTALLED['cinder']))
    assert (status, errors) == (
        2, f'{pastes.INSTALLED["cinder"]} is not of Nova\n')


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
    (('--token-from', 'env:NO_SUCH'), 'no variable NO_SUCH'),
    (('--service-token-from', '-'), 'nothing without'),
    (('--token-from', '-', '--role', 'x'), 'the token tells')])
def test_what_is_refused(run, arguments, told):
    status, _, errors = run(*DELETE, '--managed', *arguments)
    assert status == 2
    assert told in errors


@pytest.mark.parametrize('path', ['servers/x', '/servers/\xfc', '//[x/y'])
def test_what_is_no_path_is_refused(run, path):
    status, _, errors = run('DELETE', path, '--managed')
    assert status == 2
    assert errors.startswith(f'{path} is no path: ')


def test_a_body_is_none_of_the_client_s_options(run):
    # Nobody listens there: it fails, but not because of the body's braces.
    status, _, errors = run(
        'POST', f'/servers/{nova_api.MANAGED}/action', '--body',
        '{"lock": null}', '--os-auth-url', 'http://127.0.0.1:9/v3',
        '--os-username', 'x', '--os-password', 'x', '--os-project-name', 'x')
    assert status == 3
    assert errors == (
        'http://127.0.0.1:9/v3 is unreachable: Connection refused\n')


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
