# SPDX-License-Identifier: Apache-2.0
"""Calls of Neutron's API, with the guard and without, in one process.

Neutron's share is that of its API behind keystonecontext: both routers,
policy, ML2 and its service plugins, and the database. No agent is told.
"""

import json
import logging

from nova_trove_guard.core import guard
from tests.bench import measure

CALLS, ROUNDS = 1, 9
# Of a call of the guard alone.
MANY_CALLS = 3000


def measured(directory, url):
    """Return the Result, in the process of Neutron."""
    # Neutron is large, and not for the process that starts this one.
    from tests.unit.neutron import neutron_api
    logging.disable(logging.CRITICAL)
    api = neutron_api.NeutronAPI(directory, url, records=False)
    # There is no Placement to tell of segments.
    notifier = neutron_api.plugins.get_plugin(
        'segments').nova_updater.batch_notifier
    notifier.callback, notifier.batch_interval = (lambda events: None), 0
    rows, aims = _plain_calls()
    neutron = _Neutron(api)
    for what in neutron.calls():
        found = _side_by_side(neutron, *what)
        rows += found[0]
        aims += found[1]
    return measure.Result('The guard in Neutron', rows, aims)


def _application(environ, start_response):
    """Answer a request with as little as WSGI allows."""
    start_response('200 OK', [('Content-Length', '2')])
    return [b'{}']


def _plain_calls():
    """Return rows and aims of what calls pay that name nothing guarded."""
    from nova_trove_guard.neutron import service
    from tests.unit.neutron import neutron_api
    guarded = guard.TroveGuard(
        _application, service.NeutronService(), None, None,
        'trove_instance_id')
    rows, aims = [], []
    for name, method, path, limit in (
            ('a plain read', 'GET', '/ports', 1),
            ('a call to make a network', 'POST', '/networks', 20)):
        environ = neutron_api.request(method, path, b'{}', {}, {}).environ
        times = measure.medians({
            which: lambda it=it, environ=environ: it(
                environ.copy(), lambda *_: None)
            for which, it in (('nothing', _application), ('guard', guarded))},
            MANY_CALLS)
        added = times['guard'] - times['nothing']
        rows.append(measure.Row(f'added to {name}', added))
        aims.append(measure.Aim(f'added to {name}', added, limit, unit='us'))
    return rows, aims


class _Neutron:
    """A client of Neutron's API, with what there is to change.

    :param api: NeutronAPI
    """

    def __init__(self, api):
        from tests.unit.neutron import questions
        self.applications = {'Neutron': api.applications[False],
                             'guard': api.applications[True]}
        self.ask('Neutron', 'PUT', f'/quotas/{questions.PROJECT}', {
            'quota': dict.fromkeys((
                'floatingip', 'network', 'port', 'router', 'security_group',
                'security_group_rule', 'subnet'), -1)})
        network, outside = (
            self.make('network', name='x', **more)
            for more in ({}, {'router:external': True}))
        subnet, _ = (
            self.make('subnet', network_id=of, ip_version=4, cidr=cidr)
            for of, cidr in ((network, '10.0.0.0/24'),
                             (outside, '203.0.113.0/24')))
        self.router = self.make(
            'router', external_gateway_info={'network_id': outside})
        self.ask('Neutron', 'PUT',
                 f'/routers/{self.router}/add_router_interface',
                 {'subnet_id': subnet})
        self.outside = outside
        self.port = self.make('port', network_id=network)
        self.group = self.make('security_group', name='x')

    def ask(self, who, method, path, body=None):
        """Return what Neutron answers, with the guard or without."""
        from tests.unit.neutron import neutron_api
        from tests.unit.neutron import questions
        answer = neutron_api.request(
            method, path, b'' if body is None else json.dumps(body).encode(),
            {}, questions.ADMIN).get_response(self.applications[who])
        if answer.status_int >= 300:
            raise RuntimeError(f'{method} {path} failed: {answer.text}')
        return answer.json if answer.body else None

    def make(self, kind, who='Neutron', **values):
        """Make a resource, and return its id."""
        collection = kind.replace('_', '-') + 's'
        return self.ask(who, 'POST', f'/{collection}', {kind: values})[
            kind]['id']

    def calls(self):
        """Yield (name, function, guarded kinds named, aim in %) of each."""
        def again(method, path, body):
            return lambda who: self.ask(who, method, path, body)

        def for_a_while(kind, **values):
            def make_and_delete(who):
                made = self.make(kind, who, **values)
                self.ask(who, 'DELETE',
                         f'/{kind.replace("_", "-")}s/{made}')
            return make_and_delete

        port = f'/ports/{self.port}'
        # For these nothing is looked up: what they show is noise.
        yield ('make and delete a network',
               for_a_while('network', name='x'), 0, 5)
        yield ('rename a router', again(
            'PUT', f'/routers/{self.router}', {'router': {'name': 'x'}}), 0, 5)
        yield ('rename a port', again(
            'PUT', port, {'port': {'name': 'x'}}), 1, 5)
        yield ('replace the tags of a port', again(
            'PUT', f'{port}/tags', {'tags': ['x']}), 1, 10)
        yield ('make and delete a rule', for_a_while(
            'security_group_rule', security_group_id=self.group,
            direction='ingress'), 2, 10)
        yield ('make and delete a floating IP', for_a_while(
            'floatingip', floating_network_id=self.outside,
            port_id=self.port), 2, 5)


def _side_by_side(neutron, name, call, kinds, limit):
    """Return rows and aims of a call, with the guard and without."""
    from tests.unit.neutron import neutron_api
    selects = {}
    for who in neutron.applications:
        call(who)  # The first is slower.
        with neutron_api.selects() as statements:
            call(who)
        selects[who] = len(statements)
    times = measure.medians({
        who: lambda who=who: call(who) for who in neutron.applications}, CALLS,
        ROUNDS)
    return (
        [measure.Row(f'{name}, {who} ({selects[who]} SELECTs)', taken)
         for who, taken in times.items()],
        [measure.Aim(f'{name}: share of Neutron',
                     100 * (times['guard'] / times['Neutron'] - 1), limit,
                     unit='%'),
         measure.Aim(f'{name}: SELECTs of the guard',
                     selects['guard'] - selects['Neutron'], kinds)])
