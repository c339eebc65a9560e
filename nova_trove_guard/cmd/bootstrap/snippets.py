# SPDX-License-Identifier: Apache-2.0
"""The configuration that the services need for the guard."""

from collections import abc
import pathlib

from oslo_config import cfg

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines

_API = '''\
# For {service}.conf of {service}-api.

[trove_guard]
trove_managed_instances = true

[keystone_authtoken]
service_token_roles = service
service_token_roles_required = true
'''

# The guard in Cinder needs [service_user]. Nova's password is not known here.
NOVA = _API.format(service='nova') + '''
# Also for nova.conf of nova-compute, unless it is there already. With it, Nova
# can drive managed volumes in a Cinder with the guard. The section needs the
# credentials of Nova's own user, the same as in [cinder] or [neutron].
[service_user]
send_service_user_token = true

# Nova binds ports as the user in [neutron]. The user must have the role
# service, by which a Neutron with the guard recognizes Nova.
'''

CINDER = _API.format(service='cinder') + '''
# The guard asks Nova about the server to which a managed volume is attached.
# Unless they are there already, this section needs credentials that show
# servers of all projects: those of Cinder's user, if it has the role admin.
[nova]
'''

NEUTRON = _API.format(service='neutron') + '''
# Recommended: add tag_ports_during_bulk_creation to extension_drivers in [ml2]
# of ml2_conf.ini. A new port of a database then has its marker from the start.
'''


def paste(api: pipelines.Api) -> str:
    """Return what to add to the api-paste.ini of a service."""
    return f'''\
# For api-paste.ini of {api.process}, with the name {pipelines.NAME} right
# after keystonecontext in every pipeline: nova-trove-guard paste insert FILE

[{pipelines.SECTION}]
use = {api.factory}
'''


_TROVE = '''\
# For trove.conf of Trove's API and task manager.

[DEFAULT]
taskmanager_manager = nova_trove_guard.trove.taskmanager.Manager
remote_nova_client = nova_trove_guard.trove.client.nova_client
remote_cinder_client = nova_trove_guard.trove.client.cinder_client
remote_neutron_client = nova_trove_guard.trove.client.neutron_client

[trove_guard]
trove_managed_instances = true
server_owner = {server_owner}

[service_credentials]
{credentials}
'''

_CREDENTIALS = 'service_credentials'


def trove(server_owner: str,
          credentials: abc.Mapping[str, str | None]) -> str:
    """Return the options for trove.conf.

    :param server_owner: the value of that option in ``[trove_guard]``
    :param credentials: the values of ``[service_credentials]`` by option, None
        for a value that is not known
    :raises outcome.Refused: if a configuration file cannot hold a value
    """
    return _TROVE.format(server_owner=server_owner, credentials='\n'.join(
        f'# {name} is not shown here' if value is None
        else f'{name} = {_written(name, value)}'
        for name, value in credentials.items()))


def password(path: pathlib.Path) -> str | None:
    """Return the password in a file that trove() made, None for none."""
    if not path.exists():
        return None
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt('password', secret=True), _CREDENTIALS)
    conf([], project='trove', default_config_files=[str(path)],
         default_config_dirs=[])
    value: str | None = conf[_CREDENTIALS].password
    return value


def _written(name: str, value: str) -> str:
    """Return a value in the form that oslo.config reads back unchanged."""
    if not value.isprintable() or '\\$' in value:
        raise outcome.Refused(
            f'a configuration file cannot hold this {name}: it contains '
            f'control characters or \\$')
    if value.strip('\'" ') != value:
        value = f'"{value}"'
    return value.replace('$', '$$')
