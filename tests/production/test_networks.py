# SPDX-License-Identifier: Apache-2.0
"""The guard before Neutron's routers, with Neutron's database on MariaDB."""

import json
import os
import signal
import time
import urllib.parse

import pytest

from nova_trove_guard.core import deadline
from nova_trove_guard.neutron import tags
from tests.production import mariadb
from tests.unit.neutron import conftest as neutron_api
from tests.unit.neutron import questions
from tests.unit.neutron import test_filter

# All tests and fixtures of the unit tests; only the database is another.
globals().update({
    name: value for name, value in vars(test_filter).items()
    if name.startswith('test_') or name == 'send'})

MANAGED, FREE = questions.MANAGED, questions.FREE
OWNER, ADMIN = questions.OWNER, questions.ADMIN
# MariaDB takes each for the id.
SPELLINGS = {
    'in upper case': str.upper,
    'with a space behind it': lambda identifier: f'{identifier} ',
    'with a wide digit': lambda identifier: identifier.replace('0', '０', 1),
    'with an accent': lambda identifier: identifier.replace('c', 'ç', 1),
    'shorter': lambda identifier: identifier.replace('11', '⑪'),
    'with what is ignored': lambda identifier: identifier.replace(
        '1111', '⑪\xad11'),
}
SPELT = pytest.mark.parametrize('spell', SPELLINGS.values(), ids=SPELLINGS)


def test_mariadb_takes_each_spelling_for_the_id(server):
    for spell in SPELLINGS.values():
        spelt = spell(MANAGED['port'])
        assert server.execute(
            'USE neutron',
            f'SELECT id FROM ports WHERE id = CONVERT("{spelt}" USING '
            'utf8mb4) COLLATE utf8mb4_uca1400_ai_ci') == (
                (MANAGED['port'],),), spelt


@SPELT
@test_filter.CASES
def test_no_spelling_of_an_id_leads_to_what_is_managed(
        neutron, operation, method, path, number, spell):
    which = {kind: spell(identifier) for kind, identifier in MANAGED.items()}
    where, body = list(questions.requests(operation, path, which))[number]
    answer = neutron.ask(method, urllib.parse.quote(where), body, ADMIN)
    assert answer.dispatched == []
    # Neutron itself refuses some bodies and characters.
    assert answer.status in (400, 403, 404)


def test_a_stranger_gets_nothing_done_by_two_spellings(neutron):
    ids = [MANAGED['port'], MANAGED['port'].upper()]
    for ports in ids, ids[::-1]:
        for path in '/local-ips', '/local-ips/':
            answer = neutron.ask('POST', path, {'local_ips': [
                {'local_port_id': port} for port in ports]},
                test_filter.STRANGER)
            assert (answer.status, answer.dispatched) == (404, [])


# MariaDB takes each for the marker, so that Trove could not write that.
TAGS = {
    'accent': questions.TAG.replace('o', 'ó', 1),
    'wide': questions.TAG.replace('t', 'ｔ', 1),
    'stroke': questions.TAG.replace('_id_', '_iđ_'),
    'ignored': questions.TAG.replace('_', '\xad_', 1),
    'two in one': questions.TAG.replace('st', 'ﬆ'),
    'script': questions.TAG.replace('_', '\u0640_', 1),
}


@pytest.mark.parametrize('tag', TAGS.values(), ids=TAGS)
@pytest.mark.parametrize('method, path, body', [
    ('POST', '/ports', {'port': {'network_id': FREE['network'],
                                 'tags': ['{}']}}),
    ('PUT', f'/ports/{FREE["port"]}/tags', {'tags': ['{}']}),
    ('POST', f'/security-groups/{FREE["security_group"]}/tags',
     {'tags': ['{}']}),
    ('PUT', f'/ports/{FREE["port"]}/tags/{{}}/', None)])
def test_nobody_keeps_trove_from_marking(
        neutron, server, tag, method, path, body):
    assert server.execute(
        f'SELECT CONVERT("{tag}" USING utf8mb4) COLLATE '
        f'utf8mb4_uca1400_ai_ci = "{questions.TAG}"') == ((1,),)
    body = body and json.loads(json.dumps(body).replace(
        '{}', json.dumps(tag)[1:-1]))
    answer = neutron.ask(
        method, path.replace('{}', urllib.parse.quote(tag)), body, OWNER)
    assert (answer.status, answer.dispatched) == (403, [])
    assert 'only Trove may write it' in answer.fault


@pytest.mark.parametrize('collation', [
    'utf8mb4_general_ci', 'utf8mb4_unicode_ci', 'utf8mb4_uca1400_ai_ci'])
def test_nobody_writes_a_marker_with_any_character_of_unicode(
        server, collation):
    weights = dict(server.execute(
        'SET NAMES utf8mb4', 'USE mysql',
        'CREATE TEMPORARY TABLE weights '
        'SELECT seq, HEX(WEIGHT_STRING(CONVERT(CHAR(seq USING utf32) '
        f'USING utf8mb4) COLLATE {collation})) weight '
        'FROM seq_32_to_1114111 WHERE seq NOT BETWEEN 0xd800 AND 0xdfff',
        'CREATE TEMPORARY TABLE ascii '
        'SELECT DISTINCT weight FROM weights WHERE seq < 127',
        # Those that begin as an ASCII character does.
        'SELECT seq, weight FROM weights WHERE LEFT(weight, 4) IN ('
        'SELECT weight FROM ascii)'))
    ascii_of = {weights[seq]: chr(seq).lower() for seq in range(32, 127)}
    others = 0
    for seq, weight in weights.items():
        equal = [ascii_of.get(weight[start:start + 4])
                 for start in range(0, len(weight), 4)]
        if seq > 127 and all(equal):
            others += 1
            assert tags.may_be_taken_for_marker(
                f'trove{chr(seq)}_id_', f'trove{"".join(equal)}_id'), hex(seq)
    assert others > 400


# Calls whose resources are looked up.
LOOKED_UP = [
    ('DELETE', f'/ports/{FREE["port"]}', None),
    ('POST', '/security-group-rules', {'security_group_rule': {
        'security_group_id': FREE['security_group'],
        'direction': 'ingress'}}),
    ('PUT', f'/floatingips/{FREE["floating_ip"]}',
     {'floatingip': {'port_id': FREE['port']}}),
    ('POST', '/unheard-of', {'id': FREE['port']})]


def unavailable(neutron, call):
    """Return whether a call gets no further than the guard."""
    answer = neutron.ask(*call, ADMIN)
    assert answer.dispatched == []
    return answer.status == 503 and 'Try again later' in answer.fault


def test_a_lookup_that_hangs_is_a_failure_in_time(neutron, server):
    began = time.monotonic()
    with server.stopped():
        assert unavailable(neutron, LOOKED_UP[0])
    assert time.monotonic() - began < deadline.SECONDS * 1.5


@pytest.mark.parametrize('managed', [True, False])
def test_a_connection_that_the_server_ended_is_right_or_a_failure(
        neutron, server, managed):
    for _ in range(5):
        server.kill_connections()
        which = MANAGED if managed else FREE
        answer = neutron.ask('DELETE', f'/ports/{which["port"]}', None, ADMIN)
        if answer.status != 503:
            assert bool(answer.dispatched) != managed
            assert (answer.status == 403) == managed


def test_all_is_unavailable_without_a_database(tmp_path):
    with (mariadb.running() as server, neutron_api.running(
            tmp_path, server.create('neutron')) as neutron):
        for call in LOOKED_UP[:-1]:
            assert neutron.ask(*call, ADMIN).dispatched
        os.kill(int((server.directory / 'pid').read_text()), signal.SIGKILL)
        for call in LOOKED_UP:
            assert unavailable(neutron, call), call


@pytest.fixture(scope='module')
def grown(neutron, server):
    """Have more rows, without which MariaDB reads a table as a whole."""
    neutron.run('grow')
    server.execute('USE neutron', *(
        f'ANALYZE TABLE {table}'
        for table, in server.execute('SHOW TABLES FROM neutron')))


@pytest.mark.parametrize('kind', [*questions.KINDS, 'anything'])
def test_all_is_found_by_an_index(neutron, server, grown, kind):
    which = FREE.get(kind, FREE['port'])
    plan = server.execute(
        'USE neutron', 'EXPLAIN ' + neutron.run('statement', kind, [which]))
    assert len(plan) > 1
    # Nothing is read as a whole, be it a table or an index.
    assert not {'ALL', 'index'} & {
        row[3] for row in plan if row[1] != 'UNION RESULT'}, plan
