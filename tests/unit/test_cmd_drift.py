# SPDX-License-Identifier: Apache-2.0
"""What drift finds and fixes, by the real clients in a simulated cloud."""

import argparse
import dataclasses
import datetime
import email.utils
import io
import itertools
import re
import threading
import types

from keystoneauth1 import exceptions
from keystoneauth1 import identity
from keystoneauth1 import session as sessions
import pytest

from nova_trove_guard.cmd.drift import command
from nova_trove_guard.cmd.drift import comparisons
from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd.drift import fixes
from nova_trove_guard.cmd.drift import progress_bar
from nova_trove_guard.cmd.drift import retries
from nova_trove_guard.cmd.drift import sources
from nova_trove_guard.cmd.drift import store
from nova_trove_guard.cmd.drift import workers
from nova_trove_guard.cmd import outcome
from tests.unit import drift_cloud
from tests.unit.drift_cloud import MARKER
from tests.unit.drift_cloud import OTHER_PROJECT
from tests.unit.drift_cloud import TROVE_PROJECT
from tests.unit.drift_cloud import USER_PROJECT

Code = discrepancies.Code


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Skip all pauses of tenacity's; return the list of them (seconds).

    Other threads of the process still pause.
    """
    pauses = []
    monkeypatch.setattr('tenacity.nap.time',
                        types.SimpleNamespace(sleep=pauses.append))
    return pauses


@pytest.fixture
def fleet():
    """Return a Fleet of seven healthy instances."""
    fleet = drift_cloud.Fleet()
    fleet.ids = fleet.grow(7)
    return fleet


@pytest.fixture
def compare(fleet):
    """Return a function that makes a Comparison of the Fleet."""
    with fleet.served() as url:
        admin = sessions.Session(identity.V3Password(
            auth_url=f'{url}/v3', username='trove', password='secret',
            user_domain_id='default', project_name='trove',
            project_domain_id='default'))

        def make(owner='trove', tagged_only=False, others=(), ignored=(),
                 ledger=None, stderr=None):
            progress = progress_bar.Progress(stderr or io.StringIO())
            session = retries.PatientSession(admin, progress)

            def trove(region):
                return sources.Trove(session, 'One',
                                           region_name=region)

            return comparisons.Comparison(
                sources.Nova(session, tagged_only, region_name='One'),
                sources.Cinder(session, region_name='One'),
                sources.Neutron(session, region_name='One'),
                trove('One'), tuple(map(trove, others)),
                discrepancies.Expectation(
                    MARKER, owner, TROVE_PROJECT, 'trove_sg'),
                ledger or store.Ledger('', 'a test'),
                progress, frozenset(ignored), jobs=3)

        yield make


def found(one):
    """Run a Comparison; return the set of (code, id) that it finds."""
    one.run()
    return {(discrepancy.code, subject(discrepancy))
            for discrepancy, _ in one.ledger.results()}


def subject(discrepancy):
    """Return the id of what a Discrepancy is about."""
    return (discrepancy.volume or discrepancy.port or
            discrepancy.security_group or discrepancy.server)


# Drifts: functions of a fleet and an instance's id, by what is found.

def unlock(fleet, instance):
    fleet.lock(fleet.instances[instance]['server_id'], None)


def unmark(fleet, instance):
    fleet.server_of(instance)['metadata'].clear()


def mark_otherwise(fleet, instance):
    fleet.server_of(instance)['metadata'][MARKER] = 'mine\n\x1b[2J'


def lose(fleet, instance):
    del fleet.servers[fleet.instances[instance]['server_id']]


def trash(fleet, instance):
    fleet.server_of(instance)['status'] = 'SOFT_DELETED'


def never_have(fleet, instance):
    lose(fleet, instance)
    fleet.instances[instance]['server_id'] = None


def fail(fleet, instance):
    fleet.server_of(instance) | {'fault': {'message': 'No valid host'}}
    fleet.server_of(instance)['status'] = 'ERROR'


def move(fleet, instance):
    fleet.server_of(instance)['tenant_id'] = OTHER_PROJECT
    fleet.lock(fleet.instances[instance]['server_id'], 'admin')


def silence(fleet, instance):
    server = fleet.server_of(instance)
    for key in server.keys() - {'id', 'tenant_id', 'tags', 'locked_by'}:
        del server[key]
    server['status'] = 'UNKNOWN'


def unmark_volume(fleet, instance):
    fleet.volume_of(instance)['metadata'].clear()


def mark_volume_otherwise(fleet, instance):
    fleet.volume_of(instance)['metadata'][MARKER] = 'mine'


def lose_volume(fleet, instance):
    del fleet.volumes[fleet.instances[instance]['volume_id']]


def unmark_port(fleet, instance):
    fleet.ports[instance]['tags'][:] = ['theirs']


def mark_port_otherwise(fleet, instance):
    fleet.ports[instance]['tags'][:] = [f'{MARKER}_mine']


def mark_port_twice(fleet, instance):
    fleet.ports[instance]['tags'].append(f'{MARKER.upper()}_{fleet.ids[0]}')


def unmark_group(fleet, instance):
    fleet.groups[instance]['tags'].clear()


def mark_group_otherwise(fleet, instance):
    fleet.groups[instance]['tags'][:] = [f'{MARKER}_']


DRIFTS = [
    (unlock, Code.UNLOCKED), (unmark, Code.MARKER_MISSING),
    (mark_otherwise, Code.MARKER_WRONG), (lose, Code.SERVER_MISSING),
    (trash, Code.SERVER_MISSING), (never_have, Code.SERVER_MISSING),
    (fail, Code.SERVER_ERROR), (move, Code.WRONG_PROJECT),
    (silence, Code.UNREADABLE), (unmark_volume, Code.VOLUME_MARKER_MISSING),
    (mark_volume_otherwise, Code.VOLUME_MARKER_WRONG),
    (lose_volume, Code.VOLUME_MISSING),
    (unmark_port, Code.PORT_MARKER_MISSING),
    (mark_port_otherwise, Code.PORT_MARKER_WRONG),
    (mark_port_twice, Code.PORT_MARKER_WRONG),
    (unmark_group, Code.SECURITY_GROUP_MARKER_MISSING),
    (mark_group_otherwise, Code.SECURITY_GROUP_MARKER_WRONG)]


def test_a_healthy_fleet_has_no_discrepancies(compare):
    assert found(compare()) == set()


@pytest.mark.parametrize('drift, code', DRIFTS)
def test_each_drift_is_reported(fleet, compare, drift, code):
    instance = fleet.instances[fleet.ids[3]]
    drift(fleet, fleet.ids[3])
    drifted = {'volume': instance['volume_id'],
               'port': fleet.ports[fleet.ids[3]]['id'],
               'security': fleet.groups[fleet.ids[3]]['id']}.get(
        code.partition('-')[0], instance['server_id'] or '')
    assert found(compare()) == {(code, drifted)}


def test_all_drifts_at_once(fleet, compare):
    fleet.ids += fleet.grow(10)
    for instance, (drift, _) in zip(fleet.ids, DRIFTS, strict=True):
        drift(fleet, instance)
    assert sorted(code for code, _ in found(compare())) == sorted(
        code for _, code in DRIFTS)


def test_a_finding_is_one_harmless_line(fleet, compare):
    mark_otherwise(fleet, fleet.ids[0])
    one = compare()
    one.run()
    (discrepancy, _), = one.ledger.results()
    assert discrepancy.detail == r"the marker is 'mine\n\x1b[2J'"
    assert discrepancy.instance == fleet.ids[0]


def test_every_code_has_a_remedy():
    assert set(discrepancies.REMEDIES) == set(Code)
    for code in Code:
        discrepancy = discrepancies.Discrepancy(
            code, 'S', 'I', '', 'V', 'P', 'G')
        assert '{' not in discrepancy.remedy('K')
    for kind in discrepancies.Kind:
        which = ('--tag <tag>' if kind in discrepancies.TAG_CODES
                 else '--property K')
        assert discrepancies.forged(kind, 'ID', 'x', '').remedy(
            'K').endswith(f'openstack {kind.noun} unset {which} ID')


# Locks

@pytest.mark.parametrize('owner, project, locked_by, is_found', [
    ('trove', TROVE_PROJECT, 'owner', False),
    ('trove', TROVE_PROJECT, 'admin', False),
    ('user', USER_PROJECT, 'owner', True),
    ('user', USER_PROJECT, 'admin', False),
])
def test_a_lock_that_the_tenant_can_remove(
        fleet, compare, owner, project, locked_by, is_found):
    fleet.instances.clear()
    fleet.servers.clear()
    fleet.volumes.clear()
    for rows in fleet.networking.values():
        rows.clear()
    instance, = fleet.grow(1, project)
    server = fleet.instances[instance]['server_id']
    fleet.lock(server, locked_by)
    assert found(compare(owner)) == (
        {(Code.TENANT_LOCK, server)} if is_found else set())


def test_credentials_that_may_not_filter_by_locked_by_are_refused(
        fleet, compare):
    """Nova ignores a filter that it does not allow."""
    fleet.filters = False
    with pytest.raises(outcome.Denied, match='allow_all_filters'):
        compare().run()


@pytest.mark.parametrize('change', [
    {'status': 'RESIZE', 'task_description': 'Resizing the instance.'},
    {'status': 'BACKUP'},
    {'status': 'SHUTDOWN', 'task_description': 'Deleting the instance.'}])
def test_servers_that_trove_works_on_are_not_reported(fleet, compare, change):
    for drift, instance in zip((unlock, lose, lose_volume), fleet.ids):
        drift(fleet, instance)
        fleet.instances[instance] |= change
    assert found(compare()) == set()


def test_an_instance_with_a_failed_task_is_not_busy(fleet, compare):
    unlock(fleet, fleet.ids[0])
    fleet.instances[fleet.ids[0]] |= {
        'status': 'ERROR', 'task_description': 'Build error: Server.'}
    assert {code for code, _ in found(compare())} == {Code.UNLOCKED}


def test_a_server_that_is_built_is_not_locked_yet(fleet, compare):
    unlock(fleet, fleet.ids[0])
    fleet.server_of(fleet.ids[0])['status'] = 'BUILD'
    assert found(compare()) == set()


def test_ignored_codes_are_not_reported(fleet, compare):
    unlock(fleet, fleet.ids[0])
    unmark(fleet, fleet.ids[0])
    assert {code for code, _ in found(compare(ignored=[Code.UNLOCKED]))} == {
        Code.MARKER_MISSING}


# Forged markers

@pytest.mark.parametrize('marker', [
    '4decd968-a8f9-47db-b572-dc39a0e34182', '', '../../../v3/users', "'",
    'x' * 255])
def test_a_marker_that_trove_does_not_know(fleet, compare, marker):
    fleet.add_server('forged', OTHER_PROJECT, {MARKER: marker})
    fleet.add_server('ordinary', OTHER_PROJECT, {'purpose': 'web'})
    assert found(compare()) == {(Code.MARKER_FORGED, 'forged')}


def test_a_marker_of_another_server_s_instance(fleet, compare):
    fleet.add_server('forged', OTHER_PROJECT, {MARKER: fleet.ids[0]})
    assert found(compare()) == {(Code.MARKER_FORGED, 'forged')}


@pytest.mark.parametrize('what', ['no instance', 'another\'s instance'])
@pytest.mark.parametrize('add, code', [
    (lambda fleet, name, metadata: fleet.add_server(
        name, OTHER_PROJECT, metadata), Code.MARKER_FORGED),
    (lambda fleet, name, metadata: fleet.add_volume(name, metadata),
     Code.VOLUME_MARKER_FORGED)], ids=['server', 'volume'])
def test_trove_is_called_once_for_a_marker_that_many_have(
        fleet, compare, what, add, code):
    marker = (fleet.ids[0] if what == 'another\'s instance'
              else '4decd968-a8f9-47db-b572-dc39a0e34182')
    names = {f'forged-{number}' for number in range(20)}
    for name in names:
        add(fleet, name, {MARKER: marker})
    one = compare()
    assert found(one) == {(code, name) for name in names}
    assert fleet.requests['database', 'GET', 'id'] == 1


def test_what_is_another_trove_s_is_not_forged(fleet, compare):
    known, = fleet.grow(1)
    port, group = fleet.ports[known], fleet.groups[known]
    for each in port, group:
        # Of that Trove, which may have another.
        each['project_id'] = OTHER_PROJECT
    instance = fleet.elsewhere[known] = fleet.instances.pop(known)
    assert found(compare(others=['Two'])) == set()
    assert found(compare()) == {
        (Code.MARKER_FORGED, instance['server_id']),
        (Code.VOLUME_MARKER_FORGED, instance['volume_id']),
        (Code.PORT_MARKER_FORGED, port['id']),
        (Code.SECURITY_GROUP_MARKER_FORGED, group['id'])}


def test_only_tagged_servers_are_listed_if_wanted(fleet, compare):
    fleet.add_server('forged', OTHER_PROJECT, {MARKER: 'x'})
    untagged = fleet.server_of(fleet.ids[0])
    untagged['tags'], untagged['metadata'] = [], {}
    one = compare(tagged_only=True)
    assert found(one) == {(Code.MARKER_MISSING, untagged['id'])}


# Volumes

def test_an_instance_without_a_volume_is_ok(fleet, compare):
    lose_volume(fleet, fleet.ids[0])
    fleet.instances[fleet.ids[0]]['volume_id'] = None
    assert found(compare()) == set()


def test_volumes_are_left_out_without_cinder(fleet, compare):
    for instance in fleet.ids:
        unmark_volume(fleet, instance)
    fleet.has_cinder = False
    assert found(compare()) == set()


@pytest.mark.parametrize('marker', ['of one', 'of none', 'x', ''])
def test_a_forged_marker_on_a_volume(fleet, compare, marker):
    """A copy that was restored from a backup has one, too."""
    known = {'of one': fleet.ids[0],
             'of none': '4decd968-a8f9-47db-b572-dc39a0e34182'}
    fleet.add_volume('forged', {MARKER: known.get(marker, marker)})
    fleet.add_volume('ordinary', {'purpose': 'web'})
    one = compare()
    assert found(one) == {(Code.VOLUME_MARKER_FORGED, 'forged')}
    (discrepancy, _), = one.ledger.results()
    assert discrepancy.instance == known.get(marker, '')
    assert discrepancy.detail.startswith(
        "the database instance's volume is " if marker == 'of one' else
        'Trove has no database instance ')


def test_a_volume_that_trove_makes_is_not_forged(fleet, compare):
    """Trove records it only when Cinder has made it."""
    lose_volume(fleet, fleet.ids[0])
    fleet.instances[fleet.ids[0]] |= {
        'volume_id': None, 'status': 'BUILD',
        'task_description': 'The instance is building.'}
    fleet.add_volume('new', {MARKER: fleet.ids[0]})
    assert found(compare()) == set()


@pytest.mark.parametrize('status, codes', [
    ('target:x', set()), ('success', {Code.VOLUME_MARKER_FORGED})])
def test_the_target_of_a_migration_is_not_forged(
        fleet, compare, status, codes):
    fleet.add_volume('target', {MARKER: fleet.ids[0]})
    fleet.volumes['target']['migration_status'] = status
    assert {code for code, _ in found(compare())} == codes


def test_credentials_that_see_one_project_s_volumes_are_refused(
        fleet, compare):
    fleet.is_cinder_admin = False
    with pytest.raises(outcome.Denied, match='context_is_admin'):
        compare().run()


# Ports and security groups

def test_ports_are_left_out_without_neutron(fleet, compare):
    for instance in fleet.ids:
        unmark_port(fleet, instance)
        unmark_group(fleet, instance)
    fleet.has_neutron = False
    assert found(compare()) == set()


def test_an_instance_without_ports_and_groups_is_ok(fleet, compare):
    """As with trove_security_groups_support = false."""
    for rows in fleet.networking.values():
        rows.clear()
    assert found(compare()) == set()


def test_the_marker_is_compared_without_case(fleet, compare):
    """As MariaDB does, for which it is the same tag."""
    port = fleet.ports[fleet.ids[0]]
    port['tags'][:] = [tag.upper() for tag in port['tags']]
    assert found(compare()) == set()


@pytest.mark.parametrize('change', [
    {'name': 'mine'}, {'device_owner': 'network:dhcp'},
    {'device_owner': ''}, {'device_id': 'another'},
    {'project_id': OTHER_PROJECT}])
def test_only_ports_that_trove_made_must_be_marked(fleet, compare, change):
    """A tenant can give a port any name and device."""
    unmark_port(fleet, fleet.ids[0])
    fleet.ports[fleet.ids[0]].update(change)
    assert found(compare()) == set()


@pytest.mark.parametrize('owner', ['trove', 'user'])
@pytest.mark.parametrize('project', [
    TROVE_PROJECT, USER_PROJECT, OTHER_PROJECT])
@pytest.mark.parametrize('is_bound', [True, False])
def test_only_groups_that_trove_made_must_be_marked(
        fleet, compare, owner, project, is_bound):
    """A tenant can give a group any name."""
    group = fleet.groups[fleet.ids[0]]
    unmark_group(fleet, fleet.ids[0])
    group['project_id'] = project
    if not is_bound:
        fleet.ports[fleet.ids[0]]['security_groups'].clear()
    one = compare(owner, ignored=[Code.WRONG_PROJECT])
    is_theirs = is_bound or project == {
        'trove': TROVE_PROJECT, 'user': USER_PROJECT}[owner]
    assert found(one) == (
        {(Code.SECURITY_GROUP_MARKER_MISSING, group['id'])}
        if is_theirs else set())


@pytest.mark.parametrize('name', [None, 'mine', 'trove-{}', 'trove_sg-{}-x'])
def test_groups_with_other_names_need_no_marker(fleet, compare, name):
    unmark_group(fleet, fleet.ids[0])
    fleet.groups[fleet.ids[0]]['name'] = name and name.format(fleet.ids[0])
    assert found(compare()) == set()


@pytest.mark.parametrize('marker', ['of one', 'of none', 'x', ''])
@pytest.mark.parametrize('kind', ['port', 'security_group'])
def test_a_forged_marker_on_a_port_or_group(fleet, compare, kind, marker):
    known = {'of one': fleet.ids[0],
             'of none': '4decd968-a8f9-47db-b572-dc39a0e34182'}
    tag = f'{MARKER}_{known.get(marker, marker)}'
    if kind == 'port':
        fleet.add_port('forged', OTHER_PROJECT, 'x', 'theirs', [], 'y', tag)
        fleet.add_port('ordinary', OTHER_PROJECT, 'x', 'theirs', [], 'y')
    else:
        fleet.add_group('forged', OTHER_PROJECT, 'x', tag, 'y')
        fleet.add_group('ordinary', OTHER_PROJECT, 'x', 'y')
    one = compare()
    code = {'port': Code.PORT_MARKER_FORGED,
            'security_group': Code.SECURITY_GROUP_MARKER_FORGED}[kind]
    assert found(one) == {(code, 'forged')}
    (discrepancy, _), = one.ledger.results()
    assert discrepancy.instance == known.get(marker, '')
    server = fleet.instances[fleet.ids[0]]['server_id']
    noun = kind.replace('_', ' ')
    assert discrepancy.detail.startswith(
        f'the {noun} does not belong to server {server} of the database'
        if marker == 'of one' else 'Trove has no database instance ')


def test_what_claims_to_be_on_a_managed_server_is_forged(fleet, compare):
    """Anyone can write so on a port of their own."""
    server = fleet.instances[fleet.ids[0]]['server_id']
    tag = f'{MARKER}_{fleet.ids[0]}'
    fleet.add_port('forged', OTHER_PROJECT, f'trove-{fleet.ids[0]}', server,
                   ['group'], tag)
    fleet.add_group('group', OTHER_PROJECT, 'x', tag)
    assert found(compare()) == {
        (Code.PORT_MARKER_FORGED, 'forged'),
        (Code.SECURITY_GROUP_MARKER_FORGED, 'group')}


def test_each_of_several_markers_is_checked(fleet, compare, monkeypatch):
    monkeypatch.setattr(store, 'BATCH', 1)
    fleet.ports[fleet.ids[0]]['name'] = 'renamed'
    # It comes after the marker that is confirmed.
    fleet.ports[fleet.ids[0]]['tags'].append(f'{MARKER}_x')
    one = dataclasses.replace(compare(), jobs=1)
    assert found(one) == {
        (Code.PORT_MARKER_FORGED, fleet.ports[fleet.ids[0]]['id'])}


@pytest.mark.parametrize('what', ['ports', 'groups'])
def test_what_has_been_renamed_is_not_forged(fleet, compare, what):
    getattr(fleet, what)[fleet.ids[0]]['name'] = 'mine'
    assert found(compare()) == set()


def test_what_a_failed_server_has_left_is_not_forged(fleet, compare):
    port, group = fleet.ports[fleet.ids[0]], fleet.groups[fleet.ids[0]]
    port |= {'device_id': '', 'device_owner': ''}
    fleet.instances[fleet.ids[0]] |= {'server_id': None, 'status': 'ERROR'}
    codes = {Code.SERVER_MISSING, Code.MARKER_FORGED}
    assert {code for code, _ in found(compare())} == codes
    for each in port, group:
        each['project_id'] = OTHER_PROJECT
    assert {code for code, _ in found(compare())} == codes | {
        Code.PORT_MARKER_FORGED, Code.SECURITY_GROUP_MARKER_FORGED}


def test_ports_that_trove_makes_are_not_forged(fleet, compare):
    """Nova plugs them in after that."""
    port = fleet.ports[fleet.ids[0]]
    port |= {'device_id': '', 'device_owner': ''}
    assert found(compare()) == {(Code.PORT_MARKER_FORGED, port['id'])}
    fleet.instances[fleet.ids[0]] |= {
        'status': 'BUILD', 'task_description': 'The instance is building.'}
    assert found(compare()) == set()


@pytest.mark.parametrize('has_others', [True, False])
@pytest.mark.parametrize('is_empty', [True, False])
def test_credentials_that_see_one_project_s_ports_are_refused(
        fleet, compare, has_others, is_empty):
    """Neutron does not say that there are others."""
    fleet.is_neutron_admin = False
    if has_others:
        fleet.add_port('theirs', OTHER_PROJECT, '', None)
    if is_empty:
        fleet.networking['ports'].clear()
    with pytest.raises(outcome.Denied, match='context_is_admin of Neutron'):
        compare().run()


def test_an_empty_cloud_has_no_discrepancies(fleet, compare):
    for kind in (fleet.instances, fleet.servers, fleet.volumes,
                 *fleet.networking.values()):
        kind.clear()
    assert found(compare()) == set()


@pytest.mark.parametrize('answer', [
    (403, {}), (400, {}), (201, {})])
def test_an_answer_that_is_not_understood_is_a_refusal(
        fleet, compare, answer):
    fleet.create_network = lambda body: answer
    with pytest.raises(outcome.Denied, match='may not list the ports'):
        compare().run()


# Lists that change while they are read

@pytest.fixture
def small_pages(monkeypatch):
    """Let pages be small."""
    monkeypatch.setattr(sources, 'TROVE_PAGE', 5)
    monkeypatch.setattr(sources, 'OVERLAP', 2)
    monkeypatch.setattr(sources, 'NOVA_PAGE', 3)
    monkeypatch.setattr(sources, 'CINDER_PAGE', 3)
    monkeypatch.setattr(sources, 'NEUTRON_PAGE', 3)
    monkeypatch.setattr(sources, 'PLACES', 2)


def test_pages(fleet, compare, small_pages):
    fleet.ids += fleet.grow(30)
    for instance in fleet.ids[::5]:
        unlock(fleet, instance)
    assert found(compare()) == {
        (Code.UNLOCKED, fleet.instances[instance]['server_id'])
        for instance in fleet.ids[::5]}


@pytest.mark.parametrize('deleted, touched', [
    (1, 0), (4, 0), (12, 0), (0, 1), (0, 6), (3, 3), (11, 2)])
def test_no_instance_is_missed_where_trove_s_list_moves(
        fleet, compare, small_pages, deleted, touched):
    fleet.ids += fleet.grow(60)
    for instance in fleet.ids:
        unmark(fleet, instance)
    latest_first = fleet.ids[::-1]
    pages = itertools.count(1)

    def move_on():
        if next(pages) == 3:
            for gone in latest_first[:deleted]:
                lose(fleet, gone)
                lose_volume(fleet, gone)
                del fleet.instances[gone]
            # What was ahead is at the front now, which has been read.
            for instance in latest_first[-touched:] if touched else ():
                fleet.touch(instance)

    fleet.on_page = move_on
    one = compare()
    codes = found(one)
    assert {server for _, server in codes} >= {
        instance['server_id'] for instance in fleet.instances.values()}


@pytest.mark.parametrize('deleted, more', [(1, 1), (2, 6), (3, 6)])
def test_no_volume_is_missed_where_cinder_s_list_moves(
        fleet, compare, small_pages, deleted, more):
    """Cinder can't go on from a volume that is gone.

    :param more: how many requests that costs: from the start, if all places
        to go on from are gone
    """
    for number in range(30):
        fleet.add_volume(f'other-{number}', {})
    fleet.ids += fleet.grow(10)
    for instance in fleet.ids:
        unmark_volume(fleet, instance)
    listed = 'volume', 'GET', 'detail'
    expected = found(compare())
    pages = fleet.requests.pop(listed)
    assert len(expected) == len(fleet.ids)

    def move_on(ids):
        if fleet.requests[listed] == 4:
            for gone in ids[-deleted:]:
                del fleet.volumes[gone]

    fleet.on_volumes = move_on
    assert found(compare()) == expected
    assert fleet.requests[listed] <= pages + more
    assert not fleet.requests['volume', 'GET', 'id']


@pytest.mark.parametrize('deleted', [1, 2, 3])
@pytest.mark.parametrize('collection', ['ports', 'security-groups'])
def test_nothing_is_missed_where_neutron_s_list_moves(
        fleet, compare, small_pages, collection, deleted):
    """From what is gone, Neutron goes on at the first one, or not at all."""
    for number in range(30):
        fleet.add_port(f'{number % 16:x}-other', OTHER_PROJECT, 'x', 'x')
        fleet.add_group(f'{number % 16:x}-other', OTHER_PROJECT, 'x')
    fleet.ids += fleet.grow(10)
    for instance in fleet.ids:
        unmark_port(fleet, instance)
        unmark_group(fleet, instance)
    listed = 'network', 'GET', collection
    expected = found(compare())
    pages = fleet.requests.pop(listed)
    assert len(expected) == 2 * len(fleet.ids)

    def move_on(ids):
        if fleet.requests[listed] == 4:
            for gone in ids[-deleted:]:
                if gone.endswith('-other'):
                    del fleet.networking[collection][gone]

    fleet.on_networking = move_on
    assert found(compare()) == expected
    assert fleet.requests[listed] <= pages + 6
    assert not fleet.requests['network', 'GET', collection, 'id']


def test_a_volume_that_trove_records_meanwhile_is_compared(
        fleet, compare, small_pages):
    fleet.ids += fleet.grow(10)
    last = fleet.ids[-1]
    instance = fleet.instances[last]
    volume, instance['volume_id'] = instance['volume_id'], None
    fleet.volumes[volume]['metadata'].clear()

    def record():
        instance['volume_id'] = volume
        fleet.touch(last)

    fleet.on_page = record
    assert found(compare()) == {(Code.VOLUME_MARKER_MISSING, volume)}


def test_instances_of_other_regions_are_ignored(
        fleet, compare, small_pages):
    for instance in fleet.grow(40):
        fleet.instances[instance]['region'] = 'Two'
        lose(fleet, instance)
        lose_volume(fleet, instance)
    assert found(compare()) == set()


def test_an_instance_that_came_later_is_not_forged(fleet, compare):
    """The marker leads to it."""
    def later():
        fleet.on_page = lambda: None
        unlock(fleet, fleet.grow(1)[0])

    one = compare()
    list_instances = one.trove.pages

    def pages(*arguments):
        yield from list_instances(*arguments)
        later()

    one.trove.pages = pages
    assert {code for code, _ in found(one)} == {Code.UNLOCKED}


# Fixes

def fix(one, for_real=True, project=TROVE_PROJECT):
    """Run a Comparison and fix; return {(code, id): result} as found()."""
    one.run()
    fixes.Fix(one, project, for_real).run()
    return {(discrepancy.code, subject(discrepancy)): result
            for discrepancy, result in one.ledger.results()}


def test_discrepancies_are_fixed_where_that_is_safe(fleet, compare):
    first, second, third, fourth, *_ = fleet.ids
    unlock(fleet, first)
    unmark(fleet, first)
    mark_otherwise(fleet, second)
    lose(fleet, third)
    fleet.server_of(fourth)['tenant_id'] = OTHER_PROJECT
    fleet.add_server('forged', OTHER_PROJECT, {MARKER: 'x'})

    results = fix(compare())
    assert sorted(code for (code, _), result in results.items()
                  if result == fixes.FIXED) == [
        'marker-missing', 'marker-wrong', 'tenant-lock', 'unlocked']
    assert sorted(code for (code, _), result in results.items()
                  if result == '') == [
        'marker-forged', 'server-missing', 'wrong-project']
    for instance in (first, second):
        assert fleet.server_of(instance)['metadata'][MARKER] == instance
    assert fleet.server_of(first)['locked_reason'] == (
        f'Trove: database instance {first}')
    assert fleet.server_of(fourth)['locked_by'] == 'admin'
    assert {code for code, _ in found(compare())} == {
        Code.MARKER_FORGED, Code.SERVER_MISSING, Code.WRONG_PROJECT}


def test_volumes_are_marked(fleet, compare):
    first, second, *_ = fleet.ids
    unmark_volume(fleet, first)
    fleet.volume_of(first)['metadata']['purpose'] = 'data'
    mark_volume_otherwise(fleet, second)
    fleet.add_volume('forged', {MARKER: 'x'})
    results = fix(compare())
    assert sorted((code, result) for (code, _), result
                  in results.items()) == [
        ('volume-marker-forged', ''),
        ('volume-marker-missing', fixes.FIXED),
        ('volume-marker-wrong', fixes.FIXED)]
    assert fleet.volume_of(first)['metadata'] == {
        MARKER: first, 'purpose': 'data'}
    assert fleet.volume_of(second)['metadata'] == {MARKER: second}
    assert fleet.volumes['forged']['metadata'] == {MARKER: 'x'}
    assert {code for code, _ in found(compare())} == {
        Code.VOLUME_MARKER_FORGED}


def test_volumes_of_lost_servers_are_not_marked(
        fleet, compare, monkeypatch):
    """Each has this result, although they share the server ''."""
    monkeypatch.setattr(store, 'BATCH', 2)
    for instance in fleet.ids:
        unmark_volume(fleet, instance)
        attach_to_a_host(fleet, instance)
        never_have(fleet, instance)
    results = fix(compare())
    assert [result for (code, _), result in results.items()
            if code is Code.VOLUME_MARKER_MISSING] == (
        [fixes.NOT_ATTACHED] * len(fleet.ids))
    assert writes(fleet) == 0


def test_ports_and_groups_are_tagged(fleet, compare):
    first, second, third, *_ = fleet.ids
    unmark_port(fleet, first)
    mark_port_otherwise(fleet, second)
    mark_port_twice(fleet, third)
    unmark_group(fleet, first)
    mark_group_otherwise(fleet, second)
    fleet.add_port('forged', OTHER_PROJECT, 'x', 'x', [], f'{MARKER}_x')
    results = fix(compare())
    assert sorted((code, result) for (code, _), result
                  in results.items()) == [
        ('port-marker-forged', ''),
        ('port-marker-missing', fixes.FIXED),
        ('port-marker-wrong', fixes.FIXED),
        ('port-marker-wrong', fixes.FIXED),
        ('security-group-marker-missing', fixes.FIXED),
        ('security-group-marker-wrong', fixes.FIXED)]
    assert fleet.ports[first]['tags'] == ['theirs', f'{MARKER}_{first}']
    for instance in second, third:
        assert fleet.ports[instance]['tags'] == [f'{MARKER}_{instance}']
    for instance in first, second:
        assert fleet.groups[instance]['tags'] == [f'{MARKER}_{instance}']
    assert fleet.networking['ports']['forged']['tags'] == [f'{MARKER}_x']
    assert {code for code, _ in found(compare())} == {
        Code.PORT_MARKER_FORGED}
    # A tag more takes none away that others write meanwhile.
    assert [fleet.requests['network', 'PUT', collection, 'id', 'tags']
            for collection in fleet.networking] == [3, 2]


def fixed_after(fleet, compare, drift, change):
    """Compare, have something change, and fix; return the results."""
    drift(fleet, fleet.ids[0])
    one = compare()
    one.run()
    change(fleet, fleet.ids[0])
    fixes.Fix(one, TROVE_PROJECT, True).run()
    return [now for _, now in one.ledger.results()]


def unplug(fleet, instance):
    fleet.ports[instance]['device_id'] = 'another'


def rename(fleet, instance):
    fleet.ports[instance]['name'] = 'another'


def mark_port(fleet, instance):
    fleet.ports[instance]['tags'][:] = [f'{MARKER}_{instance}']


def lose_port(fleet, instance):
    del fleet.networking['ports'][fleet.ports[instance]['id']]


@pytest.mark.parametrize('drift', [unmark_port, mark_port_otherwise])
@pytest.mark.parametrize('change, result', [
    (unplug, fixes.NOT_ON_SERVER), (rename, fixes.GONE),
    (mark_port, fixes.GONE), (lose_port, fixes.GONE)])
def test_no_port_is_tagged_unless_neutron_confirms_it(
        fleet, compare, drift, change, result):
    assert fixed_after(fleet, compare, drift, change) == [result]
    assert writes(fleet) == 0


def test_tagging_continues_after_a_refusal_by_neutron(fleet, compare):
    for instance in fleet.ids[:2]:
        unmark_group(fleet, instance)
    fleet.groups[fleet.ids[0]]['held'] = True
    assert sorted(fix(compare()).values()) == [
        'failed: Not you.', fixes.FIXED]


# What has happened between the comparison and the fix.

def detach(fleet, instance):
    fleet.volume_of(instance)['attachments'] = []


def attach_elsewhere(fleet, instance):
    fleet.volume_of(instance)['attachments'] = [{'server_id': 'other'}]


def attach_to_a_host(fleet, instance):
    fleet.volume_of(instance)['attachments'] = [{'server_id': None}]


def mark_volume(fleet, instance):
    fleet.volume_of(instance)['metadata'][MARKER] = instance


@pytest.mark.parametrize('drift', [unmark_volume, mark_volume_otherwise])
@pytest.mark.parametrize('change, result', [
    (detach, fixes.NOT_ATTACHED), (attach_elsewhere, fixes.NOT_ATTACHED),
    (attach_to_a_host, fixes.NOT_ATTACHED), (mark_volume, fixes.GONE),
    (lose_volume, fixes.GONE)])
def test_no_volume_is_marked_unless_cinder_confirms_it(
        fleet, compare, drift, change, result):
    assert fixed_after(fleet, compare, drift, change) == [result]
    assert writes(fleet) == 0


def writes(fleet):
    return sum(count for (service, method, *path), count
               in fleet.requests.items()
               if method in ('POST', 'PUT') and path != ['networks'])


@pytest.mark.parametrize('takes_tags, tags', [
    (True, ['trove_instance']), (False, [])])
def test_a_server_is_tagged_when_it_is_locked(
        fleet, compare, takes_tags, tags):
    """Without the tag the reconciler does not list it; Nova may refuse it."""
    unlock(fleet, fleet.ids[0])
    server = fleet.server_of(fleet.ids[0])
    server['tags'].clear()
    fleet.takes_tags = takes_tags
    assert set(fix(compare()).values()) == {fixes.FIXED}
    assert server['locked']
    assert server['tags'] == tags


def test_a_dry_run_changes_nothing(fleet, compare):
    unlock(fleet, fleet.ids[0])
    unmark(fleet, fleet.ids[1])
    unmark_volume(fleet, fleet.ids[2])
    unmark_port(fleet, fleet.ids[3])
    mark_group_otherwise(fleet, fleet.ids[4])
    assert set(fix(compare(), for_real=False).values()) == {
        fixes.WOULD_BE_FIXED}
    assert writes(fleet) == 0


def test_nothing_is_fixed_that_is_ok_again(fleet, compare):
    unlock(fleet, fleet.ids[0])
    one = compare()
    one.run()
    fleet.lock(fleet.instances[fleet.ids[0]]['server_id'], 'admin')
    fixes.Fix(one, TROVE_PROJECT, True).run()
    assert [result for _, result in one.ledger.results()] == [
        fixes.GONE]
    assert writes(fleet) == 0


@pytest.mark.parametrize('state', ['resize_prep', 'deleting'])
def test_servers_that_nova_works_on_are_skipped(fleet, compare, state):
    unlock(fleet, fleet.ids[0])
    fleet.server_of(fleet.ids[0])['OS-EXT-STS:task_state'] = state
    assert set(fix(compare()).values()) == {fixes.IN_TRANSITION}
    assert writes(fleet) == 0


def test_no_lock_is_set_that_the_tenant_could_remove(fleet, compare):
    instance, = fleet.grow(1, USER_PROJECT)
    unlock(fleet, instance)
    results = fix(compare('user'), project=USER_PROJECT)
    assert results[
        Code.UNLOCKED, fleet.instances[instance]['server_id']] == (
        fixes.SAME_PROJECT)
    assert writes(fleet) == 0


def test_fixing_continues_after_a_refusal(fleet, compare):
    for instance in fleet.ids[:2]:
        unlock(fleet, instance)
    one = compare()
    one.run()
    refused = []

    def lock(server, instance):
        if not refused:
            refused.append(server)
            raise exceptions.Forbidden('only Trove may')
        fleet.lock(server, 'admin')

    one.nova.lock = lock
    fixes.Fix(one, TROVE_PROJECT, True).run()
    assert sorted(result for _, result in one.ledger.results()) == [
        'failed: only Trove may (HTTP 403)', 'fixed']


def test_marking_continues_after_a_refusal_by_cinder(fleet, compare):
    for instance in fleet.ids[:2]:
        unmark_volume(fleet, instance)
    fleet.volume_of(fleet.ids[0])['status'] = 'maintenance'
    assert sorted(fix(compare()).values()) == [
        'failed: Not in maintenance.', fixes.FIXED]


@pytest.mark.parametrize('answer, result', [
    ('y\n', fixes.FIXED), ('n\n', ''), ('\n', ''), ('', '')])
def test_fixing_asks_for_confirmation(fleet, compare, answer, result):
    unlock(fleet, fleet.ids[0])
    one = compare()
    one.run()
    asking = command.Drift.__new__(command.Drift)
    asking.app = argparse.Namespace(stdin=io.StringIO(answer),
                                    stderr=io.StringIO())
    asking._fix(fixes.Fix(one, TROVE_PROJECT, True),
                argparse.Namespace(yes=False))
    assert asking.app.stderr.getvalue() == 'Fix 1 discrepancy? [y/N] '
    assert [now for _, now in one.ledger.results()] == [result]


# Patience

def test_calls_to_a_busy_cloud_are_retried(fleet, compare, no_pauses):
    fleet.trouble = lambda number: {
        0: (503, {}), 1: (429, {'Retry-After': '17'})}.get(number % 3)
    unlock(fleet, fleet.ids[0])
    assert {code for code, _ in found(compare())} == {Code.UNLOCKED}
    assert max(no_pauses) >= 17
    assert all(pause < 17 + 31 for pause in no_pauses)


@pytest.mark.parametrize('status, error', [
    (503, exceptions.ServiceUnavailable), (429, exceptions.HttpError)])
def test_retries_end(fleet, compare, no_pauses, status, error):
    one = compare()
    fleet.trouble = lambda number: (status, {})
    with pytest.raises(error):
        one.nova.show('x')
    assert len(no_pauses) == retries.ATTEMPTS - 1


def test_other_errors_are_not_retried(fleet, compare, no_pauses):
    one = compare()
    fleet.trouble = lambda number: (500, {})
    with pytest.raises(exceptions.InternalServerError):
        one.nova.show('x')
    assert no_pauses == []


def test_connection_failures_are_retried(fleet, no_pauses):
    stderr = io.StringIO()
    with fleet.served() as url:
        session = retries.PatientSession(
            sessions.Session(), progress_bar.Progress(stderr))
    with pytest.raises(outcome.Unavailable, match='Connection refused'):
        session.get(url, authenticated=False)
    assert len(no_pauses) == retries.ATTEMPTS - 1
    first = stderr.getvalue().splitlines()[0]
    assert re.fullmatch(
        rf'{url}/ is unreachable: Connection refused: waiting for \d+ s '
        rf'\(attempt 1 of {retries.ATTEMPTS}\)', first)


def test_a_pause_is_shown_with_its_reason_and_length(fleet, compare):
    stderr = io.StringIO()
    one = compare(stderr=stderr)
    fleet.trouble = lambda number: (
        None if stderr.getvalue() else (503, {'Retry-After': '17'}))
    one.nova.show('x')
    assert re.fullmatch(
        r'HTTP 503 from http://\S+/servers/x: waiting for 1\d s \(attempt 1 '
        r'of \d\)\n', stderr.getvalue())


def test_of_pauses_at_the_same_time_one_is_shown():
    stderr = io.StringIO()
    progress = progress_bar.Progress(stderr)
    progress.waiting('the first', 60)
    progress.waiting('the second', 60)
    assert stderr.getvalue() == 'the first\n'


def test_every_later_pause_is_shown():
    stderr = io.StringIO()
    progress = progress_bar.Progress(stderr)
    progress.waiting('the first', 0)
    progress.waiting('the second', 0)
    assert stderr.getvalue() == 'the first\nthe second\n'


@pytest.mark.parametrize('text, seconds', [
    ('5', 5), ('0', 0), ('-3', 0), ('', 0), ('soon', 0),
    ('Wed, 21 Oct 2015 07:28:00 GMT', 0),
    ('Wed, 21 Oct 2015 07:28:00 -0000', 0)])
def test_retry_after(text, seconds):
    assert retries.asked_for({'Retry-After': text}) == seconds


def test_retry_after_a_date():
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
        seconds=60)
    text = email.utils.format_datetime(moment, usegmt=True)
    assert 50 < retries.asked_for({'Retry-After': text}) <= 60


def test_pauses_have_a_limit():
    class State:
        class outcome:
            failed = False

            @staticmethod
            def result():
                return type('Answer', (), {
                    'headers': {'Retry-After': '86400'}})
        attempt_number = 1

    assert retries.pause(State) == retries.LONGEST_PAUSE


# Jobs

def test_no_more_jobs_than_allowed_run_at_a_time():
    under_way, most, taken = [], [], []

    def take():
        for number in range(50):
            taken.append(number)
            yield number

    def work(number):
        under_way.append(number)
        most.append(len(under_way))
        under_way.remove(number)
        return -number

    for count, (item, answer) in enumerate(workers.each(work, take(), 4)):
        assert (item, answer) == (count, -count)
        assert len(taken) <= count + 4
    assert count == 49
    assert max(most) <= 4


def test_a_failing_job_stops_the_others():
    begun = []

    def work(number):
        begun.append(number)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(workers.each(work, range(1000), 3))
    assert len(begun) <= 3


@pytest.mark.parametrize('where', ['caller', 'job'])
def test_an_interrupt_waits_for_no_job(where):
    begun, over, waits = threading.Event(), threading.Event(), []

    def work(number):
        if number:
            begun.set()
            waits.append(over.wait(10))
            return
        begun.wait()
        if where == 'job':
            raise KeyboardInterrupt

    jobs = workers.each(work, range(2), 2)
    if where == 'job':
        with pytest.raises(KeyboardInterrupt):
            next(jobs)
    else:
        next(jobs)
        jobs.close()
    assert waits == []
    over.set()


# Where it was cut off

class Cut(BaseException):
    """As a kill."""


@pytest.mark.parametrize('number', range(1, 100, 4))
def test_an_interrupted_run_continues(
        fleet, compare, small_pages, tmp_path, number, monkeypatch):
    fleet.ids += fleet.grow(20)
    for drift, instance in zip((drift for drift, _ in DRIFTS), fleet.ids):
        drift(fleet, instance)
    fleet.add_server('forged', OTHER_PROJECT, {MARKER: 'x'})
    fleet.add_volume('forged', {MARKER: 'x'})
    fleet.add_port('forged', OTHER_PROJECT, '', None, [], f'{MARKER}_x')
    expected = found(compare())
    whole = sum(fleet.requests.values())

    fleet.requests.clear()
    path = str(tmp_path / 'state')
    sent = itertools.count(1)
    request = retries.PatientSession.request

    def until(*arguments, **how):
        if next(sent) == number:
            raise Cut
        return request(*arguments, **how)

    ledger = store.Ledger(path, 'a test')
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(retries.PatientSession, 'request', until)
        compare(ledger=ledger).run()
        # Shorter than the cut is far.
        raise Cut
    ledger.close()
    ledger = store.Ledger(path, 'a test')
    assert found(compare(ledger=ledger)) == expected
    ledger.close()
    # It does not begin again, but for what was under way.
    assert sum(fleet.requests.values()) <= whole + 6


def test_a_failed_transaction_writes_nothing():
    ledger = store.Ledger('', 'a test')
    with pytest.raises(Cut), ledger.transaction():
        ledger.add_owner_lock('a server')
        raise Cut
    assert not ledger.has_owner_lock('a server')


def test_a_state_of_something_else_is_refused(tmp_path):
    path = str(tmp_path / 'state')
    store.Ledger(path, 'one').close()
    with pytest.raises(outcome.Refused, match='another comparison: one'):
        store.Ledger(path, 'another')


def test_a_state_in_use_is_refused(tmp_path):
    path = str(tmp_path / 'state')
    store.Ledger(path, 'one')
    ledger = store.Ledger(str(tmp_path / 'other'), 'one')
    with ledger.transaction():
        with pytest.raises(outcome.Refused, match='locked'):
            store.Ledger(str(tmp_path / 'other'), 'one')


def test_a_file_that_is_no_state_is_refused_and_unchanged(tmp_path):
    path = tmp_path / 'state'
    path.write_text('my only copy of something, in text\n' * 100)
    before = path.read_text()
    with pytest.raises(outcome.Refused, match='not a database'):
        store.Ledger(str(path), 'one')
    assert path.read_text() == before


# Progress

class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_for_terminals():
    for stream, is_shown in ((Terminal(), True), (io.StringIO(), False)):
        progress = progress_bar.Progress(stream)
        with progress.shown():
            progress.update('Servers', 5, 10)
        assert bool(stream.getvalue()) == is_shown


@pytest.mark.parametrize('count, total, shown', [
    (0, 3, r'\[ {30}\] 0/3'), (3, 3, r'\[#{30}\] 3/3'),
    (1, 3, r'\[#{10} {20}\] 1/3'), (7, None, '7'), (0, 0, '0')])
def test_a_bar(count, total, shown):
    assert re.fullmatch(f'Servers: {shown}',
                        progress_bar.line('Servers', count, total))
