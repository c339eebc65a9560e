# SPDX-License-Identifier: Apache-2.0
"""What Neutron does of a request, against what the guard makes of it.

Generated requests go into Neutron's real routers; what its plugins are told to
change is the oracle.
"""

import json

import hypothesis
from hypothesis import strategies as st
import pytest

from nova_trove_guard.core import documents
from nova_trove_guard.neutron import operations
from tests import examples
from tests.unit.neutron import questions

settings = hypothesis.settings(
    max_examples=examples.number(600), deadline=None, derandomize=True,
    database=None, suppress_health_check=list(hypothesis.HealthCheck))

MANAGED, FREE = questions.MANAGED, questions.FREE
# Neutron may be told these without a change of what is managed.
OTHER = frozenset((MANAGED['local_ip'], MANAGED['network'], MANAGED['router']))
CALLS = [
    (method, path, number)
    for operation, method, path in operations.documented() if method != '*'
    for number, _ in enumerate(questions.requests(operation, path, MANAGED))]
# Methods of plugins for tags, and the collections that have the marker.
TAGGING = frozenset(('create_tags', 'update_tags', 'update_tag',
                     'delete_tags', 'delete_tag'))
MARKED = ('ports', 'security_groups')
# Methods of plugins for what can be done to an item.
ACTIONS = ('add_', 'remove_')
ROWS = {(method, path): operation
        for operation, method, path in operations.documented()}
# Names of Python attributes along which Pecan walks, and other oddities.
ODD = ('', 'index', 'index.json', 'plugin', 'controller', 'parent_controller',
       'parent', 'item', 'put', 'post', 'delete', 'get', 'edit', 'new', '%0A',
       'qos', 'log', 'metering', 'ports', 'tags', '.', 'x')
SUFFIXES = ('.json', '/', '.xml', '%0A', '/index', '/index.json', '.json/',
            '/x', '//', '/index/x')
QUERIES = ('_method=DELETE', '_method=PUT', '_method=post', '_method=GET',
           '%5Fmethod=DELETE', 'x=1&_method=POST',
           '_method=GET&_method=DELETE')


def _mostly(plain, odd):
    """Strategy: usually one of the plain values, in a third an odd one."""
    plain = tuple(plain)
    return st.integers(0, 2).flatmap(
        lambda number: st.sampled_from(odd if number == 0 else plain))


@st.composite
def requests(draw, which):
    """Strategy: method, path, body and headers of a call, spelt somehow."""
    method, row, number = draw(st.sampled_from(CALLS))
    path, body = list(questions.requests(
        ROWS[method, row], row, which))[number]
    segments = [draw(st.sampled_from((
        segment, segment, segment.replace('-', '_'),
        segment.replace('_', '-')))) if len(segment) < 36 else segment
        for segment in path.split('/')[1:]]
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(segments)))
        is_more = draw(st.booleans())
        segments[place:place + is_more] = [draw(st.sampled_from(ODD))]
    path = '/' + '/'.join(segments) + draw(_mostly(('',), SUFFIXES))
    if draw(st.integers(0, 5)) == 0:
        path += f'?_method={method}'
        method = draw(st.sampled_from(('GET', 'POST', 'PUT')))
    elif draw(st.integers(0, 5)) == 0:
        path += '?' + draw(st.sampled_from(QUERIES))
    if draw(st.integers(0, 5)) == 0:
        known = [each for some in questions.BODIES.values() for each in some]
        body = questions.named(draw(st.sampled_from(known)), which)
    headers = {'Content-Type': draw(_mostly(
        ('application/json',), ('application/x-www-form-urlencoded', '',
                                'text/plain')))}
    return method, path, draw(spelt(body)), headers


@st.composite
def spelt(draw, body):
    """Strategy: the bytes of a body in one of the forms that act."""
    if body is None:
        return b''
    (resource, value), *_ = body.items()
    # What is sent for an action on an item is not wrapped.
    if isinstance(value, dict) and draw(st.integers(0, 2)) == 0:
        body = draw(st.sampled_from((
            {f'{resource}s': [value]}, {f'{resource}s': [{resource: value}]},
            {f'{resource}s': [value], resource: {}},
            {resource: value, 'x': [value]}, body | value)))
    return json.dumps(body).encode(draw(_mostly(
        ('utf-8',), ('utf-8-sig', 'utf-16'))))


def read_by_action(arguments):
    """Return what a plugin reads of the arguments of an action.

    It gets the body as it was sent, whatever it has.
    """
    (identifier, *bodies), _ = json.loads(arguments)
    return ' '.join((identifier, *documents.strings(bodies, ('port_id',))))


@settings
@hypothesis.given(request=requests(MANAGED))
def test_nothing_is_told_of_what_is_managed(neutron, request):
    method, path, body, headers = request
    answer = neutron.ask(method, path, body, questions.ADMIN, headers)
    for name, arguments in answer.dispatched:
        if name in TAGGING and json.loads(arguments)[0][0] not in MARKED:
            continue
        if name.startswith(ACTIONS):
            arguments = read_by_action(arguments)
        found = {identifier for identifier in MANAGED.values()
                 if identifier in arguments.lower()}
        assert found <= OTHER, (name, arguments)


@settings
@hypothesis.given(request=requests(FREE))
def test_what_names_nothing_managed_passes(neutron, request):
    method, path, body, headers = request
    hypothesis.assume(questions.TAG not in path)
    guarded, stock = (
        neutron.ask(method, path, body, questions.ADMIN, headers, is_guarded)
        for is_guarded in (True, False))
    assert guarded.dispatched == stock.dispatched
    assert (guarded.status, guarded.body) == (stock.status, stock.body)


@pytest.mark.parametrize('method, route', sorted({
    (method, route) for _, method, route in operations.documented()
    if method in ('POST', 'PUT')}))
def test_odd_bodies_are_neutron_s_to_refuse(neutron, method, route):
    path = route.replace('{id}', FREE['port']).replace('{', '').replace(
        '}', '')
    for body in None, {}, [], 'x', {'port': 1}, [[]]:
        guarded, stock = (
            neutron.ask(method, path, body, questions.ADMIN,
                        is_guarded=is_guarded)
            for is_guarded in (True, False))
        assert (guarded.status, guarded.body) == (
            stock.status, stock.body), body
