# SPDX-License-Identifier: Apache-2.0
"""Create what servers and databases need: images, flavors, networks, ..."""

from troveclient.v1 import management

from tests.cloud import deployments

# Disks of one size: what was rebuilt with a larger one, Nova does not resize
# to a smaller (nova.utils, get_system_metadata_from_image()).
FLAVORS = (
    {'name': 'm1.tiny', 'ram': 512, 'vcpus': 1, 'disk': 1},
    {'name': 'm1.small', 'ram': 1024, 'vcpus': 1, 'disk': 1},
)
# Nova's fake hypervisor does not read it.
IMAGE = b'not really a disk\n'
# Trove finds a guest's image by its tags.
IMAGES = {'cirros': (), 'trove-guest': ('trove', 'mysql', 'mariadb')}
DATASTORE = 'mysql'
# The first is the default. Trove can upgrade within a major version.
VERSIONS = ('8.0.36', '8.0.37')
# A datastore with clusters; it has a section in trove.conf.
CLUSTERED_DATASTORE = 'mariadb'
CLUSTERED_VERSIONS = ('11.4.4', '11.4.5')
DATASTORES = {DATASTORE: VERSIONS, CLUSTERED_DATASTORE: CLUSTERED_VERSIONS}
# Parameters of configuration groups of the default version, and whether a
# change needs a restart. `trove-manage db_load_datastore_config_parameters`
# would load values that do not fit into SQLite's integers.
PARAMETERS = {'max_connections': False, 'innodb_buffer_pool_size': True}


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
    """Create the datastores, and their versions, of each Trove deployment.

    :param cloud: a state.Cloud
    """
    for deployment in deployments.DEPLOYMENTS:
        make_datastore(cloud, deployment.region)


def make_datastore(cloud, region):
    """Create the datastores, and their versions, of one Trove deployment.

    :param cloud: a state.Cloud
    :param region: the region of its endpoint
    """
    trove = cloud.trove('trove', region)
    for datastore, versions in DATASTORES.items():
        for version in versions:
            is_default = 'true' if version == versions[0] else 'false'
            trove.mgmt_ds_versions.create(
                version, datastore, datastore, image=None,
                image_tags=['trove', datastore], default=is_default)
    default = trove.datastore_versions.get(DATASTORE, VERSIONS[0]).id
    parameters = management.MgmtConfigurationParameters(trove)
    for parameter, needs_restart in PARAMETERS.items():
        parameters.create(
            default, parameter, needs_restart, data_type='integer',
            min_size=1, max_size=2 ** 31 - 1)


def make_flavors(cloud):
    """Create the flavors.

    :param cloud: a state.Cloud
    """
    compute = cloud.connection('admin').compute
    for flavor in FLAVORS:
        compute.create_flavor(**flavor)


def make_networks(cloud):
    """Create the tenant's network, the public network, and Trove's network.

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
        cidr='198.18.0.0/15', is_dhcp_enabled=False)
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
