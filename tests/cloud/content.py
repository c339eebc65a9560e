# SPDX-License-Identifier: Apache-2.0
"""Fills the cloud with what a server needs: image, flavors, networks."""

FLAVORS = (
    {'name': 'm1.tiny', 'ram': 512, 'vcpus': 1, 'disk': 1},
    {'name': 'm1.small', 'ram': 1024, 'vcpus': 1, 'disk': 2},
)
# Nova's fake hypervisor doesn't look inside.
IMAGE = b'not really a disk\n'


def make_image(cloud):
    """Upload the image.

    :param cloud: a state.Cloud
    """
    cloud.connection('admin').image.create_image(
        'cirros', data=IMAGE, disk_format='raw', container_format='bare',
        visibility='public')


def make_flavors(cloud):
    """Make the flavors.

    :param cloud: a state.Cloud
    """
    compute = cloud.connection('admin').compute
    for flavor in FLAVORS:
        compute.create_flavor(**flavor)


def make_networks(cloud):
    """Make the tenant's network, and a way to floating IPs.

    :param cloud: a state.Cloud
    """
    neutron = cloud.connection('admin').network
    demo = cloud.projects['demo']
    private = neutron.create_network(
        name='private', project_id=demo, is_shared=True)
    subnet = neutron.create_subnet(
        name='private', project_id=demo, network_id=private.id,
        ip_version=4, cidr='10.0.0.0/20')
    public = neutron.create_network(name='public', is_router_external=True)
    neutron.create_subnet(
        name='public', network_id=public.id, ip_version=4,
        cidr='192.0.2.0/24', is_dhcp_enabled=False)
    router = neutron.create_router(
        name='router', project_id=demo,
        external_gateway_info={'network_id': public.id})
    neutron.add_interface_to_router(router, subnet_id=subnet.id)
