# SPDX-License-Identifier: Apache-2.0
"""The guard in Nova: a paste filter in its API pipelines.

In api-paste.ini, behind keystonecontext::

    [filter:trove_guard]
    use = egg:nova-trove-guard#trove_guard
"""

from collections.abc import Callable

from oslo_config import cfg

from nova_trove_guard.core import deadline
from nova_trove_guard.core import guard
from nova_trove_guard.core import options
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core.reports import observers
from nova_trove_guard.core import services
from nova_trove_guard.nova import lookup
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import service

# Of the guarded resource, in CADF's taxonomy.
RESOURCE_TYPE = 'compute/machine'


def filter_factory(global_conf: dict[str, str], **local_conf: str,
                   ) -> Callable[[services.Application],
                                 services.Application]:
    """Return the filter for paste.deploy.

    :param global_conf: the DEFAULT section of api-paste.ini; not used
    :param local_conf: options of the filter's own section, which take
        precedence over nova.conf's ``[trove_guard]``
    :returns: what wraps a WSGI application; it returns the application
        unchanged when trove_managed_instances is false
    :raises ValueError: for an option that does not exist or has a bad value
    """
    settings = options.settings(cfg.CONF, local_conf, 'nova')

    def wrap(application: services.Application) -> services.Application:
        if not settings.trove_managed_instances:
            return application
        measures = metrics.create(settings)
        return guard.TroveGuard(
            application, service.NovaService(application),
            lookup.NovaLookup(settings.metadata_key, measures,
                          deadline.Deadline()),
            policies.enforcer(cfg.CONF), settings.metadata_key, settings.mode,
            observers.create(cfg.CONF, settings, measures, RESOURCE_TYPE))

    return wrap
