# SPDX-License-Identifier: Apache-2.0
"""Who watches the guard: Nova's log, the message bus, statsd."""

import json

import pytest

from tests.cloud import layout
from tests.functional import apis
from tests.functional import scene as scenes

SECRET = 'swordfish-in-a-request'
SET_PASSWORD = {'changePassword': {'adminPass': SECRET}}


@pytest.fixture
def log(cloud):
    """Return a function that returns what Nova has logged since."""
    path = layout.Layout(cloud.root).log('nova')
    start = path.stat().st_size

    def read():
        with path.open() as lines:
            lines.seek(start)
            return lines.read()

    return read


def trail(text, request_id):
    """Return the fields of a request's line of the audit trail."""
    line, = [line for line in text.splitlines()
             if f' request_id={request_id} ' in line]
    return dict(field.split('=') for field
                in line[line.index('decision='):].split())


@pytest.mark.parametrize('who, status', [
    ('owner', '403'), ('admin', '403'), ('stranger', '404')])
def test_a_refusal_is_a_line_of_nova_s_log_without_secrets(
        scene, managed, log, who, status):
    answer = scene.ask(
        who, 'POST', f'/servers/{managed}/action?x={SECRET}', SET_PASSWORD)
    session = scene.connection(who).session
    roles = session.auth.get_access(session).role_names
    server = scene.show(managed)
    text = log()
    assert trail(text, answer.headers['x-openstack-request-id']) == {
        'decision': 'refused',
        'request_id': answer.headers['x-openstack-request-id'],
        'user_id': session.get_user_id(),
        'project_id': session.get_project_id(),
        'roles': ','.join(sorted(roles)),
        'service_user_id': '-', 'service_roles': '-',
        'operation': 'os-admin-password', 'server': managed,
        'server_project_id': server['tenant_id'],
        'server_user_id': server['user_id'],
        'database_instance': server['metadata'][scenes.MARKER],
        'rule': 'trove_guard:os-admin-password', 'status': status}
    guard_s = [line for line in text.splitlines()
               if 'nova_trove_guard' in line]
    assert SECRET not in '\n'.join(guard_s)
    assert session.get_token() not in text


# Another nova-api of the same cloud, in audit mode, whose events and metrics
# go to these tests.

@pytest.fixture(scope='module')
def statsd():
    """Return a UDP socket that stands for a statsd server."""
    with apis.statsd() as server:
        yield server


@pytest.fixture(scope='module')
def auditing(cloud, statsd, tmp_path_factory):
    """Return that apis.Api."""
    with apis.running(
            cloud, tmp_path_factory.mktemp('auditing'),
            '[trove_guard]\nmode = audit\naudit_transport_url = fake://\n'
            'audit_topic = guard\nstatsd_host = 127.0.0.1\n'
            f'statsd_port = {statsd.getsockname()[1]}\n') as api:
        yield api


def test_audit_mode_lets_pass_and_tells_everybody(
        scene, auditing, statsd, log):
    server, = scene.make('audited', managed=True)
    path = f'/servers/{server}/action'
    refused = scene.ask('owner', 'POST', path, {'lock': None})
    assert refused.status_code == 403
    passed = scene.connection('owner').session.request(
        f'{auditing.url}{path}?x={SECRET}', 'POST', json={'lock': None},
        raise_exc=False)
    assert passed.status_code == 202
    assert scene.show(server)['locked']

    request_id = passed.headers['x-openstack-request-id']
    enforced = trail(log(), refused.headers['x-openstack-request-id'])
    audited = trail(auditing.log.read_text(), request_id)
    assert (enforced.pop('decision'), audited.pop('decision')) == (
        'refused', 'would_refuse')
    assert enforced.pop('request_id') != audited.pop('request_id')
    assert enforced == audited

    line = apis.await_(lambda: [
        line for line in auditing.events.read_text().splitlines()
        if request_id in line])[0]
    event_type, event = json.loads(line)
    assert event_type == 'trove_guard.would_refuse'
    assert event['action'] == 'update/os-lock-server:lock'
    assert event['outcome'] == 'pending'
    assert event['initiator']['id'] == audited['user_id']
    assert event['target']['id'] == server
    assert event['target']['attachments'][0]['content'] == (
        audited['database_instance'])
    assert event['reason'] == {
        'reasonType': 'HTTP', 'reasonCode': '403',
        'policyType': 'oslo.policy',
        'policyId': 'trove_guard:os-lock-server:lock'}
    assert SECRET not in line

    assert [statsd.recv(1000).decode().partition(':')[0]
            for _ in range(3)] == [
        'nova.trove_guard.lookup.time', 'nova.trove_guard.lookup.found',
        'nova.trove_guard.decision.audit.would_refuse.os-lock-server-lock']
    scene.remove([server])
