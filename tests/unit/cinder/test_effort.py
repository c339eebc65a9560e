# SPDX-License-Identifier: Apache-2.0
"""How hard a caller can make the guard work: no harder than Cinder itself.

What is counted is the statements that the guard sends to Cinder's database;
no controller of Cinder's is run.
"""

import json
import uuid

from cinder import context
from cinder import exception
from cinder import policy
from oslo_serialization import base64
import pytest

from nova_trove_guard.cinder import lookup
from nova_trove_guard.cinder import operations
from nova_trove_guard.core import calls
from tests.unit.cinder import cinder_api as api

UNKNOWN = [str(uuid.uuid4()) for _ in range(500)]
# Where one of 500 is managed: at most two statements each time that what is
# left of them is halved.
FOUND = 1 + 2 * 9
# Each with how many statements it takes at most.
NAMED = {
    'unknown': (UNKNOWN, 1),
    'no ids': ([f'{number}' for number in range(500)], 1),
    'managed first': ([api.MANAGED['volume'], *UNKNOWN[1:]], FOUND),
    'managed last': ([*UNKNOWN[1:], api.MANAGED['volume']], FOUND),
}
EACH = pytest.mark.parametrize('ids, most', NAMED.values(), ids=NAMED)
WAYS = pytest.mark.parametrize('key', ['add_volumes', 'remove_volumes'])


@pytest.fixture(scope='module')
def ordinary(cinder):
    """Return the ids of 500 volumes that are not managed."""
    ids = [str(uuid.uuid4()) for _ in range(500)]
    for volume_id in ids:
        api.add(lookup.models.Volume, id=volume_id, volume_type_id='t')
    return ids


def ask(cinder, method, path, body, **who):
    """Ask; return the answer, and how many statements that took."""
    with api.selects() as selects:
        answer = cinder.ask(method, path, body, **who)
    return answer, len(selects)


def update(cinder, **volumes):
    """Have a group updated; leave the statement for the group out."""
    answer, statements = ask(
        cinder, 'PUT', f'/groups/{api.FREE["group"]}', {'group': {
            key: ','.join(ids) for key, ids in volumes.items()}})
    return answer, statements - 1


@WAYS
@EACH
def test_many_volumes_of_a_group_cost_few_statements(cinder, key, ids, most):
    answer, statements = update(cinder, **{key: ids})
    is_managed = api.MANAGED['volume'] in ids
    assert statements <= most if is_managed else statements == most
    assert (answer.status_int == 403) == is_managed
    assert len(cinder.dispatched) == (not is_managed)
    assert not is_managed or api.MANAGED['volume'] in answer.text


@pytest.mark.parametrize('path, group', [
    ('/groups/{}', 'group'),
    ('/consistencygroups/{}/update', 'consistencygroup')])
@pytest.mark.parametrize('managed', [[], [api.MANAGED['volume']]],
                         ids=['unmanaged', 'managed'])
@WAYS
def test_more_volumes_of_a_group_than_a_statement_has_are_refused_at_once(
        cinder, path, group, key, managed):
    many = [f'{number}' for number in range(calls.MAX_IDENTIFIERS)]
    answer, statements = ask(
        cinder, 'PUT', path.format(api.FREE['group']),
        {group: {key: ','.join([*many, *managed, 'x'])}})
    assert answer.status_int == 400
    assert statements == 0
    assert cinder.dispatched == []


@WAYS
def test_ordinary_volumes_of_a_group_cost_one_statement(
        cinder, ordinary, key):
    answer, statements = update(cinder, **{key: ordinary})
    assert statements == 1
    assert len(cinder.dispatched) == 1


def test_what_is_added_and_removed_costs_one_statement_each(cinder):
    _, statements = update(
        cinder, add_volumes=UNKNOWN, remove_volumes=UNKNOWN)
    assert statements == 2
    assert len(cinder.dispatched) == 1


def test_it_is_the_first_managed_volume_that_decides(cinder):
    """And who may not see it is told of no other."""
    absent = []

    def note(resource, method, request, action_args):
        absent.append(action_args['body']['group']['add_volumes'])
        return api.webob.Response(status=400)

    ids = [*UNKNOWN[:7], api.MANAGED['volume'], *UNKNOWN[8:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cinder, '_dispatch', note)
        ask(cinder, 'PUT', f'/groups/{api.FREE["group"]}',
            {'group': {'add_volumes': ','.join(ids)}},
            project_id=api.OTHER_PROJECT)
    assert absent == [','.join(
        [*UNKNOWN[:7], api.calls.NIL_UUID, *UNKNOWN[8:]])]


def manage(ids):
    """Return the path and the body of a request to manage volumes."""
    return '/os-volume-manage', {'volume': {
        'host': 'x', 'ref': {'source-name': ' '.join(ids)}}}


def import_record(ids):
    """Return the path and the body of a request to import a record."""
    return '/backups/import_record', {'backup-record': {
        'backup_service': 'x', 'backup_url': base64.encode_as_text(
            json.dumps({'id': ids[0], 'service_metadata': ids}))}}


@pytest.mark.parametrize('made, places', [(manage, 1), (import_record, 2)])
def test_what_an_admin_names_by_name_costs_one_statement(
        cinder, made, places):
    _, statements = ask(cinder, 'POST', *made(UNKNOWN), **api.ADMIN)
    assert statements == places
    assert len(cinder.dispatched) == 1


@pytest.mark.parametrize('made', [manage, import_record])
@pytest.mark.parametrize('who', [
    api.OWNER, api.NOVA, {'project_id': api.OTHER_PROJECT}],
    ids=['owner', 'nova', 'another project'])
@pytest.mark.parametrize('ids', [
    UNKNOWN, [api.MANAGED['volume'], api.MANAGED['backup']]],
    ids=['unknown', 'managed'])
def test_what_cinder_itself_refuses_costs_nothing(cinder, made, who, ids):
    """Cinder's own controllers are asked, with the guard and without it."""
    path, body = made(ids)
    faults = []
    for app in cinder.app, cinder.unguarded:
        request = api.webob.Request.blank(
            path, method='POST', content_type='application/json',
            body=json.dumps(body).encode())
        request.environ.update(api.principal(**who))
        with api.selects() as selects:
            answer = request.get_response(app)
        assert selects == []
        assert answer.status_int == 403
        faults.append(answer.body)
    assert faults[0] == faults[1]


@pytest.fixture
def opened(cinder):
    """Return the application with rules of Cinder's that let anyone pass."""
    file = cinder.directory / 'policy.yaml'
    file.write_text('"volume_extension:volume_manage": "@"\n'
                    '"backup:backup-import": "@"\n')
    policy.reset()
    yield cinder.guarded()
    file.write_text('')
    policy.reset()


@pytest.mark.parametrize('name, made', [
    ('volume:manage', manage), ('volume:backup_import', import_record)])
def test_whom_cinder_s_rule_lets_pass_the_guard_refuses(
        cinder, opened, name, made):
    answer = cinder.ask(
        'POST', *made([api.MANAGED['volume']]), app=opened)
    assert answer.status_int == 403
    assert name in answer.json['forbidden']['message']
    assert cinder.dispatched == []


def test_a_rule_that_fails_is_not_taken_for_a_refusal(cinder, monkeypatch):
    def fail(*_, **__):
        raise exception.CinderException

    monkeypatch.setattr(context.RequestContext, 'authorize', fail)
    answer = cinder.ask('POST', *manage([api.MANAGED['volume']]))
    assert answer.status_int == 503
    assert cinder.dispatched == []


@pytest.mark.parametrize('made, kind', [
    (manage, 'volume'), (import_record, 'backup'), (import_record, 'origin')])
def test_one_managed_thing_among_many_is_found(cinder, made, kind):
    answer, statements = ask(
        cinder, 'POST', *made([*UNKNOWN[1:], api.MANAGED[kind]]), **api.ADMIN)
    assert answer.status_int == 403
    assert f'Volume {api.MANAGED["volume"]} is managed' in answer.text
    assert statements <= FOUND + 1


@pytest.mark.parametrize('operation, method, path, body', [
    pytest.param(operation, method, where, body,
                 id=f'{operation.name}-{target.kind}-{where}')
    for operation, method, path in operations.documented()
    if method != '*'
    for target, where, body in api.requests(operation, path, api.MANAGED)
    if target.kind != 'image' and len(operation.targets) == 1
    and target.is_one])
def test_what_names_one_thing_costs_one_statement(
        cinder, operation, method, path, body):
    _, statements = ask(cinder, method, path, body if method in (
        'POST', 'PUT') else None)
    assert statements == 1
