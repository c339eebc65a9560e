# SPDX-License-Identifier: Apache-2.0
"""What the guard reads in a request to Cinder."""

import base64
import json

import pytest
import webob

from nova_trove_guard.cinder import identifiers
from nova_trove_guard.cinder import operations
from nova_trove_guard.cinder import reader
from nova_trove_guard.core import documents
from tests.unit.cinder import cinder_api as api

VOLUME, GROUP = api.MANAGED['volume'], api.MANAGED['group']


def read(method, path, body=b''):
    """Return the Call that a request is."""
    return reader.read(webob.Request.blank(
        path, method=method, body=body).environ)


@pytest.mark.parametrize('method, path', [
    ('DELETE', '/volumes/{}'), ('DELETE', '/volumes/{}.json'),
    ('DELETE', f'/{api.PROJECT}/volumes/{{}}'), ('DELETE', '/x/volumes/{}'),
    ('DELETE', f'/{api.PROJECT}/volumes/{{}}.json'),
    ('DELETE', '/volumes/{}%0A'), ('DELETE', '/volumes/{}.json%0A'),
    ('GET', '/volumes/{}?_method=DELETE'),
    ('GET', '/volumes/{}?_method=delete'),
    ('POST', '/volumes/{}?_method=DELETE'),
    ('PATCH', '/volumes/{}?a=1&_method=DELETE')])
def test_a_volume_is_deleted_in_many_spellings(method, path):
    call = read(method, path.format(VOLUME))
    assert call.operation.name == 'volume:delete'
    assert call.resource_id('volume') == VOLUME


@pytest.mark.parametrize('path', [
    '/volumes/{}/metadata', '/x/volumes/{}/metadata',
    '/volumes/volumes/{}/metadata', '/groups/volumes/{}/metadata'])
def test_any_segment_can_stand_for_the_project(path):
    call = read('PUT', path.format(VOLUME))
    assert call.operation.name == 'volume:metadata_update_all'
    assert call.identifier == VOLUME


def test_the_format_is_no_part_of_a_metadata_key():
    call = read(
        'DELETE', f'/volumes/{VOLUME}/metadata/{api.METADATA_KEY}.json')
    assert call.item == api.METADATA_KEY


@pytest.mark.parametrize('method, path, body, name', [
    ('POST', '/volumes/{}/action', b'{"os-extend": {}}', 'volume:extend'),
    ('POST', '/volumes/{}/action.json', b'{"os-extend": 1}', 'volume:extend'),
    ('GET', '/volumes/{}/action?_method=POST', b'{"os-extend": {}}',
     'volume:extend'),
    ('POST', '/volumes/{}/action', b'{"os-\\u0065xtend": {}}',
     'volume:extend'),
    ('POST', '/volumes/{}/action', b'{"os-extend": 1, "os-extend": {}}',
     'volume:extend'),
    ('POST', '/volumes/{}/action', b'{"os-new": {}}', 'volume:unknown'),
    ('POST', '/groups/{}/action', b'{"os-new": {}}', 'volume:group_unknown'),
    ('POST', '/groups/{}/action', b'{"delete": {}}', 'volume:group_delete'),
    ('DELETE', '/groups/{}', b'{"delete": {"delete-volumes": true}}',
     'volume:group_delete'),
    ('PUT', '/consistencygroups/{}/update', b'{"consistencygroup": {}}',
     'volume:consistencygroup_update'),
    ('PATCH', '/volumes/{}', b'', 'volume:unknown'),
    ('DELETE', '/attachments/{}/x/y', b'', 'volume:attachment_unknown')])
def test_an_operation_is_read(method, path, body, name):
    call = read(method, path.format(VOLUME), body)
    assert call.operation.name == name
    assert call.is_readable
    assert call.identifier == VOLUME


@pytest.mark.parametrize('body', [
    b'', b'{', b'[]', b'["os-extend"]', b'null', b'"x"', b'{}', b'\xff',
    b'{"os-extend": {}, "os-detach": {}}', b'[' * 5000],
    ids=lambda body: repr(body[:20]))
def test_an_action_that_can_t_be_read_is_known_to_be_none(body):
    call = read('POST', f'/volumes/{VOLUME}/action', body)
    assert call.operation is operations.UNKNOWN['volumes']
    assert not call.is_readable


def test_the_volumes_of_a_group_are_split_as_by_cinder():
    body = json.dumps({'group': {
        'add_volumes': f',{VOLUME},x ,{VOLUME},', 'remove_volumes': ''}})
    call = read('PUT', f'/groups/{GROUP}', body.encode())
    assert [each.identifier for each in call.named()] == [
        GROUP, VOLUME, 'x ']


@pytest.mark.parametrize('volumes', [7, [VOLUME], {}, True])
def test_the_volumes_of_a_group_must_be_a_string(volumes):
    body = json.dumps({'group': {'add_volumes': volumes}})
    with pytest.raises(documents.Unreadable):
        read('PUT', f'/groups/{GROUP}', body.encode()).named()


def test_the_record_of_a_backup_is_read():
    record = '{"volume_id": "' + VOLUME.replace('0', '\\u0030') + '"}'
    assert list(identifiers.uuids_in_record(
        base64.b64encode(record.encode()).decode())) == [VOLUME]


@pytest.mark.parametrize('key', identifiers.RESOURCES)
@pytest.mark.parametrize('identifier', [
    VOLUME.replace('a', 'ä', 1), f'{VOLUME} ', f'{VOLUME}\n', '', 0, [VOLUME]])
def test_a_record_that_names_what_is_no_uuid_is_refused(key, identifier):
    """MariaDB takes some of these for equal to the UUID of a volume."""
    record = json.dumps({'id': GROUP, key: identifier})
    with pytest.raises(documents.Unreadable):
        identifiers.uuids_in_record(base64.b64encode(record.encode()).decode())


def test_what_a_record_need_not_name_may_be_missing():
    record = json.dumps({'id': GROUP, 'parent_id': None})
    assert list(identifiers.uuids_in_record(
        base64.b64encode(record.encode()).decode())) == [GROUP]


@pytest.mark.parametrize('record', [None, 7, '', 'x', '\ud800', 'e30', []])
def test_a_record_that_can_t_be_read_is_refused(record):
    with pytest.raises(documents.Unreadable):
        identifiers.uuids_in_record(record)


@pytest.mark.parametrize('method, path', [
    ('GET', '/'), ('GET', ''), ('GET', '/volumes/detail.json'),
    ('GET', '/volumes.json'), ('HEAD', '/volumes'), ('DELETE', '/volumes'),
    ('POST', '/types'), ('DELETE', '/types/x'), ('GET', '/x/y/z'),
    ('GET', f'/{api.PROJECT}/attachments/summary')])
def test_what_names_no_volume_passes(method, path):
    assert read(method, path) is None


@pytest.mark.parametrize('path', [
    '/volumes', '/volumes/detail', f'/volumes/{VOLUME}',
    f'/{api.PROJECT}/volumes/{VOLUME}/metadata/x', '/attachments'])
def test_plain_reads_take_the_short_way(path):
    assert reader._is_read(path)


@pytest.mark.parametrize('path', [
    f'/attachments/{VOLUME}', f'/backups/{VOLUME}/export_record',
    '/attachments/detail', '/x/attachments/detail', '/attachments/detail.json',
    '/attachments/detail\n'])
def test_reads_that_leak_do_not(path):
    assert not reader._is_read(path)
