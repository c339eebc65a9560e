# SPDX-License-Identifier: Apache-2.0
"""Describe the guard in Neutron, for the commands."""

import pathlib
import typing

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from oslo_config import cfg
import paste.urlmap

from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import documents
from nova_trove_guard.core import principals
from nova_trove_guard.core import resources
from nova_trove_guard.core import services
from nova_trove_guard.neutron import operations
from nova_trove_guard.neutron import policies
from nova_trove_guard.neutron import service
from nova_trove_guard.neutron import tags

# The file from which Neutron's API reads the options of ML2, relative to
# neutron.conf (neutron.server).
_ML2_CONF = 'plugins/ml2/ml2_conf.ini'
# The extension driver of ML2 that stores tags with a new port.
_TAG_DRIVER = 'tag_ports_during_bulk_creation'


def _service(application: services.Application) -> services.Service:
    return service.NeutronService()


def _context(principal: principals.Principal) -> documents.Environ:
    # The guard in Neutron uses no code that reads a context.
    return {}


def _find_port(api: adapter.Adapter, port_id: str,
               metadata_key: str) -> services.Found:
    try:
        port = _get(api, 'port', f'/ports/{port_id}')
    except exceptions.NotFound:
        return ()
    marker = _marker(port, metadata_key)
    if marker is None:
        return (None,)
    network = _get(api, 'network', f'/networks/{port["network_id"]}')
    return (resources.ManagedResource(
        'port', port['id'], port['project_id'], '', marker,
        frozenset((network['project_id'],))),)


def _find_group(api: adapter.Adapter, group_id: str,
                metadata_key: str) -> services.Found:
    try:
        group = _get(api, 'security_group', f'/security-groups/{group_id}')
    except exceptions.NotFound:
        return ()
    bound = _get(api, 'ports', f'/ports?security_groups={group_id}')
    for each in (group, *bound):
        marker = _marker(each, metadata_key)
        if marker is not None:
            return (resources.ManagedResource(
                'security_group', group['id'], group['project_id'], '',
                marker),)
    return (None,)


def _get(api: adapter.Adapter, name: str, path: str) -> typing.Any:
    return api.get(f'/v2.0{path}').json()[name]


def _marker(shown: dict[str, typing.Any], metadata_key: str) -> str | None:
    """Return the marker of a port or security group, None for none."""
    return next((
        instance for tag in shown['tags'] if (
            instance := tags.database_instance(tag, metadata_key))
        is not None), None)


def _tags_of_new_ports(conf: cfg.ConfigOpts) -> str | None:
    """Return a complaint if ML2 drops the tags of new ports."""
    from neutron.conf.plugins.ml2 import config as ml2

    beside = [str(path) for file in conf.config_file
              if (path := pathlib.Path(file).parent / _ML2_CONF).is_file()]
    read = cfg.ConfigOpts()
    ml2.register_ml2_plugin_opts(read)
    read([], default_config_files=[*conf.config_file, *beside],
         default_config_dirs=conf.config_dir)
    # If not, there is another core plugin, or the options are elsewhere.
    is_known = 'ml2' in read.list_all_sections()
    if not is_known or _TAG_DRIVER in read.ml2.extension_drivers:
        return None
    return (f'[ml2] extension_drivers does not have {_TAG_DRIVER}: a new port '
            f'of a database has no marker for a moment, between the call that '
            f'creates it and the call that tags it.')


WING = wings.Wing(
    api=pipelines.NEUTRON,
    package='neutron',
    options=(),
    kind=policies.KIND,
    operations=operations.operations,
    enforcer=policies.enforcer,
    get_enforcer=policies.get_enforcer,
    # nova_trove_guard.neutron.operations.UNKNOWN stands for any other route.
    unknown=None,
    # By Nova's installation guide, its user for Neutron has the name neutron.
    service_users=('nova', 'neutron'),
    service_checks=frozenset(('role', 'service_roles')),
    service_token=None,
    drives={},
    peers=(),
    versions=('/v2.0',),
    urlmap=paste.urlmap.URLMap,
    service=_service,
    context=_context,
    confirm=None,
    # Extensions and plugins of Neutron add other routes.
    routes=wings.Routes(operations.ROUTES, None, {}),
    shown=wings.Shown(
        'network', {'port': _find_port, 'security_group': _find_group},
        {'security_group_rule': 'security_group',
         'rbac_policy': 'security_group'}),
    advice={'tags of new ports': _tags_of_new_ports},
)
