# SPDX-License-Identifier: Apache-2.0
"""Where a request names what it acts on."""

import pytest

from nova_trove_guard.core import calls
from nova_trove_guard.core import documents

ID = '0c1d2a3b-1111-4111-8111-000000000001'
OTHER = '0c1d2a3b-2222-4222-8222-000000000002'


def named(document, *targets):
    """Return the identifiers that a request with a body names."""
    operation = calls.Operation('x', targets=targets)
    return [each.identifier for each in calls.Call(
        operation, ID, 2, ID, document, '').named()]


OPTIONAL = calls.Target('volume', ('backup', 'snapshot_id'), is_optional=True)
REQUIRED = calls.Target('volume', ('backup', 'volume_id'))


@pytest.mark.parametrize('document', [
    {'backup': {}}, {'backup': {'snapshot_id': None}}, None, [], {}, 'backup',
    {'backup': None}, {'backup': []}])
def test_what_is_optional_can_be_left_out(document):
    assert named(document, OPTIONAL) == []


@pytest.mark.parametrize('document', [
    {'backup': {'snapshot_id': 7}}, {'backup': {'snapshot_id': False}},
    {'backup': {'snapshot_id': [ID]}}])
def test_what_is_optional_is_refused_in_another_form(document):
    """MariaDB finds ids that begin with 7 where id = 7."""
    with pytest.raises(documents.Unreadable):
        named(document, calls.Target('volume'), OPTIONAL)


def test_what_is_required_can_t_be_left_out():
    with pytest.raises(documents.Unreadable):
        named({'backup': {'snapshot_id': ID}}, REQUIRED, OPTIONAL)


def test_one_string_can_hold_several_identifiers():
    target = calls.Target('volume', ('ids',), split=lambda text: text.split())
    assert not target.is_one
    assert named({'ids': f'{ID} {OTHER}'}, target) == [ID, OTHER]
