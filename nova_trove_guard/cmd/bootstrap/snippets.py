# SPDX-License-Identifier: Apache-2.0
"""The configuration that Nova and Trove need for the guard."""

from oslo_config import cfg

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines

NOVA = '''\
# For nova.conf of nova-api.

[trove_guard]
trove_managed_instances = true

[keystone_authtoken]
service_token_roles = service
service_token_roles_required = true
'''

PASTE = f'''\
# For api-paste.ini of nova-api, with the name {pipelines.NAME} right after
# keystonecontext in every pipeline: nova-trove-guard paste insert FILE

[{pipelines.SECTION}]
use = {pipelines.FACTORY}
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


def trove(server_owner, credentials):
    """Return what belongs into trove.conf.

    :param server_owner: the option of that name in ``[trove_guard]``
    :param credentials: dict of value (str) by option of
        ``[service_credentials]``, None for what is not known
    :raises outcome.Refused: if no configuration file can hold a value
    """
    return _TROVE.format(server_owner=server_owner, credentials='\n'.join(
        f'# {name} is not shown here' if value is None
        else f'{name} = {_written(name, value)}'
        for name, value in credentials.items()))


def password(path):
    """Return the password in a file with what trove() returns.

    :param path: its path (pathlib.Path)
    :returns: str, None where there is none
    """
    if not path.exists():
        return None
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt('password', secret=True), _CREDENTIALS)
    conf([], project='trove', default_config_files=[str(path)],
         default_config_dirs=[])
    return conf[_CREDENTIALS].password


def _written(name, value):
    """Return a value in the manner that oslo.config reads it back."""
    if not value.isprintable() or '\\$' in value:
        raise outcome.Refused(
            f'no configuration file can hold this {name}: it has control '
            f'characters in it, or \\$')
    if value.strip('\'" ') != value:
        value = f'"{value}"'
    return value.replace('$', '$$')
