# SPDX-License-Identifier: Apache-2.0
"""Write the services' configuration files from the templates."""

import string

from tests.cloud import deployments
from tests.cloud import layout
from tests.cloud import people

TEMPLATES = layout.HERE / 'templates'


def write(files, urls, shared):
    """Write the configuration of every service except Trove.

    :param files: the cloud's Layout
    :param urls: a dict of service name to URL
    :param shared: a dict of transport_url and memcached_servers
    """
    common = _common(files, urls, shared)
    _write_one(files, 'keystone', 'keystone.conf', {
        **common, 'identity_url': urls['keystone'].removesuffix('/v3')})
    _write_one(files, 'placement', 'placement.conf', common)
    _write_one(files, 'glance', 'glance-api.conf', common)
    for service in 'neutron', 'cinder':
        _write_one(files, service, f'{service}.conf', {
            **common, 'policy': files.policy(service)})
    _write_one(files, 'nova', 'nova.conf', {
        **common,
        'api_database': files.database_url('nova-api'),
        'cell_database': files.database_url('nova-cell1'),
        'policy': files.policy('nova')})
    for service in 'cinder', 'neutron', 'nova':
        files.policy(service).write_text(
            '# The service reads this file again when it changes.\n{}\n')


def write_trove(cloud, network, shared):
    """Write the configuration of every Trove deployment.

    :param cloud: a state.Cloud that knows its projects
    :param network: the id of the management network
    :param shared: see write()
    """
    files = layout.Layout(cloud.root)
    trove = people.named('trove')
    for deployment in deployments.DEPLOYMENTS:
        directory = files.conf(deployment.name)
        _write_one(files, deployment.name, 'trove.conf', {
            **_common(files, cloud.urls, shared), **deployment.settings,
            'user': trove.name,
            'project': trove.project,
            'project_id': cloud.projects[trove.project],
            'region': deployment.region,
            'management_networks': network if deployment.management else '',
            'cloudinit': directory})
        # Trove passes this to the servers of this datastore.
        (directory / 'mysql.cloudinit').write_text(
            _render('mysql.cloudinit', {}))


def _common(files, urls, shared):
    return {
        **shared,
        'run': files.run,
        # Wheels install their configuration files there.
        'stock': files.venv / 'etc',
        # The APIs with the guard have these.
        'samples': layout.REPOSITORY / 'paste',
        'auth_url': urls['keystone'],
        'image_url': urls['glance'],
    }


def _write_one(files, service, name, values):
    values = {'user': service, 'project': 'service',
              'database': files.database_url(service), **values}
    values['password'] = people.password(values['user'])
    values['credentials'] = _render('credentials.conf', values)
    values['authtoken'] = _render('authtoken.conf', values)
    directory = files.conf(service)
    directory.mkdir(parents=True)
    (directory / name).write_text(_render(name, values))


def _render(name, values):
    template = string.Template((TEMPLATES / name).read_text())
    return template.substitute(values)
