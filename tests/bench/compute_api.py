# SPDX-License-Identifier: Apache-2.0
"""Nova's Compute API over HTTP, with many servers in two cells.

One managed server of each cell, and one that is not managed, are made by
Nova's own objects, and the managed one is locked through its API; the others
are copies of their rows. Beside what is not real in
tests.bench.cloud, Neutron knows no ports.
"""

import datetime
import json
import unittest.mock

import cheroot.wsgi
from nova import context as nova_context
from nova.network import model
from nova.network import neutron
from nova import objects
from oslo_utils import timeutils

from nova_trove_guard.trove import locks
from tests.bench import cloud
from tests.bench import fleet
from tests.bench import lookups
from tests.unit import nova_api

OPTIONS = '[trove_guard]\ntrove_managed_instances = true\n'
CELLS = ('cell1', 'cell2')
OTHER_PROJECT = '0c1d2a3bdddd4ddd8ddd00000000000d'
METADATA = {'purpose': 'measurement', 'owner': 'benchmark'}
MICROVERSION = {'X-OpenStack-Nova-API-Version': locks.REASON_MICROVERSION}
# The image that Nova 34 keeps of a server made from Trove's guest image.
IMAGE = {
    'image_base_image_ref': '0c1d2a3b-9999-4999-8999-000000000009',
    'image_container_format': 'bare', 'image_disk_format': 'qcow2',
    'image_hw_cdrom_bus': 'sata', 'image_hw_disk_bus': 'virtio',
    'image_hw_input_bus': 'usb', 'image_hw_machine_type': 'q35',
    'image_hw_pointer_model': 'usbtablet', 'image_hw_rng_model': 'virtio',
    'image_hw_video_model': 'virtio', 'image_hw_vif_model': 'virtio',
    'image_min_disk': '10', 'image_min_ram': '0', 'boot_roles': 'admin',
    'owner_project_name': 'service', 'owner_user_name': 'trove'}


class NoPorts:
    """Stands for a client of Neutron."""

    def list_ports(self, **filters):
        """Return no ports, as Neutron's API does."""
        return {'ports': []}


def serve(count, others):
    """Serve Nova's API; print where it is, tokens and its databases.

    :param count: how many managed servers there are
    :param others: how many servers there are that are not managed
    """
    with (cloud.running(OPTIONS) as here,
          unittest.mock.patch.object(
              neutron, 'get_client', lambda *args, **kwargs: NoPorts())):
        token, admin_token = (here.api.token(
            'trove_admin', 'member', 'reader', *more,
            expires=timeutils.utcnow() + datetime.timedelta(days=1))
            for more in ((), ('admin',)))
        # They lack what Nova's list of servers shows.
        for server in (here.free, here.locked, here.managed):
            here.databases.delete(server)
        for first, cell in enumerate(CELLS):
            for begin, end, server in (
                    (first, count, _managed(here, cell, token)),
                    (fleet.OTHERS + first, fleet.OTHERS + others,
                     _other(here, cell))):
                for name in (cell, 'api'):
                    fleet.copy(
                        here.databases.url(name), server,
                        nova_api.DATABASE_INSTANCE,
                        range(begin, end, len(CELLS)))
                here.databases.delete(server)
        server = cheroot.wsgi.Server(
            ('127.0.0.1', 0), lookups.Lookups(here.api.app), timeout=600)
        server.prepare()
        print(json.dumps({
            'url': f'http://127.0.0.1:{server.bind_addr[1]}',
            'token': token, 'admin_token': admin_token,
            'cells': [here.databases.url(cell) for cell in CELLS],
            'api': here.databases.url('api')}), flush=True)
        server.serve()


def _managed(here, cell, token):
    """Create a locked server in a cell, as Trove does; return its id."""
    marker = {cloud.MARKER: nova_api.DATABASE_INSTANCE,
              'trove_project_id': nova_api.PROJECT,
              'trove_user_id': nova_api.USER}
    server = _server(here, cell, marker, nova_api.PROJECT, [
        locks.TAG, 'trove_mysql', *map('_'.join, marker.items())])
    answer = here.api.ask(
        'POST', f'/v2.1/servers/{server}/action', token=token,
        headers=MICROVERSION, json={'lock': {
            'locked_reason': locks.reason(nova_api.DATABASE_INSTANCE)}})
    if answer.status_int >= 300:
        raise RuntimeError(answer.text)
    return server


def _other(here, cell):
    """Create a server of a tenant's in a cell; return its id."""
    return _server(here, cell, {'tier': 'web'}, OTHER_PROJECT, ['web'])


def _server(here, cell, metadata, project, tags):
    """Create a server with a volume in a cell; return its id."""
    flavor = objects.Flavor(
        id=1, name='trove', flavorid='trove', memory_mb=2048, vcpus=1,
        root_gb=10, ephemeral_gb=0, swap=0, rxtx_factor=1.0, vcpu_weight=0,
        disabled=False, is_public=True, description=None,
        extra_specs={'hw_rng:allowed': 'True'})
    now = timeutils.utcnow(with_timezone=True)
    server = here.databases.server(
        METADATA | metadata, cell, project_id=project, host='compute1',
        node='compute1', created_at=now, launched_at=now,
        display_name='database', hostname='database', flavor=flavor,
        old_flavor=None, new_flavor=None, instance_type_id=flavor.id,
        memory_mb=2048, vcpus=1, root_gb=10, ephemeral_gb=0, power_state=1,
        system_metadata=IMAGE, image_ref=IMAGE['image_base_image_ref'],
        info_cache=objects.InstanceInfoCache(network_info=_network()))
    context = nova_context.get_admin_context()
    with nova_context.target_cell(
            context, objects.InstanceMapping.get_by_instance_uuid(
                context, server).cell_mapping) as in_cell:
        objects.TagList.create(in_cell, server, tags)
        objects.InstanceAction.action_start(in_cell, server, 'create')
    # So that each copy has a volume of its own.
    here.databases.attach(server, server, uuid=server)
    return server


def _network():
    """Return what Nova caches of a server with one port."""
    return model.NetworkInfo([model.VIF(
        id='0c1d2a3b-aaaa-4aaa-8aaa-00000000000a',
        address='fa:16:3e:00:00:01', type='ovs', active=True,
        network=model.Network(
            id='0c1d2a3b-bbbb-4bbb-8bbb-00000000000b', label='trove',
            subnets=[model.Subnet(
                cidr='192.0.2.0/24',
                ips=[model.FixedIP(address='192.0.2.10')])]))])
