# SPDX-License-Identifier: Apache-2.0
"""What Neutron, with the guard and without it, answers to ``probe``."""

import pytest

from nova_trove_guard.cmd.probe import requested
from nova_trove_guard.cmd.probe import responses
from tests.unit.neutron import questions

NEUTRON = requested.SERVICES['network']
WHO = pytest.mark.parametrize('roles', [
    ('reader',), ('member', 'reader'), ('admin', 'member', 'reader'),
    ('service',)], ids=' '.join)


def ask(neutron, roles, **how):
    """Send the request, and return what the answer counts as.

    Nothing must come of it.
    """
    answer = neutron.ask(
        NEUTRON.method, NEUTRON.path,
        NEUTRON.body(questions.METADATA_KEY), {'roles': roles}, **how)
    assert (answer.dispatched, answer.statements) == ([], [])
    return responses.classify(
        NEUTRON, questions.METADATA_KEY, answer.status, answer.body)


@WHO
def test_the_guard_in_neutron_refuses_whoever_asks(neutron, roles):
    assert ask(neutron, roles) == responses.GUARDED


@WHO
def test_neutron_without_a_guard_rejects_whoever_asks(neutron, roles):
    assert ask(neutron, roles, is_guarded=False) == responses.NOT_GUARDED


def test_the_guard_lets_the_trove_admin_pass(neutron):
    assert ask(neutron, **questions.TROVE_ADMIN) == responses.NOT_GUARDED
