# SPDX-License-Identifier: Apache-2.0
"""Where Trove's clients call, and as whom."""

import types

import pytest
from trove.common import cfg

from nova_trove_guard.trove import client
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import opts

CLIENTS = ('nova', 'cinder', 'neutron')
CATALOG = [
    {'type': kind, 'name': kind, 'endpoints': [
        {'region': region, 'publicURL': f'http://{region}.{kind}'}
        for region in ('here', 'there')]}
    for kind in ('compute', 'volumev3', 'network')]


@pytest.fixture
def configure(monkeypatch):
    """Return a function that sets options of Trove, (group, option)."""
    conf = cfg.CONF
    opts.register(conf)
    changed = []

    def configure(**groups):
        for group, options in groups.items():
            group = None if group == 'DEFAULT' else group
            for name, value in options.items():
                conf.set_override(name, value, group)
                changed.append((name, group))

    configure(trove_guard={'trove_managed_instances': True},
              service_credentials={
                  'region_name': 'here', 'project_id': 'trove',
                  'auth_url': 'http://keystone'})
    for cached in (client._region_compute, client._region_windows,
                   client._region_reconciler):
        cached.cache_clear()
    monkeypatch.setattr(client.clients_admin, '_SESSION', None)
    yield configure
    for name, group in changed:
        conf.clear_override(name, group)
    for cached in (client._region_compute, client._region_windows,
                   client._region_reconciler):
        cached.cache_clear()


@pytest.fixture
def context():
    return types.SimpleNamespace(
        auth_token='token', user_id='user', project_id='project',
        project_domain_name='Default', user_domain_name='Default',
        service_catalog=CATALOG)


def adapter(name, context, region=None):
    """Return the keystoneauth1 Adapter of a client."""
    made = getattr(client, f'{name}_client')(context, region)
    return made.httpclient if name == 'neutron' else made.client


@pytest.mark.parametrize('owner, stock', [
    ('trove', 'trove.common.clients_admin.{}_client_trove_admin'),
    ('user', 'trove.common.clients.{}_client')])
@pytest.mark.parametrize('name', CLIENTS)
def test_off_a_client_is_trove_s_own(
        monkeypatch, configure, name, owner, stock):
    configure(trove_guard={'trove_managed_instances': False,
                           'server_owner': owner})
    monkeypatch.setattr(stock.format(name), lambda *arguments: arguments)
    assert getattr(client, f'{name}_client')('context', 'region')[:2] == (
        'context', 'region')


@pytest.mark.parametrize('region, found', [
    (None, 'here'), ('here', 'here'), ('there', 'there')])
@pytest.mark.parametrize('name', CLIENTS)
def test_trove_s_own_calls_go_to_the_region(
        configure, context, name, region, found):
    """Trove's own clients remember the region that comes first."""
    adapter(name, context, 'elsewhere')
    assert adapter(name, context, region).region_name == found


@pytest.mark.parametrize('region, found', [
    (None, 'here'), ('there', 'there')])
@pytest.mark.parametrize('name, kind', [
    ('nova', 'compute'), ('cinder', 'volumev3'), ('neutron', 'network')])
def test_a_user_s_calls_go_to_the_region(
        configure, context, name, kind, region, found):
    configure(trove_guard={'server_owner': 'user'})
    assert adapter(name, context, region).endpoint_override == (
        f'http://{found}.{kind}')


@pytest.mark.parametrize('name, option, url', [
    ('nova', 'nova_compute_url', 'http://configured/trove'),
    ('cinder', 'cinder_url', 'http://configured/trove'),
    ('neutron', 'neutron_url', 'http://configured')])
def test_trove_s_own_calls_go_to_the_configured_url(
        configure, context, name, option, url):
    configure(DEFAULT={option: 'http://configured'})
    assert adapter(name, context).endpoint_override == url


@pytest.mark.parametrize('region, found', [
    (None, 'here'), ('there', 'there')])
def test_servers_are_locked_in_their_region(configure, region, found):
    nova = client.get_windows(region)._nova._nova
    assert (nova.region_name, nova.interface) == (found, 'publicURL')


def test_the_windows_of_a_process_are_one_set_a_region(configure):
    assert client.get_windows(None) is client.get_windows('here')
    assert client.get_windows(None) is not client.get_windows('there')


def test_the_reconciler_runs_in_each_region(monkeypatch, configure, caplog):
    """Also after one whose Nova is down."""
    runs = []

    def run(self):
        runs.append(self._nova._nova.region_name)
        raise OSError('Nova is down')

    monkeypatch.setattr(
        instances, 'regions', lambda: {None, 'here', 'there'})
    monkeypatch.setattr(client.reconciler.Reconciler, 'run', run)
    assert client.reconcile_regions()
    assert sorted(runs) == ['here', 'there']
    assert caplog.text.count('could not finish its run in region') == 2


@pytest.mark.parametrize('finished', [
    {'here': True, 'there': True}, {'here': False, 'there': True},
    {'here': True, 'there': False}])
def test_it_goes_on_while_a_region_is_not_finished(
        monkeypatch, configure, finished):
    monkeypatch.setattr(instances, 'regions', lambda: set(finished))
    monkeypatch.setattr(
        client.reconciler.Reconciler, 'run',
        lambda self: finished[self._nova._nova.region_name])
    assert client.reconcile_regions() is all(finished.values())


@pytest.mark.parametrize('name', CLIENTS)
def test_each_call_has_a_time_out(configure, context, name):
    configure(trove_guard={'lock_timeout': 20})
    assert adapter(name, context).session.timeout == 20
    # A look and a lock, and a second try of each.
    assert client.get_windows(None)._nova._nova.session.timeout == 5


@pytest.mark.parametrize('owner, is_insecure', [
    # Trove's own clients ignore the option where they have a session.
    ('trove', False), ('user', True)])
@pytest.mark.parametrize('name, option', [
    (name, f'{name}_api_insecure') for name in CLIENTS])
def test_certificates_go_unchecked_where_trove_leaves_them_unchecked(
        configure, context, name, option, owner, is_insecure):
    configure(trove_guard={'server_owner': owner}, DEFAULT={option: True})
    assert adapter(name, context).session._insecure is is_insecure
    locks = client.get_windows(None)._nova._nova.session
    assert locks._insecure is (is_insecure and name == 'nova')


def test_security_groups_are_known_by_trove_s_own_prefix(configure, context):
    configure(DEFAULT={'trove_security_group_name_prefix': 'db.sg'})
    names = adapter('neutron', context).session._names['security_group']
    instance = 'dbdbdbdb-0000-4000-8000-000000000001'
    assert names.fullmatch(f'db.sg-{instance}')
    assert not names.fullmatch(f'dbxsg-{instance}')


def test_a_user_s_calls_carry_trove_s_service_token(configure, context):
    configure(trove_guard={'server_owner': 'user'})
    auth = adapter('nova', context).session.auth
    assert auth.user_auth.get_token(None) == 'token'
    assert auth.service_auth is (
        client.clients_admin.get_keystone_session().auth)
