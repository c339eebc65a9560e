# SPDX-License-Identifier: Apache-2.0
"""Audit mode and break-glass: what passes that the rules do not allow."""

import datetime

from oslo_policy import policy as oslo_policy
import pytest

from nova_trove_guard.core.policy import until
from tests.unit import nova_api
from tests.unit import test_filter as filters

MANAGED = f'/v2.1/servers/{nova_api.MANAGED}'
TENANT = ('member', 'reader')
STOP = {'os-stop': None}
AUDIT = filters.GUARDED + 'mode = audit\n'


def hence(**time):
    """Return a time from now, in words of until."""
    return (datetime.datetime.now(datetime.UTC) +
            datetime.timedelta(**time)).isoformat()


# Audit mode.

@pytest.fixture(scope='module')
def auditing(load_nova_api, guarded):
    """Return NovaAPI in audit mode."""
    return load_nova_api(filters.paste(guarded), AUDIT)


MARKER = {'metadata': {nova_api.METADATA_KEY: 'forged'}}
REFUSED = {
    'by a rule': ('DELETE', MANAGED, None),
    'as unreadable': ('POST', MANAGED + '/action', {'lock': 1, 'os-stop': 1}),
    'as unknown': ('PATCH', MANAGED, None),
    'for the marker': ('POST', '/v2.1/servers', {'server': MARKER}),
    'for the marker of a free server': (
        'POST', f'/v2.1/servers/{nova_api.FREE}/metadata', MARKER),
    'for a failing look-up':
        ('DELETE', f'/v2.1/servers/{nova_api.BROKEN}', None),
    'as a stranger':
        ('DELETE', f'/v2.1/servers/{nova_api.OTHERS}', None),
    'as one that names nothing': ('POST', '/v2.1/os-snapshots', {}),
}


def told(caplog):
    """Return the fields of the audit lines, without what always differs."""
    lines = [dict(field.split('=') for field in record.getMessage().split())
             for record in caplog.records
             if record.name == 'nova_trove_guard.reports']
    for line in lines:
        del line['request_id'], line['user_id']
    caplog.clear()
    return lines


@pytest.mark.parametrize('call', REFUSED.values(), ids=REFUSED)
def test_audit_lets_pass_what_enforce_refuses_and_tells_the_same(
        guarded, auditing, unguarded, caplog, call):
    method, path, body = call
    answers, lines = [], []
    for api in guarded, auditing, unguarded:
        answers.append(api.ask(method, path, json=body,
                               token=api.token(*TENANT)))
        lines.append(told(caplog))
    refused, passed, plain = answers
    (enforced,), (audited,), nothing = lines
    assert refused.status_int >= 400 and nothing == []
    assert (passed.status, passed.body) == (plain.status, plain.body)
    assert enforced.pop('decision') == 'refused'
    assert audited.pop('decision') == 'would_refuse'
    assert enforced == audited
    assert enforced['status'] == str(refused.status_int)


def test_audit_lets_pass_with_a_policy_that_turns_bad(
        load_nova_api, guarded, caplog):
    api = load_nova_api(filters.paste(guarded), AUDIT)
    (api.directory / 'policy.yaml').write_text('}\n')
    api.ask('DELETE', MANAGED, token=api.token(*TENANT))
    assert len(api.dispatched) == 1
    assert 'policy.yaml' in caplog.text
    line, = told(caplog)
    assert (line['decision'], line['status']) == ('would_refuse', '503')


def test_audit_is_chosen_in_api_paste_ini_too(load_nova_api, guarded):
    api = load_nova_api(filters.paste(guarded, 'mode = audit'),
                        filters.GUARDED)
    api.ask('DELETE', MANAGED, token=api.token(*TENANT))
    assert len(api.dispatched) == 1


# Break-glass.

@pytest.fixture(scope='module')
def api(load_nova_api, guarded):
    """Return NovaAPI for tests that write its policy file."""
    return load_nova_api(filters.paste(guarded), filters.GUARDED)


@pytest.fixture
def break_glass(api):
    """Return a function that sets the rule of break-glass."""
    path = api.directory / 'policy.yaml'
    yield lambda rule: path.write_text(
        f'"trove_guard:break_glass": "{rule}"\n')
    path.write_text('')


def stop(api, *roles, server=MANAGED, **who):
    """Ask for a server to be stopped; return whether that passed."""
    api.ask('POST', server + '/action', json=STOP,
            token=api.token(*roles, **who))
    return bool(api.dispatched)


@pytest.mark.parametrize('rule', [
    'role:admin and until:{later}', 'until:{later} and role:admin',
    'role:admin and role:reader and until:{later}',
    '(role:admin or role:operator) and until:{later}',
    'role:admin and until:{later} and until:{much_later}',
    'role:admin and project_id:%(project_id)s and until:{later}',
    'role:admin and not user_id:nobody and until:3000-01-01T00:00:00+14:00'])
def test_it_lets_pass_whom_it_names_and_tells(
        api, break_glass, caplog, rule):
    break_glass(rule.format(later=hence(hours=1), much_later=hence(days=1)))
    assert stop(api, 'admin', 'reader')
    line, = told(caplog)
    assert line == {
        'decision': 'break_glass', 'project_id': nova_api.PROJECT,
        'roles': 'admin,reader', 'service_user_id': '-', 'service_roles': '-',
        'operation': 'servers:stop', 'server': nova_api.MANAGED,
        'server_project_id': nova_api.PROJECT,
        'server_user_id': nova_api.USER,
        'database_instance': nova_api.DATABASE_INSTANCE,
        'rule': 'trove_guard:break_glass', 'status': '-'}
    assert not stop(api, *TENANT)
    assert told(caplog)[0]['decision'] == 'refused'


@pytest.mark.parametrize('rule', [
    'role:admin and until:{past}', 'role:admin and until:2020-01-01T00:00Z',
    'role:admin and until:{later} and until:{past}'])
def test_it_ends_by_itself(api, break_glass, rule):
    break_glass(rule.format(past=hence(seconds=-1), later=hence(hours=1)))
    assert not stop(api, 'admin')


@pytest.mark.parametrize('rule', [
    '@', 'role:admin', 'until:{later}', 'role:admin or until:{later}',
    'role:admin and not until:{past}', 'not until:{past}',
    'role:admin and (until:{later} or role:admin)',
    'role:admin and until:{later} or role:admin',
    'rule:glass', 'role:admin and rule:end',
    'role:admin and until:', 'role:admin and until:tomorrow',
    'role:admin and until:3000-01-01',
    'role:admin and until:3000-01-01T00:00:00',
    'role:admin and until:{later} and until:tomorrow',
    'role:admin and until:9999999999',
    'role:admin and until:%(server_id)s',
    'role:admin and until:3000-13-01T00:00:00Z'])
def test_without_an_end_it_lets_nobody_pass_and_says_why(
        api, break_glass, caplog, rule):
    rule = rule.format(past=hence(hours=-1), later=hence(hours=1))
    (api.directory / 'policy.yaml').write_text(
        f'"glass": "role:admin and until:{hence(hours=1)}"\n'
        f'"end": "until:{hence(hours=1)}"\n'
        f'"trove_guard:break_glass": "{rule}"\n')
    assert not stop(api, 'admin')
    assert 'trove_guard:break_glass lets nobody pass: ' in caplog.text
    # And nobody is told who does not ask for it.
    caplog.clear()
    assert not stop(api, 'admin')
    assert 'lets nobody pass' not in caplog.text


def test_nothing_is_said_of_a_break_glass_that_nobody_wants(
        load_nova_api, guarded, caplog):
    load_nova_api(filters.paste(guarded), filters.GUARDED)
    assert 'break_glass' not in caplog.text


@pytest.mark.parametrize('method, path, body, status', [
    ('POST', '/v2.1/servers', {'server': MARKER}, 403),
    ('DELETE', f'{MANAGED}/metadata/{nova_api.METADATA_KEY}', None, 403),
    ('PUT', f'{MANAGED}/metadata', {'metadata': {}}, 403),
    ('POST', f'{MANAGED}/action', {'lock': None, 'os-stop': None}, 400),
    ('DELETE', f'/v2.1/servers/{nova_api.BROKEN}', None, 503)])
def test_it_does_not_open_everything(
        api, break_glass, method, path, body, status):
    break_glass(f'role:admin and until:{hence(hours=1)}')
    answer = api.ask(method, path, json=body, token=api.token('admin'))
    assert answer.status_int == status
    assert api.dispatched == []


@pytest.mark.parametrize('server, project_id, passes', [
    (nova_api.MANAGED, nova_api.PROJECT, True),
    (nova_api.OTHERS, nova_api.PROJECT, False),
    (nova_api.OTHERS, nova_api.OTHER_PROJECT, False)])
def test_each_server_must_be_opened_by_it(
        api, break_glass, server, project_id, passes):
    break_glass(f'project_id:%(project_id)s and until:{hence(hours=1)}')
    api.ask('POST', f'/v2.1/servers/{server}/os-volume_attachments',
            json={'volumeAttachment': {'volumeId': nova_api.VOLUME}},
            token=api.token(*TENANT, project_id=project_id))
    assert bool(api.dispatched) is passes


def test_what_a_rule_allows_needs_no_glass_broken(api, caplog):
    path = api.directory / 'policy.yaml'
    path.write_text('"trove_guard:servers:stop": "role:admin"\n'
                    '"trove_guard:break_glass": "role:admin and '
                    f'until:{hence(hours=1)}"\n')
    assert stop(api, 'admin')
    assert told(caplog) == []
    path.write_text('')


# until.

@pytest.mark.parametrize('text, is_true', [
    ('3000-01-01T00:00:00Z', True), ('3000-01-01T00:00:00+02:00', True),
    ('3000-01-01T00:00-1000', True), ('2020-01-01T00:00:00Z', False),
    ('3000-01-01T00:00:00', False), ('3000-01-01', False), ('', False),
    ('never', False), ('3000-01-01T24:01:00Z', False)])
def test_until(text, is_true):
    assert until.Until('until', text)({}, {}, None) is is_true


def test_until_is_known_to_oslo_policy():
    rule = oslo_policy.RuleDefault('a', 'until:3000-01-01T00:00:00Z')
    assert isinstance(rule.check, until.Until)
    assert str(rule.check) == 'until:3000-01-01T00:00:00Z'
