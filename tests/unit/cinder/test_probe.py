# SPDX-License-Identifier: Apache-2.0
"""What the guard in Cinder does with the request of ``probe``."""

import pytest

from nova_trove_guard.cmd.probe import requested
from nova_trove_guard.cmd.probe import responses
from tests.unit.cinder import cinder_api as api

CINDER = requested.SERVICES['volume']


def ask(cinder, **who):
    """Send the request, and return what the answer counts as."""
    answer = cinder.ask(
        CINDER.method, CINDER.path, CINDER.body(api.METADATA_KEY), **who)
    return responses.classify(
        CINDER, api.METADATA_KEY, answer.status_int, answer.body)


@pytest.mark.parametrize('version', ['3.0', 'latest'])
@pytest.mark.parametrize('roles', [
    ('reader',), ('member', 'reader'), ('admin', 'member', 'reader'),
    ('service',)], ids=' '.join)
def test_the_guard_in_cinder_refuses_whoever_asks(cinder, roles, version):
    assert ask(cinder, roles=roles, version=version) == responses.GUARDED
    assert cinder.dispatched == []


@pytest.mark.parametrize('options', [
    {'mode': 'audit'}, {'metadata_key': 'other'}], ids=str)
def test_a_guard_that_does_not_enforce_does_not_answer(cinder, options):
    app = cinder.guarded(**options)
    assert ask(cinder, app=app) != responses.GUARDED
    assert ask(cinder, app=cinder.unguarded) != responses.GUARDED


def test_the_guard_lets_the_trove_admin_pass(cinder):
    assert ask(cinder, **api.TROVE_ADMIN) != responses.GUARDED
    assert [each.method for each in cinder.dispatched] == ['create']
