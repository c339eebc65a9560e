# SPDX-License-Identifier: Apache-2.0
"""Operators' own rules in Nova's policy file, while Nova runs.

Each test writes that file anew and asks at once: nothing is restarted.
"""

import datetime

import pytest

from tests.cloud import layout
from tests.functional import scene as scenes

PROFILES = layout.REPOSITORY / 'paste' / 'profiles'
STOCK = '{}\n'
CONSOLE_OUTPUT = {'os-getConsoleOutput': {'length': 5}}
MIGRATE_LIVE = {'os-migrateLive': {'host': None, 'block_migration': False}}
EVACUATE = {'evacuate': {}}
VERSION = '2.96'


@pytest.fixture
def policy(cloud):
    """Return a function that writes Nova's policy file."""
    path = layout.Layout(cloud.root).policy('nova')
    yield path.write_text
    path.write_text(STOCK)


@pytest.fixture
def act(scene, managed):
    """Return a function by which somebody asks for an action."""
    def ask(who, action):
        return scene.ask(who, 'POST', f'/servers/{managed}/action', action,
                         VERSION)
    return ask


@pytest.fixture
def give_role(scene):
    """Return a function that gives a user a role in the home project."""
    given = []

    def give(name, user, project):
        identity = scene.connection('admin').identity
        role = identity.find_role(name) or identity.create_role(name=name)
        what = (identity.find_project(project), identity.find_user(user),
                role)
        identity.assign_project_role_to_user(*what)
        given.append(what)
        # With a new token.
        scene.connection(user).session.invalidate()

    yield give
    for what in given:
        scene.connection('admin').identity.unassign_project_role_from_user(
            *what)
        # That revokes tokens, too.
        for who in scenes.PRINCIPALS:
            scene.connection(who).session.invalidate()


def test_the_owner_reads_the_console_as_long_as_a_rule_says_so(
        policy, act, witness):
    assert act('owner', CONSOLE_OUTPUT).status_code == 403
    policy('"trove_guard:os-console-output": "rule:trove_guard:trove_admin '
           'or (role:member and project_id:%(project_id)s)"\n')
    answer = act('owner', CONSOLE_OUTPUT)
    assert answer.status_code == 200
    assert 'output' in answer.json()
    # Nothing else, and nobody else.
    assert act('owner', {'os-stop': None}).status_code == 403
    assert act('stranger', CONSOLE_OUTPUT).status_code == 404
    both = act('owner', CONSOLE_OUTPUT | {'os-stop': None})
    assert both.status_code == 400
    assert not witness.dispatches(both.headers['x-openstack-request-id'])
    policy(STOCK)
    assert act('owner', CONSOLE_OUTPUT).status_code == 403


@pytest.mark.parametrize('metadata', [
    ('PUT', '', {'metadata': {'colour': 'red'}}),
    ('DELETE', f'/{scenes.MARKER}', None),
    ('DELETE', f'/{scenes.MARKER.upper()}', None)])
def test_no_rule_lets_the_owner_shed_the_marker(
        policy, scene, managed, witness, metadata):
    policy(''.join(f'"trove_guard:server-metadata:{name}": "@"\n'
                   for name in ('create', 'update', 'delete')))
    method, path, body = metadata
    answer = scene.ask('owner', method, f'/servers/{managed}/metadata{path}',
                       body)
    assert answer.status_code == 403
    assert not witness.dispatches(answer.headers['x-openstack-request-id'])


def test_host_maintenance_is_for_cloud_admins(policy, scene, witness):
    server, = scene.make('moved', managed=True)
    policy((PROFILES / 'host-maintenance.yaml').read_text())
    before = scene.show(server)['OS-EXT-SRV-ATTR:host']
    path = f'/servers/{server}/action'
    assert scene.ask('owner', 'POST', path, {'migrate': None}, VERSION
                     ).status_code == 403
    answer = scene.ask('admin', 'POST', path, {'migrate': None}, VERSION)
    assert answer.status_code == 202
    scene.await_state(server, 'resized')
    assert scene.show(server)['OS-EXT-SRV-ATTR:host'] != before
    assert scene.ask('admin', 'POST', path, {'confirmResize': None}, VERSION
                     ).status_code == 204
    scene.settled(server)
    # Whether the host can do it is Nova's to say.
    for action, method in ((MIGRATE_LIVE, '_migrate_live'),
                           (EVACUATE, '_evacuate')):
        answer = scene.ask('admin', 'POST', path, action, '2.30')
        assert [dispatch['method'] for dispatch in witness.dispatches(
            answer.headers['x-openstack-request-id'])] == [method]
        scene.settled(server)
    assert scene.ask('admin', 'POST', path, {'os-stop': None}, VERSION
                     ).status_code == 403
    scene.remove([server])


def test_instance_ha_is_for_a_role(policy, act, give_role, witness):
    policy((PROFILES / 'instance-ha.yaml').read_text())
    assert act('admin', EVACUATE).status_code == 403
    give_role('instance_ha', 'admin', 'admin')
    answer = act('admin', EVACUATE)
    # Its host is up, says Nova.
    assert 'is not managed' not in answer.text
    assert [dispatch['method'] for dispatch in witness.dispatches(
        answer.headers['x-openstack-request-id'])] == ['_evacuate']
    assert act('admin', MIGRATE_LIVE).status_code == 403


def test_the_help_desk_reads_and_does_no_more(policy, act, give_role):
    policy((PROFILES / 'read-only-help-desk.yaml').read_text())
    assert act('reader', CONSOLE_OUTPUT).status_code == 403
    give_role('help_desk', 'reader', 'demo')
    assert act('reader', CONSOLE_OUTPUT).status_code == 200
    assert act('owner', CONSOLE_OUTPUT).status_code == 403
    assert act('reader', {'os-start': None}).status_code == 403


@pytest.mark.parametrize('text, complaint', [
    ('}\n', 'nova-policy.yaml'),
    ('"trove_guard:servers:delte": "!"\n',
     'there is no rule trove_guard:servers:delte'),
    ('"trove_guard:servers:delete": "rule:nobody"\n',
     'trove_guard:servers:delete refers to rule:nobody'),
    ('"a": "rule:b"\n"b": "rule:a"\n"trove_guard:servers:delete": "rule:a"\n',
     'is a circular reference'),
    ('"trove_guard:servers:delete":\n', 'is empty')],
    ids=['bad YAML', 'unknown rule', 'unknown reference', 'circle', 'empty'])
def test_a_mistake_closes_what_is_guarded_and_the_log_says_why(
        cloud, policy, scene, managed, witness, text, complaint):
    log = layout.Layout(cloud.root).log('nova')
    before = log.stat().st_size
    policy(text)
    # Nova's own enforcer stumbles over bad YAML once, and goes on with the
    # rules from before.
    scene.ask('reader', 'GET', '/servers')
    for who in 'owner', 'admin', 'trove':
        answer = scene.ask(who, 'DELETE', f'/servers/{managed}')
        assert answer.status_code == 503
        assert answer.headers['Retry-After'] == '5'
        assert not witness.dispatches(answer.headers['x-openstack-request-id'])
    with log.open() as lines:
        lines.seek(before)
        assert complaint in lines.read()
    policy(STOCK)
    assert scene.ask('owner', 'DELETE', f'/servers/{managed}'
                     ).status_code == 403


def break_glass(end):
    """Return a policy file with break-glass for cloud admins until a time."""
    return f'"trove_guard:break_glass": "role:admin and until:{end}"\n'


def hence(**time):
    """Return a time from now, in words of until."""
    return (datetime.datetime.now(datetime.UTC) +
            datetime.timedelta(**time)).isoformat()


def test_break_glass_opens_until_its_end(cloud, policy, scene, witness):
    server, = scene.make('emergency', managed=True)
    path = f'/servers/{server}/action'
    for end in hence(hours=-1), 'tomorrow', '3000-01-01T00:00:00', '':
        policy(break_glass(end))
        assert scene.ask('admin', 'POST', path, {'os-stop': None}
                         ).status_code == 403
    policy(break_glass(hence(hours=1)))
    assert scene.ask('owner', 'POST', path, {'os-stop': None}
                     ).status_code == 403
    answer = scene.ask('admin', 'POST', path, {'os-stop': None})
    assert answer.status_code == 202
    request_id = answer.headers['x-openstack-request-id']
    told = [line for line in layout.Layout(cloud.root).log(
        'nova').read_text().splitlines()
        if f'decision=break_glass request_id={request_id} ' in line]
    assert len(told) == 1
    assert f'operation=servers:stop server={server} ' in told[0]
    scene.settled(server)
    scene.remove([server])
