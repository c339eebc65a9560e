# SPDX-License-Identifier: Apache-2.0
"""Fills the cloud with what a server needs, and what a database needs."""

from tests.cloud import deployments

FLAVORS = (
    {'name': 'm1.tiny', 'ram': 512, 'vcpus': 1, 'disk': 1},
    {'name': 'm1.small', 'ram': 1024, 'vcpus': 1, 'disk': 2},
)
# Nova's fake hypervisor doesn't look inside.
IMAGE = b'not really a disk\n'
# Trove finds a guest's image by its tags.
IMAGES = {'cirros': (), 'trove-guest': ('trove', 'mysql')}
DATASTORE = 'mysql'
# The first is the default; within a major version an upgrade is possible.
VERSIONS = ('8.0.36', '8.0.37')


def make_images(cloud):
    """Upload the images.

    :param cloud: a state.Cloud
    """
    glance = cloud.connection('admin').image
    for name, tags in IMAGES.items():
        glance.create_image(
            name, data=IMAGE, tags=tags, disk_format='raw',
            container_format='bare', visibility='public')


def make_datastores(cloud):
    """Make the datastore, and its versions, of each Trove deployment.

    :param cloud: a state.Cloud
    """
    for deployment in deployments.DEPLOYMENTS:
        make_datastore(cloud, deployment.region)


def make_datastore(cloud, region):
    """Make the datastore, and its versions, of one Trove deployment.

    :param cloud: a state.Cloud
    :param region: where its endpoint is
    """
    trove = cloud.trove('trove', region)
    for version in VERSIONS:
        is_default = 'true' if version == VERSIONS[0] else 'false'
        trove.mgmt_ds_versions.create(
            version, DATASTORE, DATASTORE, image=None,
            image_tags=list(IMAGES['trove-guest']), default=is_default)


def make_flavors(cloud):
    """Make the flavors.

    :param cloud: a state.Cloud
    """
    compute = cloud.connection('admin').compute
    for flavor in FLAVORS:
        compute.create_flavor(**flavor)


def make_networks(cloud):
    """Make the tenant's network, a way to floating IPs, and Trove's network.

    :param cloud: a state.Cloud
    :returns: the id of Trove's network
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
    trove = cloud.projects['trove']
    management = neutron.create_network(
        name='trove-management', project_id=trove)
    neutron.create_subnet(
        name='trove-management', project_id=trove, network_id=management.id,
        ip_version=4, cidr='10.1.0.0/20')
    return management.id
