# SPDX-License-Identifier: Apache-2.0
"""What the upgrade check reads out of policy and of Nova itself."""

from oslo_policy import policy
import pytest

from nova_trove_guard.cmd import upgrade_check
from nova_trove_guard.core import routing
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import surface


def rules(**checks):
    """Return the rules as oslo.policy has them in memory."""
    return policy.Rules.from_dict(
        {'trove_guard:trove_admin' if name == 'admin' else name: check
         for name, check in checks.items()})


@pytest.mark.parametrize('checks, roles', [
    ({'admin': 'role:trove_admin or service_roles:trove_admin'},
     ['trove_admin']),
    ({'admin': '(role:dba and project_id:x) or service_roles:trove'},
     ['dba', 'trove']),
    ({'admin': 'rule:first or role:a', 'first': 'rule:second',
      'second': '(role:b)'}, ['a', 'b']),
    ({'admin': 'rule:admins or rule:loop', 'loop': 'rule:loop'}, []),
    ({'admin': 'user_id:trove'}, []),
    ({'admin': '!'}, []),
    ({}, [])])
def test_the_trove_admin_is_known_by_roles(checks, roles):
    assert upgrade_check.named_roles(
        rules(**checks), 'trove_guard:trove_admin') == roles


def test_the_table_knows_all_of_nova():
    assert surface.unknown() == []


def test_what_the_table_does_not_know_is_told(monkeypatch):
    routes = dict(operations.ROUTES)
    del routes['/servers/{server_id}/tags']
    routes['/servers/{id}'] = {'GET': routing.PASS}
    monkeypatch.setattr(operations, 'ROUTES', routes)
    monkeypatch.delitem(operations.ACTIONS, 'resize')
    assert set(surface.unknown()) >= {
        'GET /servers/{server_id}/tags', 'PUT /servers/{server_id}/tags',
        'DELETE /servers/{id}', 'PUT /servers/{id}', 'action resize'}
    assert 'GET /servers/{id}' not in surface.unknown()
