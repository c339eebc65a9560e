# SPDX-License-Identifier: Apache-2.0
"""The guard in Nova: a paste filter in its API pipelines.

In api-paste.ini, behind keystonecontext::

    [filter:trove_guard]
    use = egg:nova-trove-guard#trove_guard
"""

from oslo_config import cfg

from nova_trove_guard.core import deadline
from nova_trove_guard.core import filters
from nova_trove_guard.core import guard
from nova_trove_guard.core import options
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core.reports import observers
from nova_trove_guard.core import services
from nova_trove_guard.nova import lookup
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import service

# The type of the guarded resource in CADF's taxonomy.
RESOURCE_TYPE = 'compute/machine'


def filter_factory(
        global_conf: dict[str, str], **local_conf: str) -> filters.Filter:
    """Return the filter for paste.deploy: see filters.create.

    :param global_conf: the DEFAULT section of api-paste.ini; not used
    """
    return filters.create(cfg.CONF, local_conf, 'nova', _guard)


def _guard(application: services.Application,
           settings: options.Settings) -> services.Application:
    measures = metrics.create(settings)
    return guard.TroveGuard(
        application, service.NovaService(application),
        lookup.NovaLookup(
            settings.metadata_key, measures, deadline.Deadline()),
        policies.enforcer(cfg.CONF), settings.metadata_key, settings.mode,
        observers.create(cfg.CONF, settings, measures, RESOURCE_TYPE))
