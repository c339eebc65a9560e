# SPDX-License-Identifier: Apache-2.0
"""Hostile bytes from the owner of a managed port, with a valid token.

Neutron has two routers that know one call by many spellings. Whatever the
spelling, the guard refuses it, and nothing is called to change anything. Each
spelling acts behind a stock Neutron, too: else it would prove nothing.
"""

import json
import uuid

import pytest

from tests.functional import networks_scene
from tests.functional import networks_table as table
from tests.functional import tricks
from tests.functional import wire

API = '/v2.0'
JSON = tricks.JSON


def rows(*wanted):
    """Return the rows of the table with a method and a path."""
    return [row for method, path in wanted for row in table.ROWS
            if (row.method, row.path) == (method, path)]


ROWS = rows(
    ('PUT', '/ports/$port'), ('DELETE', '/ports/$port'),
    ('PUT', '/ports/$port/tags'), ('DELETE', '/ports/$port/tags/$tag'),
    ('PUT', '/security-groups/$group'), ('DELETE', '/security-groups/$group'),
    ('DELETE', '/security-groups/$group/tags'),
    ('POST', '/security-group-rules'),
    ('DELETE', '/security-group-rules/$rule'),
    ('POST', '/floatingips'), ('PUT', '/floatingips/$free_ip'),
    ('POST', '/floatingips/$free_ip/port_forwardings'),
    ('DELETE', '/floatingips/$forwarding_ip/port_forwardings/$forwarding'),
    ('POST', '/trunks'))
ACTIONS = rows(
    ('PUT', '/trunks/$free_trunk/add_subports'),
    ('PUT', '/trunks/$subport_trunk/remove_subports'),
    ('PUT', '/routers/$router/add_router_interface'))


def _of_path(spell):
    """Return the spelling of a request by that of its path."""
    def request(row, path, body):
        return wire.request(row.method, API + spell(path),
                            'X-Auth-Token: $token', JSON, body=body)
    return request


def _with(*headers, chunks=False):
    """Return the spelling of a request that has other headers."""
    def request(row, path, body):
        return wire.request(
            row.method, API + path, 'X-Auth-Token: $token', *headers,
            body=wire.chunked(body) if chunks else body,
            length=not chunks)
    return request


def _overridden(method, by, headers=(JSON,)):
    """Return the spelling of a request with another method than it has."""
    def request(row, path, body):
        return wire.request(method or row.method,
                            f'{API}{path}?_method={by or row.method}',
                            'X-Auth-Token: $token', *headers, body=body)
    return request


SPELLINGS = {
    'underscores': _of_path(lambda path: path.replace(
        'security-group', 'security_group').replace('-rules', '_rules')),
    'format': _of_path(lambda path: f'{path}.json'),
    'slash at the end': _of_path(lambda path: f'{path}/'),
    'index': _of_path(lambda path: f'{path}/index'),
    'index with a format': _of_path(lambda path: f'{path}/index.json'),
    'prefix of logs': _of_path(lambda path: f'/log{path}'),
    'percent-encoded letters': _of_path(
        lambda path: path.replace('o', '%6F').replace('s', '%73')),
    'override by the same method': _overridden(None, None),
    'override of a read': _overridden('GET', None),
    'override of a write': _overridden('POST', None),
    'override by a read': _overridden(None, 'GET'),
    'no content type': _with(),
    'JSON as text': _with('Content-Type: text/plain'),
    'JSON as a form': _with(tricks.FORM),
    'chunks': _with(JSON, tricks.CHUNKED, chunks=True),
}
EACH_SPELLING = pytest.mark.parametrize('spelling', SPELLINGS)
EACH_ROW = pytest.mark.parametrize('row', ROWS + ACTIONS, ids=str)


def spelt(networks, row, spelling, holding, url):
    """Return the bytes of a row in a spelling."""
    path, body = holding.fill_in(row.path), holding.fill_in(row.body)
    request = SPELLINGS[spelling](
        row, path, json.dumps(body).encode() if body else b'')
    return tricks.Trick(spelling, request, works=True).fill_in(
        networks.scene, url)


@EACH_ROW
def test_no_spelling_gets_past_the_guard(networks, neutron_witness, row):
    url = networks.scene.cloud.urls['neutron']
    victim = networks.holding(instance=str(uuid.uuid4()))
    for name in networks_scene.named(row):
        victim[name]
    before = victim.describe()
    for spelling in SPELLINGS:
        request = spelt(networks, row, spelling, victim, url)
        mark = neutron_witness.mark()
        status, body = wire.send(url, request)
        assert not neutron_witness.since(mark), spelling
        assert victim.describe() == before, spelling
        assert status == 403, (spelling, body)
        assert b'Trove' in body, spelling


@pytest.mark.production
@EACH_SPELLING
def test_it_is_one_of_neutron_s_own(networks, spelling):
    url = networks.scene.cloud.urls['neutron-unguarded']

    def acts(row):
        victim = networks.holding()
        request = spelt(networks, row, spelling, victim, url)
        before = victim.describe()
        wire.send(url, request)
        return victim.describe() != before

    assert any(map(acts, ROWS))


# Lists of several things in one body.

FREE = {**table.RULE, 'security_group_id': '$other_group'}
LISTS = {
    'plain': {'security_group_rules': [FREE, table.RULE]},
    'wrapped': {'security_group_rules': [
        {'security_group_rule': FREE}, {'security_group_rule': table.RULE}]},
    'beside one': {'security_group_rule': FREE,
                   'security_group_rules': [table.RULE]},
    'one beside them': {'security_group_rule': table.RULE,
                        'security_group_rules': [FREE]},
}


@pytest.mark.parametrize('form', LISTS)
@pytest.mark.parametrize('path', (
    '/security-group-rules', '/security_group_rules/index',
    '/security-group-rules.json'))
def test_no_list_gets_past_the_guard(networks, neutron_witness, path, form):
    victim = networks.holding(instance=str(uuid.uuid4()))
    body = victim.fill_in(LISTS[form])
    before, mark = victim.describe(), neutron_witness.mark()
    answer = networks.ask('owner', 'POST', path, body)
    assert not neutron_witness.since(mark)
    assert victim.describe() == before
    assert answer.status_code == 403
    assert f'Security group {victim.group} is managed by Trove' in answer.text
