# SPDX-License-Identifier: Apache-2.0
"""The guard in Neutron: a paste filter in its API pipeline.

In api-paste.ini, behind keystonecontext and in front of extensions::

    [filter:trove_guard]
    use = egg:nova-trove-guard#trove_guard_neutron

It refuses calls that change a managed port or security group, or that give
access to one: of rules, floating IPs, port forwardings, local IPs, NDP
proxies, trunks, RBAC policies and logs. A port or security group is managed if
it has the marker as a tag, ``<metadata_key>_<database instance>``. A security
group is also managed as long as a managed port uses it. Trove writes the tag
if its remote_neutron_client is nova_trove_guard.trove.client.neutron_client.

The guard is a filter, and not a service plugin that vetoes in Neutron's
callbacks, because tags, port forwardings, local IPs, NDP proxies, bindings and
logs have no callback that can veto, and an operator's own plugins may have
none, either. The filter runs where the caller is verified. RPC workers and
agents do not use the API.
"""

from oslo_config import cfg

from nova_trove_guard.core import deadline
from nova_trove_guard.core import filters
from nova_trove_guard.core import guard
from nova_trove_guard.core import options
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core.reports import observers
from nova_trove_guard.core import services
from nova_trove_guard.neutron import lookup
from nova_trove_guard.neutron import policies
from nova_trove_guard.neutron import service

# The type of the guarded resource in CADF's taxonomy.
RESOURCE_TYPE = 'network'


def filter_factory(
        global_conf: dict[str, str], **local_conf: str) -> filters.Filter:
    """Return the filter for paste.deploy: see filters.create.

    :param global_conf: the DEFAULT section of api-paste.ini; not used
    """
    return filters.create(cfg.CONF, local_conf, 'neutron', _guard)


def _guard(application: services.Application,
           settings: options.Settings) -> services.Application:
    measures = metrics.create(settings)
    return guard.TroveGuard(
        application, service.NeutronService(),
        lookup.NeutronLookup(
            settings.metadata_key, measures, deadline.Deadline()),
        policies.enforcer(cfg.CONF), settings.metadata_key, settings.mode,
        observers.create(cfg.CONF, settings, measures, RESOURCE_TYPE))
