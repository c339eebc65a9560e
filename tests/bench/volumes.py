# SPDX-License-Identifier: Apache-2.0
"""(8) What the guard in Cinder costs, next to Cinder itself.

Cinder's share is that of its API behind keystonecontext: routing, policy,
schema and database.
"""

import json
import os
import pathlib
import tempfile
import unittest.mock

from oslo_config import cfg
import webob

from nova_trove_guard.core import guard
from tests.bench import cloud
from tests.bench import measure
from tests.bench import pass_through
from tests.production import mariadb

CALLS = 20
ORDINARY = '0c1d2a3b-3333-4333-8333-000000000003'
ATTACHMENTS = 100


def run():
    """Return the Result."""
    # Cinder is large, and has its options where Nova has others of the same
    # name.
    from tests.unit.cinder import loading
    cinder_api = loading.cinder_api
    with (tempfile.TemporaryDirectory() as directory,
          unittest.mock.patch.object(cfg, 'CONF', loading.conf)):
        api = cinder_api.CinderAPI(
            loading.conf, pathlib.Path(directory), _url())
        rows, aims = _plain_read()
        for found in (_calls(api, cinder_api), _list(api, cinder_api)):
            rows += found[0]
            aims += found[1]
    return measure.Result('The guard in Cinder', rows, aims)


def _url():
    """Return the URL of an empty database; None for one of SQLite."""
    directory = os.environ.get(cloud.MARIADB)
    if directory is None:
        return None
    # There are no groups, but volumes that are in one.
    return (mariadb.MariaDB(directory).create('cinder') +
            '&init_command=SET%20foreign_key_checks=0')


def _plain_read():
    """Return rows and aims of what a read of a volume pays."""
    from nova_trove_guard.cinder import service
    guarded = guard.TroveGuard(
        pass_through.application, service.CinderService(), None, None,
        'trove_instance_id')
    environ = pass_through.ENVIRON | {
        'PATH_INFO': '/volumes/0c1d2a3b-1111-4111-8111-000000000001'}
    times = measure.medians({
        name: lambda it=it: it(environ.copy(), pass_through.start_response)
        for name, it in (('nothing', pass_through.application),
                         ('guard', guarded))}, pass_through.CALLS)
    added = times['guard'] - times['nothing']
    return ([measure.Row('added to a plain read', added)],
            [measure.Aim('added to a plain read', added, 1, unit='us')])


def _calls(api, cinder_api):
    """Return rows and aims of guarded calls about an ordinary volume."""
    from nova_trove_guard.cinder import lookup
    cinder_api.add(
        lookup.models.Volume, id=ORDINARY, volume_type_id='t', size=1,
        status='in-use')
    cinder_api.add(
        lookup.models.VolumeAttachment, id=ORDINARY, volume_id=ORDINARY,
        connection_info=json.dumps(cinder_api.CONNECTION))
    volume, attachment = f'/volumes/{ORDINARY}', f'/attachments/{ORDINARY}'
    rows, aims = [], []
    for name, method, path, body, limit in (
            # It does less than any other write.
            ('rename a volume', 'PUT', volume, {'volume': {'name': 'x'}}, 3),
            ('show an attachment', 'GET', attachment, None, 10)):
        times, selects = _side_by_side(api, cinder_api, method, path, body)
        added = times['guard'] - times['Cinder']
        rows += [measure.Row(f'{name}, {who} ({selects[who]} SELECTs)', taken)
                 for who, taken in times.items()]
        aims += [
            measure.Aim(f'{name}: share of Cinder',
                        100 * added / times['Cinder'], limit, unit='%'),
            measure.Aim(f'{name}: SELECTs of the guard',
                        selects['guard'] - selects['Cinder'], 1)]
    return rows, aims


def _list(api, cinder_api):
    """Return rows and aims of the detailed list of attachments."""
    from nova_trove_guard.cinder import lookup
    for number in range(ATTACHMENTS):
        which = (cinder_api.MANAGED, cinder_api.FREE)[number % 2]
        cinder_api.add(
            lookup.models.VolumeAttachment,
            id=f'0c1d2a3b-2222-4222-8222-{number:012}',
            volume_id=which['volume'],
            connection_info=json.dumps(cinder_api.CONNECTION))
    times, selects = _side_by_side(
        api, cinder_api, 'GET', '/attachments/detail', None)
    name = f'list {ATTACHMENTS} attachments'
    return (
        [measure.Row(f'{name}, {who} ({selects[who]} SELECTs)', taken)
         for who, taken in times.items()],
        [measure.Aim(f'{name}: share of Cinder',
                     100 * (times['guard'] / times['Cinder'] - 1), 10,
                     unit='%'),
         measure.Aim(f'{name}: SELECTs of the guard',
                     selects['guard'] - selects['Cinder'], 1)])


def _side_by_side(api, cinder_api, method, path, body):
    """Return times and numbers of SELECTs, with the guard and without."""
    def ask(application):
        request = webob.Request.blank(
            path, base_url='http://localhost/v3', method=method)
        if body is not None:
            request.content_type = 'application/json'
            request.body = json.dumps(body).encode()
        request.environ.update(cinder_api.principal())
        answer = request.get_response(application)
        if answer.status_int >= 300:
            raise RuntimeError(f'{method} {path} failed: {answer.text}')

    applications = {'Cinder': api.unguarded, 'guard': api.app}
    selects = {}
    for name, application in applications.items():
        ask(application)  # The first is slower.
        with cinder_api.selects() as statements:
            ask(application)
        selects[name] = len(statements)
    return measure.medians({
        name: lambda it=it: ask(it)
        for name, it in applications.items()}, CALLS), selects
