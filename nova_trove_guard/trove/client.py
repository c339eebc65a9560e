# SPDX-License-Identifier: Apache-2.0
"""The clients that Trove calls Nova, Cinder and Neutron with.

For ``remote_nova_client`` and, so that siblings of servers are marked, too,
``remote_cinder_client`` and ``remote_neutron_client`` of trove.conf. While
trove_managed_instances is off they are Trove's own.
"""

import functools

from cinderclient import client as cinder
from keystoneauth1 import service_token
from keystoneauth1 import token_endpoint
from neutronclient.v2_0 import client as neutron
from novaclient import client as nova
from oslo_utils import uuidutils
from trove.common import cfg
from trove.common import clients
from trove.common import clients_admin

from nova_trove_guard.trove import compute
from nova_trove_guard.trove import events
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import opts
from nova_trove_guard.trove import sessions
from nova_trove_guard.trove import shares
from nova_trove_guard.trove import windows

CONF = cfg.CONF


def nova_client(context, region_name=None, password=None):
    """Return a Nova client that opens windows.

    :param context: trove.common.context.TroveContext
    :param region_name: the region, None for Trove's
    :param password: as in trove.common.clients.nova_client; not used
    :returns: novaclient.v2.client.Client
    """
    settings = opts.register(CONF)
    stock = (clients.nova_client if settings.server_owner == 'user'
             else clients_admin.nova_client_trove_admin)
    if not settings.trove_managed_instances:
        return stock(context, region_name, password)
    return nova.Client(
        CONF.nova_client_version,
        session=sessions.WindowedSession(
            context, process_windows(region_name), settings,
            **_identity(context, settings)),
        **_where(stock(context, region_name, password).client))


def cinder_client(context, region_name=None):
    """Return a Cinder client that marks volumes.

    :param context: trove.common.context.TroveContext
    :param region_name: the region, None for Trove's
    :returns: cinderclient.v3.client.Client
    """
    settings = opts.register(CONF)
    stock = (clients.cinder_client if settings.server_owner == 'user'
             else clients_admin.cinder_client_trove_admin)
    if not settings.trove_managed_instances:
        return stock(context, region_name)
    http = stock(context, region_name).client
    if settings.server_owner == 'user':
        endpoint = {'endpoint_override': http.management_url}
    else:
        endpoint = _where(http)
    return cinder.Client(
        CONF.cinder_client_version,
        session=sessions.VolumeMarkingSession(
            settings.metadata_key, **_identity(context, settings)),
        # As trove.common.clients_admin.cinder_client_trove_admin; it takes
        # a new one to extend a volume that is attached.
        additional_headers={'OpenStack-API-Version': 'volumev3 latest'},
        **endpoint)


def neutron_client(context, region_name=None):
    """Return a Neutron client that tags ports.

    :param context: trove.common.context.TroveContext
    :param region_name: the region, None for Trove's
    :returns: neutronclient.v2_0.client.Client
    """
    settings = opts.register(CONF)
    stock = (clients.neutron_client if settings.server_owner == 'user'
             else clients_admin.neutron_client_trove_admin)
    if not settings.trove_managed_instances:
        return stock(context, region_name)
    http = stock(context, region_name).httpclient
    if settings.server_owner == 'user':
        endpoint = {'endpoint_override': http.endpoint_url}
    else:
        endpoint = _where(http)
    return neutron.Client(
        session=sessions.PortMarkingSession(
            settings.metadata_key, **_identity(context, settings)),
        **endpoint)


@functools.cache
def process_shares():
    """Return the Shares of this process."""
    return shares.Shares(
        opts.register(CONF).coordination_url,
        # A process that comes after a crashed one is another.
        f'{CONF.host}-{uuidutils.generate_uuid()}')


@functools.cache
def process_compute(region_name):
    """Return Compute for a region, None for Trove's own."""
    settings = opts.register(CONF)
    endpoint = {
        'service_type': CONF.nova_compute_service_type,
        'region_name': region_name or CONF.service_credentials.region_name,
        'interface': CONF.nova_compute_endpoint_type,
    }
    # As in trove.common.clients_admin.nova_client_trove_admin, which makes
    # one client for all regions.
    if CONF.nova_compute_url and CONF.service_credentials.project_id:
        endpoint['endpoint_override'] = (
            clients.normalize_url(CONF.nova_compute_url) +
            CONF.service_credentials.project_id)
    return compute.Compute(
        clients_admin.get_keystone_session(),
        settings.server_owner == 'user', settings.metadata_key, **endpoint)


@functools.cache
def process_windows(region_name):
    """Return the Windows of this process in a region, None for Trove's."""
    return windows.Windows(
        process_compute(region_name), process_shares(),
        events.Events(instances.save_fault), instances.lock_reason,
        opts.register(CONF).lock_timeout)


def _identity(context, settings):
    """Return as whom to call, as arguments of keystoneauth1's Session.

    The service token tells the guard that Trove stands behind the user's
    token, and keeps that one going where it expires in the middle of a long
    operation.
    """
    admin = clients_admin.get_keystone_session()
    auth = admin.auth
    if settings.server_owner == 'user':
        auth = service_token.ServiceTokenAuthWrapper(
            user_auth=token_endpoint.Token(None, context.auth_token),
            service_auth=admin.auth)
    return {'auth': auth, 'session': admin.session, 'verify': admin.verify}


def _where(adapter):
    """Return where a keystoneauth1 Adapter finds its service, for another."""
    return {'service_type': adapter.service_type,
            'region_name': adapter.region_name,
            'endpoint_type': adapter.interface,
            'endpoint_override': adapter.endpoint_override}
