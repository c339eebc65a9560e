# SPDX-License-Identifier: Apache-2.0
"""``explain --service volume`` says what the guard in Cinder does."""

import json
import types
from unittest import mock

from cinder.compute import nova
from cinder import exception
from cinder import policy
from keystoneauth1 import exceptions
from oslo_config import cfg
import pytest
import webob

from nova_trove_guard.cinder import lookup
from nova_trove_guard.cinder import operations
from nova_trove_guard.cinder import policies
from nova_trove_guard.cmd.explain import lookups
from nova_trove_guard.cmd.explain import verdicts
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd import shell
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import deadline
from nova_trove_guard.core import options
from nova_trove_guard.core import principals
from nova_trove_guard.core.reports import metrics
from tests.unit.cinder import cinder_api as api
from tests.unit.cinder import loading
from tests.unit import pastes

WING = wings.load('volume')
WHO = {
    'owner': {'roles': ('member', 'reader')},
    'admin': {'roles': ('admin', 'member', 'reader')},
    'trove admin': {'roles': ('trove_admin',)},
    'nova': {'roles': ('member',), 'service_roles': ('service',)},
    'stranger': {'roles': ('member',), 'project_id': api.OTHER_PROJECT}}
OWN, PLAIN, BROKEN, NOWHERE = (
    f'5e5e5e5e-1111-4111-8111-{number:012}' for number in range(4))


@pytest.fixture(autouse=True)
def servers(monkeypatch):
    """Have Nova know the server of the managed volume, and a plain one."""
    def get_server(nova, context, server_id, privileged_user=False,
                   timeout=None):
        assert privileged_user
        if server_id == BROKEN:
            raise exception.APITimeout(service='Nova')
        if server_id not in (OWN, PLAIN):
            raise exception.ServerNotFound(uuid=server_id)
        return types.SimpleNamespace(metadata={
            api.METADATA_KEY: api.DATABASE_INSTANCE
        } if server_id == OWN else {})

    monkeypatch.setattr(nova.API, 'get_server', get_server)


class Evidence(lookup.CinderLookup):
    """The lookup and the proof of the guard itself."""

    def __init__(self):
        super().__init__(api.METADATA_KEY, metrics.Off(), deadline.Deadline())
        self.confirm = WING.confirm(api.METADATA_KEY)


@pytest.fixture(scope='module')
def enforcer(cinder):
    """Return the Enforcer with the configuration of that Cinder."""
    return policies.enforcer(loading.conf)


def explained(enforcer, method, path, body, who, evidence=None):
    """Return the Verdict on a request."""
    request = webob.Request.blank(path, method=method)
    if body is not None:
        request.json = body
    how = {'project_id': api.PROJECT} | WHO[who]
    principal = principals.Principal(
        api.USER, how['project_id'], how['roles'],
        'service' if 'service_roles' in how else None,
        how.get('service_roles', ()))
    return verdicts.verdict(
        request.environ | verdicts.token_auth(principal), WING,
        options.settings(loading.conf, {}, 'cinder'), enforcer,
        evidence or Evidence())


def requests():
    """Yield (method, path, body) of each Target of each operation."""
    for operation, method, path in operations.documented():
        if method == '*':
            method, path = 'PATCH', path.replace('*', 'unheard_of')
        for which in (api.MANAGED, api.FREE):
            for target, where, body in api.requests(operation, path, which):
                if target.kind != 'image':
                    yield pytest.param(
                        method, where,
                        body if method in ('POST', 'PUT') else None,
                        id=f'{operation.name}-{target.kind}-{where}')


@pytest.mark.parametrize('who', WHO)
@pytest.mark.parametrize('method, path, body', requests())
def test_it_says_what_the_filter_does(
        cinder, enforcer, method, path, body, who):
    answer = cinder.ask(method, path, body, **WHO[who])
    verdict = explained(enforcer, method, f'/v3{path}', body, who)
    assert verdict.why
    if verdict.status is None:
        assert cinder.dispatched or answer.status_int in (404, 405) or (
            # Cinder's own words, for what must not be seen.
            verdict.decision.absent and answer.status_int == 403)
        return
    assert not cinder.dispatched
    assert answer.status_int == verdict.status
    fault, = answer.json.values()
    assert fault['message'] == verdict.message


@pytest.mark.parametrize('path', [
    '/volumes/{}', '/v3/volumes/{}', f'/v3/{api.PROJECT}/volumes/{{}}.json'])
def test_a_path_is_read_with_and_without_its_version(enforcer, path):
    verdict = explained(
        enforcer, 'DELETE', path.format(api.MANAGED['volume']), None, 'owner')
    assert verdict.call.operation.name == 'volume:delete'
    assert verdict.status == 403


@pytest.mark.parametrize('path', ['/v3/types', '/v3/volumes/detail'])
def test_the_words_are_those_of_cinder(enforcer, path):
    assert explained(enforcer, 'GET', path, None, 'owner').why == (
        'the guard passes it: it is a plain read, or names no volume')


# A call that needs proof.

def attached(enforcer, server_id, evidence=None, who='nova'):
    """Return the Verdict on an attachment of the managed volume."""
    return explained(enforcer, 'POST', '/attachments', {'attachment': {
        'volume_uuid': api.MANAGED['volume'],
        'instance_uuid': server_id}}, who, evidence)


def test_the_volume_s_own_server_is_proof(enforcer):
    verdict = attached(enforcer, OWN)
    assert verdict.status is None
    assert verdict.why.startswith('the rule lets the principal pass, and ')


def test_another_server_is_no_proof(enforcer):
    verdict = attached(enforcer, PLAIN)
    assert verdict.status == 403
    assert verdict.why == ('the rule does not let the principal pass, or it '
                           'is not for the volume\'s own server')


def test_what_is_given_is_taken_for_granted(enforcer):
    given = lookups.Given(
        WING.shown, True, api.PROJECT, api.USER, api.DATABASE_INSTANCE)
    assert attached(enforcer, PLAIN, given).status is None
    assert attached(enforcer, PLAIN, given, 'owner').status == 403


# Volumes as Cinder's API shows them.

class Looking:
    """Stands in for Cinder's API, with a managed volume and a plain one."""

    @staticmethod
    def get(path):
        volume_id = path.removeprefix('/volumes/')
        if volume_id not in (api.MANAGED['volume'], api.FREE['volume']):
            raise exceptions.NotFound()
        return types.SimpleNamespace(json=lambda: {'volume': {
            'id': volume_id, 'user_id': api.USER,
            'os-vol-tenant-attr:tenant_id': api.PROJECT,
            'metadata': {api.METADATA_KEY: api.DATABASE_INSTANCE}
            if volume_id == api.MANAGED['volume'] else {}}})


@pytest.fixture
def looked_up():
    """Return the volumes as Cinder's API shows them."""
    return lookups.LookedUp(
        {'block-storage': Looking}.__getitem__, WING, api.METADATA_KEY)


@pytest.mark.parametrize('volume_id, outcome', [
    (api.MANAGED['volume'], 'refused'), (api.FREE['volume'], 'not_managed'),
    (NOWHERE, 'not_found')])
def test_cinder_is_asked_for_the_volume(
        enforcer, looked_up, volume_id, outcome):
    verdict = explained(enforcer, 'DELETE', f'/v3/volumes/{volume_id}', None,
                        'owner', looked_up)
    assert looked_up.error is None
    assert verdict.decision.outcome == outcome


def test_nova_is_asked_for_the_server(enforcer, looked_up):
    assert attached(enforcer, OWN, looked_up).status is None
    assert attached(enforcer, PLAIN, looked_up).status == 403
    attached(enforcer, BROKEN, looked_up)
    assert isinstance(looked_up.error, exception.APITimeout)


def test_what_leads_to_a_volume_must_be_told(enforcer, looked_up):
    explained(enforcer, 'DELETE', f'/v3/backups/{api.MANAGED["backup"]}',
              None, 'owner', looked_up)
    assert isinstance(looked_up.error, outcome.Refused)
    assert ('does not name a volume itself (backup): give '
            in str(looked_up.error))


# The command line.

@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Return a function that runs explain: (exit status, dict, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with mock.patch.object(cfg, 'CONF', cfg.ConfigOpts()):
            status = shell.main(['explain', '-f', 'json', '--service',
                                 'volume', *arguments])
        output, errors = capsys.readouterr()
        return status, json.loads(output) if output else None, errors

    return run


UPLOAD = ('POST', f'/v3/volumes/{api.MANAGED["volume"]}/action', '--body',
          '{"os-volume_upload_image": {}}', '--role', 'member',
          '--project-id', 'p')


def test_a_managed_volume(run):
    status, told, errors = run(*UPLOAD, '--managed', 'inst')
    assert status == 0, errors
    assert told == told | {
        'operation': 'volume:upload_image', 'guarded': True,
        'rule': 'trove_guard:volume:upload_image', 'decision': 'refused',
        'volume': api.MANAGED['volume'], 'database_instance': 'inst',
        'status': 403}
    assert told['message'].startswith(
        f'Volume {api.MANAGED["volume"]} is managed')


def test_an_unmanaged_volume(run):
    told = run(*UPLOAD, '--unmanaged')[1]
    assert (told['decision'], told['status'], told['why']) == (
        'not_managed', 'Cinder\'s own',
        'no volume that it acts on is managed')


def test_whose_volume_it_is(run):
    told = run(*UPLOAD, '--managed', '--volume-project-id', 'q')[1]
    assert 'as if it did not exist' in told['why']


MANAGE = ('POST', '/os-volume-manage', '--body', json.dumps({'volume': {
    'ref': {'source-name': f'volume-{api.MANAGED["volume"]}'}}}),
    '--role', 'member', '--project-id', 'p', '--managed')


def test_what_cinder_s_own_rule_refuses(run):
    told = run(*MANAGE)[1]
    assert (told['decision'], told['status'], told['why']) == (
        'service_refuses', 'Cinder\'s own',
        'Cinder\'s own rule refuses it: the guard does not look up the '
        'volumes')


def test_who_is_an_admin_by_cinder_s_own_rule(cinder, enforcer):
    file = cinder.directory / 'policy.yaml'
    file.write_text('"context_is_admin": "role:reader"\n')
    policy.reset()
    try:
        verdict = explained(
            enforcer, 'POST', '/os-volume-manage',
            {'volume': {'ref': api.MANAGED['volume']}}, 'owner')
    finally:
        file.write_text('')
        policy.reset()
    assert verdict.status == 403
    assert verdict.rule == 'trove_guard:volume:manage'


def test_the_policy_and_the_mode_are_those_of_cinder_conf(run, tmp_path):
    (tmp_path / 'cinder.conf').write_text(
        '[trove_guard]\nmode = audit\ntrove_managed_instances = true\n'
        f'[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n')
    (tmp_path / 'policy.yaml').write_text(
        '"trove_guard:volume:extend": "rule:admin_api"\n')
    how = ('--config-file', str(tmp_path / 'cinder.conf'), '--managed')
    told = run(*UPLOAD, *how)[1]
    assert (told['decision'], told['guard_is_on']) == ('would_refuse', True)
    told = run('POST', f'/volumes/{api.MANAGED["volume"]}/action', '--body',
               '{"os-extend": {}}', '--role', 'admin', *how)[1]
    assert (told['operation'], told['decision']) == (
        'volume:extend', 'allowed')
    assert told['check'].startswith(
        'trove_guard:volume:extend: rule:admin_api\nadmin_api: ')


def test_the_api_paste_ini_is_of_cinder(run):
    assert run(*UPLOAD, '--managed', '--paste-file',
               str(pastes.INSTALLED['cinder']))[0] == 0
    status, _, errors = run(*UPLOAD, '--managed', '--paste-file',
                            str(pastes.INSTALLED['installed']))
    assert status == 2
    assert 'is not an api-paste.ini of Cinder' in errors


@pytest.mark.parametrize('who, why', [
    ('owner', 'it passes, and what the rule does not let the principal see of '
              'managed volumes is removed from the response'),
    ('nova', 'the rule lets the principal pass'),
    ('trove admin', 'the principal is the Trove admin')])
def test_the_detailed_list_of_attachments_is_explained(enforcer, who, why):
    verdict = explained(enforcer, 'GET', '/attachments/detail', None, who)
    assert verdict.status is None
    assert verdict.why == why
    assert verdict.rule in ('trove_guard:volume:attachment_detail',
                            'trove_guard:trove_admin')
