# SPDX-License-Identifier: Apache-2.0
"""Clients with which Trove calls Nova, Cinder and Neutron.

Set ``remote_nova_client`` in trove.conf to nova_client. To mark volumes, ports
and security groups, too, set ``remote_cinder_client`` and
``remote_neutron_client``. While trove_managed_instances is false, these
functions return Trove's own clients.
"""

import functools
import typing

from cinderclient import client as cinder
from keystoneauth1 import adapter
from keystoneauth1 import service_token
from keystoneauth1 import token_endpoint
from neutronclient.v2_0 import client as neutron
from novaclient import client as nova
from oslo_config import cfg as oslo_cfg
from oslo_log import log as logging
from trove.common import cfg
from trove.common import clients
from trove.common import clients_admin
from trove.common import context as contexts

from nova_trove_guard.trove import compute
from nova_trove_guard.trove import events
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import opts
from nova_trove_guard.trove import reconciler
from nova_trove_guard.trove import sessions
from nova_trove_guard.trove import windows

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# Within lock_timeout, a server can be read and locked, with one or two calls
# for each.
CALLS_IN_LOCK_TIMEOUT = 4


def nova_client(context: contexts.TroveContext,
                region_name: str | None = None,
                password: str | None = None) -> typing.Any:
    """Return a Nova client that opens a window for each call that needs one.

    :param region_name: None for Trove's own region
    :param password: as in trove.common.clients.nova_client; not used
    :returns: novaclient.v2.client.Client
    """
    settings = opts.register(CONF)
    if not settings.trove_managed_instances:
        stock = (clients.nova_client if settings.server_owner == 'user'
                 else clients_admin.nova_client_trove_admin)
        return stock(context, region_name, password)
    if settings.server_owner == 'user':
        endpoint = _where(clients.nova_client(context, region_name).client)
    else:
        endpoint = _nova_endpoint(_region(region_name))
    return nova.Client(
        CONF.nova_client_version,
        session=sessions.WindowedSession(
            context, get_windows(region_name), settings,
            **_identity(context, settings, CONF.nova_api_insecure)),
        **endpoint)


def cinder_client(context: contexts.TroveContext,
                  region_name: str | None = None) -> typing.Any:
    """Return a Cinder client that marks volumes.

    :param region_name: None for Trove's own region
    :returns: cinderclient.v3.client.Client
    """
    settings = opts.register(CONF)
    if not settings.trove_managed_instances:
        stock = (clients.cinder_client if settings.server_owner == 'user'
                 else clients_admin.cinder_client_trove_admin)
        return stock(context, region_name)
    if settings.server_owner == 'user':
        http = clients.cinder_client(context, region_name).client
        endpoint = {'endpoint_override': http.management_url}
    else:
        endpoint = _endpoint(CONF.cinder_service_type,
                             CONF.cinder_endpoint_type, region_name,
                             _in_trove_project(CONF.cinder_url))
    return cinder.Client(
        CONF.cinder_client_version,
        session=sessions.VolumeMarkingSession(
            settings.metadata_key,
            **_identity(context, settings, CONF.cinder_api_insecure)),
        # As trove.common.clients_admin.cinder_client_trove_admin. Only a new
        # microversion can extend an attached volume.
        additional_headers={'OpenStack-API-Version': 'volumev3 latest'},
        **endpoint)


def neutron_client(context: contexts.TroveContext,
                   region_name: str | None = None) -> typing.Any:
    """Return a Neutron client that tags ports and security groups.

    :param region_name: None for Trove's own region
    :returns: neutronclient.v2_0.client.Client
    """
    settings = opts.register(CONF)
    if not settings.trove_managed_instances:
        stock = (clients.neutron_client if settings.server_owner == 'user'
                 else clients_admin.neutron_client_trove_admin)
        return stock(context, region_name)
    if settings.server_owner == 'user':
        http = clients.neutron_client(context, region_name).httpclient
        endpoint = {'endpoint_override': http.endpoint_url}
    else:
        endpoint = _endpoint(CONF.neutron_service_type,
                             CONF.neutron_endpoint_type, region_name,
                             CONF.neutron_url)
    return neutron.Client(
        session=sessions.NetworkMarkingSession(
            settings.metadata_key, CONF.trove_security_group_name_prefix,
            **_identity(context, settings, CONF.neutron_api_insecure)),
        **endpoint)


def get_windows(region_name: str | None) -> windows.Windows:
    """Return the Windows of this process for a region.

    :param region_name: None for Trove's own region
    """
    return _region_windows(_region(region_name))


def reconcile_regions() -> bool:
    """Run the reconciler of each region that has database instances.

    :returns: whether all servers are checked
    """
    is_finished = True
    for region_name in {_region(name) for name in instances.regions()}:
        try:
            is_finished &= _region_reconciler(region_name).run()
        except Exception:
            LOG.exception('The reconciler could not finish its run in region '
                          '%s, and starts again.', region_name)
    return is_finished


@functools.cache
def _region_compute(region_name: str) -> compute.Compute:
    settings = opts.register(CONF)
    admin = clients_admin.get_keystone_session()
    is_user = settings.server_owner == 'user'
    endpoint = _nova_endpoint(region_name)
    return compute.Compute(
        # A session of our own: Trove's have no time-out.
        sessions.ServiceSession(
            insecure=is_user and CONF.nova_api_insecure, auth=admin.auth,
            session=admin.session, verify=admin.verify,
            timeout=settings.lock_timeout / CALLS_IN_LOCK_TIMEOUT),
        is_user, settings.metadata_key,
        interface=endpoint.pop('endpoint_type'), **endpoint)


@functools.cache
def _region_windows(region_name: str) -> windows.Windows:
    settings = opts.register(CONF)
    return windows.Windows(
        _region_compute(region_name), events.Events(instances.save_fault),
        settings.lock_timeout, settings.unlock_timeout)


@functools.cache
def _region_reconciler(region_name: str) -> reconciler.Reconciler:
    settings = opts.register(CONF)
    return reconciler.Reconciler(
        _region_compute(region_name), _region_windows(region_name),
        events.Events(instances.save_fault), settings.unlock_timeout,
        settings.reconcile_interval)


def _region(region_name: str | None) -> str:
    """Return the name of a region, by default of Trove's own."""
    return str(region_name or CONF.service_credentials.region_name)


def _nova_endpoint(region_name: str) -> dict[str, typing.Any]:
    return _endpoint(
        CONF.nova_compute_service_type, CONF.nova_compute_endpoint_type,
        region_name, _in_trove_project(CONF.nova_compute_url))


def _endpoint(service_type: str, interface: str, region_name: str | None,
              url: str | None) -> dict[str, typing.Any]:
    """Return where a service is, as arguments of a client.

    The clients of trove.common.clients_admin do not help: a process creates
    each once, for the region of its first caller.

    :param url: the configured URL, None to ask the catalog
    """
    return {'service_type': service_type, 'endpoint_type': interface,
            'region_name': _region(region_name), 'endpoint_override': url}


def _in_trove_project(url: str | None) -> str | None:
    """Return a service's configured URL for Trove's own project.

    As trove.common.clients_admin.nova_client_trove_admin.
    """
    if not (url and CONF.service_credentials.project_id):
        return None
    return str(clients.normalize_url(url) +
               CONF.service_credentials.project_id)


def _identity(context: contexts.TroveContext,
              settings: oslo_cfg.ConfigOpts.GroupAttr,
              insecure: bool) -> dict[str, typing.Any]:
    """Return the credentials for calls, as arguments of ServiceSession.

    The service token proves to the guard that Trove uses the user's token. It
    also keeps that token valid if it expires during a long operation.

    :param insecure: the service's option; Trove applies it only to calls with
        the user's token
    """
    admin = clients_admin.get_keystone_session()
    is_user = settings.server_owner == 'user'
    auth = admin.auth
    if is_user:
        auth = service_token.ServiceTokenAuthWrapper(
            user_auth=token_endpoint.Token(None, context.auth_token),
            service_auth=admin.auth)
    return {'auth': auth, 'session': admin.session, 'verify': admin.verify,
            'insecure': is_user and insecure,
            'timeout': settings.lock_timeout}


def _where(client: adapter.Adapter) -> dict[str, typing.Any]:
    """Return a client's endpoint, as arguments of another client."""
    return {'service_type': client.service_type,
            'region_name': client.region_name,
            'endpoint_type': client.interface,
            'endpoint_override': client.endpoint_override}
