# SPDX-License-Identifier: Apache-2.0
"""Nova's Compute API over HTTP, with many managed servers in two cells.

One server of each cell is made by Nova's own objects and locked through its
API; the others are copies of its rows. Beside what is not real in
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
from tests.unit import nova_api

OPTIONS = '[trove_guard]\ntrove_managed_instances = true\n'
CELLS = ('cell1', 'cell2')
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


def serve(count):
    """Serve Nova's API; print where it is, a token and its databases."""
    with (cloud.running(OPTIONS) as here,
          unittest.mock.patch.object(
              neutron, 'get_client', lambda *args, **kwargs: NoPorts())):
        token = here.api.token(
            'trove_admin', 'member', 'reader',
            expires=timeutils.utcnow() + datetime.timedelta(days=1))
        urls = []
        for first, cell in enumerate(CELLS):
            server = _server(here, cell, token)
            urls.append(here.databases.url(cell))
            for url in (urls[-1], here.databases.url('api')):
                fleet.copy(url, server, nova_api.DATABASE_INSTANCE,
                           range(first, count, len(CELLS)))
            here.databases.delete(server)
        server = cheroot.wsgi.Server(('127.0.0.1', 0), here.api.app,
                                     timeout=600)
        server.prepare()
        print(json.dumps(
            [f'http://127.0.0.1:{server.bind_addr[1]}/v2.1', token, urls]),
            flush=True)
        server.serve()


def _server(here, cell, token):
    """Create a locked server in a cell, as Trove does; return its id."""
    flavor = objects.Flavor(
        id=1, name='trove', flavorid='trove', memory_mb=2048, vcpus=1,
        root_gb=10, ephemeral_gb=0, swap=0, rxtx_factor=1.0, vcpu_weight=0,
        disabled=False, is_public=True, description=None,
        extra_specs={'hw_rng:allowed': 'True'})
    now = timeutils.utcnow(with_timezone=True)
    server = here.databases.server(
        {cloud.MARKER: nova_api.DATABASE_INSTANCE,
         'trove_project_id': nova_api.PROJECT,
         'trove_user_id': nova_api.USER},
        cell, project_id=nova_api.PROJECT, host='compute1', node='compute1',
        created_at=now, launched_at=now, display_name='database',
        hostname='database', flavor=flavor, old_flavor=None, new_flavor=None,
        instance_type_id=flavor.id, memory_mb=2048, vcpus=1, root_gb=10,
        ephemeral_gb=0, power_state=1, system_metadata=IMAGE,
        image_ref=IMAGE['image_base_image_ref'],
        info_cache=objects.InstanceInfoCache(network_info=_network()))
    context = nova_context.get_admin_context()
    with nova_context.target_cell(
            context, objects.InstanceMapping.get_by_instance_uuid(
                context, server).cell_mapping) as in_cell:
        objects.TagList.create(in_cell, server, [locks.TAG, 'trove_mysql'])
        objects.InstanceAction.action_start(in_cell, server, 'create')
    answer = here.api.ask(
        'POST', f'/v2.1/servers/{server}/action', token=token,
        headers=MICROVERSION, json={'lock': {
            'locked_reason': locks.reason(nova_api.DATABASE_INSTANCE)}})
    if answer.status_int >= 300:
        raise RuntimeError(answer.text)
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
