# SPDX-License-Identifier: Apache-2.0
"""Create projects, users, roles and the catalog in Keystone."""

from tests.cloud import people
from tests.cloud import state

# Service type to the name of the service.
CATALOG = {
    'image': 'glance',
    'network': 'neutron',
    'placement': 'placement',
    'compute': 'nova',
    'block-storage': 'cinder',
    # The old service type, which Nova and Trove still use.
    'volumev3': 'cinder',
    'database': 'trove',
}
# The processes of endpoints that differ from those of the guarded region, by
# region and service.
ELSEWHERE = {
    **{(region, name): f'{name}-unguarded' for region, guarded in (
        (state.UNGUARDED, None),
        (state.NOVA_GUARDED, 'nova'),
        (state.CINDER_GUARDED, 'cinder'),
        (state.NEUTRON_GUARDED, 'neutron'))
       for name in ('nova', 'cinder', 'neutron') if name != guarded},
    (state.USER, 'trove'): 'trove-user',
}
# Suffixes of URLs; Keystone inserts the project of the token.
SUFFIXES = dict.fromkeys(('cinder', 'trove'), '/%(project_id)s')


def fill(cloud):
    """Create everything that Keystone's bootstrap does not create.

    :param cloud: a state.Cloud
    :returns: a dict of project name to id
    """
    keystone = cloud.connection('admin').identity
    _make_catalog(keystone, cloud.urls)
    for name in people.ROLES:
        keystone.create_role(name=name)
    for name in people.PROJECTS:
        keystone.create_project(name=name, domain_id='default')
    projects = {project.name: project.id for project in keystone.projects()}
    roles = {role.name: role for role in keystone.roles()}
    for person in people.PEOPLE + people.SERVICES:
        user = keystone.create_user(
            name=person.name, password=people.password(person.name),
            domain_id='default', default_project_id=projects[person.project])
        for project, names in person.roles.items():
            for name in names:
                keystone.assign_project_role_to_user(
                    projects[project], user, roles[name])
    return projects


def _make_catalog(keystone, urls):
    """Create the endpoints in all regions."""
    # Keystone's bootstrap has created the guarded region, with Keystone's own
    # endpoints.
    others = [name for name in state.REGIONS if name != state.GUARDED]
    for region in others:
        keystone.create_region(id=region)
    services = {'identity': next(keystone.services(type='identity'))}
    services.update(
        (kind, keystone.create_service(type=kind, name=name))
        for kind, name in CATALOG.items())
    for region in others:
        keystone.create_endpoint(
            service_id=services['identity'].id, interface='public',
            region_id=region, url=urls['keystone'])
    for region in state.REGIONS:
        for kind, name in CATALOG.items():
            url = urls[ELSEWHERE.get((region, name), name)]
            for interface in ('public', 'internal'):
                keystone.create_endpoint(
                    service_id=services[kind].id, interface=interface,
                    region_id=region, url=url + SUFFIXES.get(name, ''))
