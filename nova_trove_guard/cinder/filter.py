# SPDX-License-Identifier: Apache-2.0
"""The guard in Cinder: a paste filter in its API pipelines.

In api-paste.ini, behind keystonecontext in both ``keystone`` and
``keystone_nolimit``::

    [filter:trove_guard]
    use = egg:nova-trove-guard#trove_guard_cinder

It refuses calls that change a managed volume, copy data out of it or give
control of it, and calls that do so with its snapshots, backups, attachments,
transfers and groups. A volume is managed if its metadata has the marker. Trove
writes the marker if its remote_cinder_client is
nova_trove_guard.trove.client.cinder_client.

``GET /attachments/detail`` passes, but the guard removes the connection
information of managed volumes from the response.
"""

from oslo_config import cfg

from nova_trove_guard.cinder import attachments
from nova_trove_guard.cinder import lookup
from nova_trove_guard.cinder import policies
from nova_trove_guard.cinder import service
from nova_trove_guard.core import deadline
from nova_trove_guard.core import filters
from nova_trove_guard.core import guard
from nova_trove_guard.core import options
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core.reports import observers
from nova_trove_guard.core import services

# The type of the guarded resource in CADF's taxonomy.
RESOURCE_TYPE = 'storage/volume'


def filter_factory(
        global_conf: dict[str, str], **local_conf: str) -> filters.Filter:
    """Return the filter for paste.deploy: see filters.create.

    :param global_conf: the DEFAULT section of api-paste.ini; not used
    """
    return filters.create(cfg.CONF, local_conf, 'cinder', _guard)


def _guard(application: services.Application,
           settings: options.Settings) -> services.Application:
    measures = metrics.create(settings)
    bound = deadline.Deadline()
    volumes = lookup.CinderLookup(settings.metadata_key, measures, bound)
    return guard.TroveGuard(
        application, service.CinderService(), volumes,
        policies.enforcer(cfg.CONF), settings.metadata_key, settings.mode,
        observers.create(cfg.CONF, settings, measures, RESOURCE_TYPE),
        attachments.ServerProof(settings.metadata_key, volumes, bound).confirm,
        attachments.ConnectionRedactor(volumes))
