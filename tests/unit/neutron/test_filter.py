# SPDX-License-Identifier: Apache-2.0
"""The guard before Neutron's routers: what it refuses and lets pass."""

import json
import re

import pytest

from nova_trove_guard.core import calls
from nova_trove_guard.neutron import operations
from tests.unit.neutron import questions

MANAGED, FREE = questions.MANAGED, questions.FREE
OWNER, ADMIN, TROVE_ADMIN, NOVA, FOR_OWNER = (
    questions.OWNER, questions.ADMIN, questions.TROVE_ADMIN, questions.NOVA,
    questions.NOVA_FOR_OWNER)
STRANGER = {'project_id': questions.OTHER_PROJECT}


def cases():
    """Yield (operation, method, path, number of the body) of each call."""
    for operation, method, path in operations.documented():
        if method == '*':
            continue
        for number, _ in enumerate(
                questions.requests(operation, path, questions.MANAGED)):
            yield pytest.param(operation, method, path, number,
                               id=f'{operation.name}-{number}')


CASES = pytest.mark.parametrize('operation, method, path, number', list(
    cases()))


@pytest.fixture
def send(neutron, operation, method, path, number):
    """Return a function that sends a case's request."""
    def ask(which, who, **how):
        where, body = list(questions.requests(operation, path, which))[number]
        return neutron.ask(method, where, body, who, **how)

    return ask


@CASES
@pytest.mark.parametrize('who', [OWNER, ADMIN, FOR_OWNER],
                         ids=['owner', 'admin', 'for owner'])
def test_a_guarded_call_on_something_managed_is_refused(send, operation, who):
    answer = send(MANAGED, who)
    passes = who is FOR_OWNER and operation.used_by_services
    assert (answer.status == 403) != passes
    if not passes:
        assert answer.dispatched == []
        assert ('is managed by Trove as database instance '
                f'{questions.DATABASE_INSTANCE}' in answer.fault)
        assert operation.name in answer.fault


@CASES
def test_it_passes_from_the_trove_admin(send):
    assert len(send(MANAGED, TROVE_ADMIN).dispatched) == 1


@CASES
def test_nova_binds_ports(send, operation):
    answer = send(MANAGED, NOVA)
    assert len(answer.dispatched) == operation.used_by_services
    assert (answer.status == 403) != operation.used_by_services


@CASES
@pytest.mark.parametrize('who', [ADMIN, NOVA], ids=['admin', 'nova'])
def test_it_passes_on_what_is_not_managed(send, who):
    assert len(send(FREE, who).dispatched) == 1


@CASES
def test_others_learn_as_much_as_of_what_is_not_managed(send):
    """As of another project's, or as of nothing where Neutron would act."""
    def answer(which, is_guarded):
        got = send(which, STRANGER, is_guarded=is_guarded)
        body = got.body.decode()
        for identifier in (*which.values(), calls.NIL_UUID):
            body = body.replace(identifier, 'ID')
        # Neutron caches the type of an RBAC policy that it has read before.
        body = re.sub('of type \\w+', '', body)
        return got.status, body, got.dispatched

    nothing = dict.fromkeys(FREE, calls.NIL_UUID)
    of_others = answer(FREE, False)
    assert answer(MANAGED, True) == (
        answer(nothing, False) if of_others[-1] else of_others)


@pytest.mark.parametrize('method, path, body', [
    ('DELETE', f'/ports/{MANAGED["port"]}', None),
    ('POST', f'/floatingips/{FREE["floating_ip"]}/port_forwardings',
     {'port_forwarding': {'internal_port_id': MANAGED['port']}})])
def test_who_owns_the_network_sees_why(neutron, method, path, body):
    answer = neutron.ask(method, path, body, {
        'project_id': questions.NETWORK_PROJECT})
    assert answer.status == 403
    assert 'is managed by Trove' in answer.fault


MARKERS = [questions.TAG, questions.TAG.upper(), 'trove_instance_id_']


@pytest.mark.parametrize('who', [OWNER, ADMIN, NOVA],
                         ids=['owner', 'admin', 'nova'])
@pytest.mark.parametrize('tag', MARKERS)
@pytest.mark.parametrize('method, path, body', [
    ('POST', '/ports', {'port': {'network_id': 'x', 'tags': ['a', '{}']}}),
    ('POST', '/ports', {'ports': [{'tags': []}, {'tags': ['{}']}]}),
    ('POST', '/ports', {'ports': [{'port': {'tags': ['{}']}}]}),
    ('POST', '/ports/', {'port': {'tags': ['{}']}}),
    *((method, f'/{collection}/{FREE[kind]}/tags{item}', body)
      for collection, kind in (('ports', 'port'),
                               ('security-groups', 'security_group'))
      for method, item, body in (
          ('POST', '', {'tags': ['{}']}), ('PUT', '', {'tags': ['a', '{}']}),
          ('PUT', '/', {'tags': ['{}']}), ('PUT', '/index', {'tags': ['{}']}),
          ('PUT', '/{}', None), ('PUT', '/{}.json', None),
          ('PUT', '/{}/', None), ('GET', '/{}?_method=PUT', None)))])
def test_nobody_but_trove_marks(neutron, who, tag, method, path, body):
    def marked(text):
        return text.replace('{}', tag)

    body = body and json.loads(marked(json.dumps(body)))
    answer = neutron.ask(method, marked(path), body, who)
    assert (answer.status, answer.dispatched) == (403, [])
    assert answer.fault == (
        'The resource tag trove_instance_id marks the resources that Trove '
        'manages: only Trove may write it.')


def test_trove_marks(neutron):
    tags = f'/ports/{FREE["port"]}/tags'
    for method, path, body in (
            ('POST', '/ports', {'port': {
                'network_id': FREE['network'], 'tags': [questions.TAG]}}),
            ('PUT', f'{tags}/{questions.TAG}', None),
            ('PUT', tags, {'tags': [questions.TAG]})):
        assert neutron.ask(method, path, body, TROVE_ADMIN).dispatched


def test_other_tags_and_names_pass(neutron):
    for method, path, body in (
            ('POST', '/ports', {'port': {
                'network_id': FREE['network'], 'name': questions.TAG,
                'tags': [f'not_{questions.TAG}']}}),
            ('PUT', f'/networks/{FREE["network"]}/tags/{questions.TAG}', None),
            ('PUT', f'/ports/{FREE["port"]}/tags/trove', None)):
        assert neutron.ask(method, path, body, ADMIN).dispatched


GROUP, RULE, PORT = (
    MANAGED[kind] for kind in (
        'security_group', 'security_group_rule', 'port'))
OPEN = {'security_group_rule': {
    'security_group_id': GROUP, 'direction': 'ingress'}}


# Beside those of test_differential.
@pytest.mark.parametrize('method, path, body', [
    ('POST', '/security_group_rules', OPEN),
    ('POST', '/security-group-rules.json', OPEN),
    ('POST', '/security-group-rules.xml', OPEN),
    ('POST', '/security-group-rules/', OPEN),
    ('POST', '/security-group-rules%0A', OPEN),
    ('POST', '/security-group-rules/index', OPEN),
    ('POST', '/security-group-rules/index.json', OPEN),
    ('POST', '/security-group-rules/index/x/y', OPEN),
    ('POST', '/security-group-rules//x', OPEN),
    ('POST', '/qos/security-group-rules', OPEN),
    ('POST', '/log/security_group_rules/', OPEN),
    ('POST', '/security-group-rules?_method=GET', OPEN),
    ('PUT', '/security-group-rules?_method=POST', OPEN),
    ('GET', '/security-group-rules?_method=POST', OPEN),
    ('GET', f'/security-group-rules/{RULE}?_method=delete', None),
    ('PUT', f'/security-group-rules/{RULE}?_method=DELETE', None),
    ('DELETE', f'/security_group_rules/{RULE}', None),
    ('DELETE', f'/security-group-rules/{RULE}.json', None),
    ('DELETE', f'/security-group-rules/{RULE}/', None),
    ('DELETE', f'/security-group-rules/{RULE}%0A', None),
    ('DELETE', f'/ports/{PORT}/', None),
    ('DELETE', f'/ports/{PORT}.json', None),
    ('DELETE', f'/ports/{PORT}/index', None),
    ('DELETE', f'/qos/ports/{PORT}', None),
    ('DELETE', f'/ports/{PORT}?_method=GET', None),
    ('PUT', f'/ports/{PORT}/', {'port': {'security_groups': []}}),
    ('PUT', f'/ports/{PORT}', {
        'ports': [{'security_groups': []}], 'port': {'device_id': ''}}),
    ('POST', '/floatingips/index/port_forwardings', {
        'floatingip': {'port_id': PORT}}),
    ('POST', f'/floatingips//{FREE["floating_ip"]}/port_forwardings', {
        'floatingip': {'port_id': PORT}}),
    ('PATCH', f'/ports/{PORT}', {}),
    ('POST', '/taas/tap-services', {'tap_service': {'port_id': PORT}}),
    ('POST', '/sfc/port_pairs', {'port_pair': {'ingress': PORT}}),
])
def test_no_spelling_gets_by(neutron, method, path, body):
    for headers in ({'Content-Type': 'application/json'},
                    {'Content-Type': 'application/x-www-form-urlencoded'},
                    {}):
        answer = neutron.ask(method, path, body, ADMIN, headers)
        assert (answer.status, answer.dispatched) == (403, [])
        assert 'is managed by Trove' in answer.fault


@pytest.mark.parametrize('method', ['GET', 'POST', 'PUT', 'DELETE'])
@pytest.mark.parametrize('path', ['', '/', '//', '/qos', '/log/', '/.json'])
def test_what_is_no_path_is_neutron_s_to_refuse(neutron, method, path):
    answers = [neutron.ask(method, path, is_guarded=is_guarded)
               for is_guarded in (True, False)]
    assert answers[0].status == answers[1].status < 500
    assert answers[0].body == answers[1].body


def test_a_body_has_a_limit_where_it_is_read(neutron):
    large = b'{"x": "' + b'x' * 5_000_000 + b'"}'
    chunked = {'Transfer-Encoding': 'chunked'}
    for headers in {}, chunked:
        answer = neutron.ask(
            'POST', '/security-group-rules', large, OWNER, headers)
        assert (answer.status, answer.dispatched) == (413, [])
    answer = neutron.ask('POST', '/networks', large, OWNER)
    assert answer.status == 400


# How many of the guard's statements a call costs at most.
COSTS = [
    ('POST', '/networks', {'network': {}}, 0),
    ('PUT', f'/routers/{FREE["router"]}', {'router': {}}, 0),
    ('POST', '/security-groups', {'security_group': {}}, 0),
    ('POST', '/ports', {'port': {'network_id': FREE['network']}}, 0),
    ('DELETE', f'/ports/{FREE["port"]}', None, 1),
    ('DELETE', '/ports/x', None, 0),
    ('PUT', f'/floatingips/{FREE["floating_ip"]}',
     {'floatingip': {'port_id': FREE['port']}}, 2),
    ('POST', '/security-group-rules', {'security_group_rules': [
        {'security_group_id': f'{number % 500:036}'}
        for number in range(1500)]}, 1),
    # One more than is looked up: they are refused.
    ('POST', '/security-group-rules', {'security_group_rules': [
        {'security_group_id': f'{number:036}'} for number in range(501)]}, 0),
    ('POST', '/floatingips', {'floatingip': {'port_id': [
        f'{number:036}' for number in range(20000)]}}, 0),
    ('POST', '/unheard-of', {'ids': [
        f'{number:036}' for number in range(400)]}, 1),
    ('POST', '/unheard-of', {'ids': [
        f'{number:036}' for number in range(5000)]}, 0),
    # Whichever is managed, the guard looks no further than to find it.
    ('POST', '/security-group-rules', {'security_group_rules': [
        {'security_group_id': GROUP}, *(
            {'security_group_id': f'{number:036}'}
            for number in range(499))]}, 25),
]


@pytest.mark.parametrize('method, path, body, most', COSTS)
def test_what_it_costs(neutron, method, path, body, most):
    guarded = neutron.ask(method, path, body, OWNER)
    own = [statement for statement in guarded.statements
           if 'tags.tag LIKE' in statement]
    assert len(own) == most or most == 25 and len(own) < most


@pytest.mark.parametrize('managed', [[], [MANAGED['port']]],
                         ids=['unmanaged', 'managed'])
def test_more_ports_than_are_looked_up_are_refused(neutron, managed):
    answer = neutron.ask('POST', '/floatingips', {'floatingip': {
        'floating_network_id': FREE['network'], 'port_id': [
            *(f'{number:036}' for number in range(501)), *managed]}}, OWNER)
    assert (answer.status, answer.dispatched) == (400, [])
    # The guard's words: Neutron would name the value.
    assert b'Malformed request body' in answer.body
