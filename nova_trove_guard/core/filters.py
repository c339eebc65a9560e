# SPDX-License-Identifier: Apache-2.0
"""Create the paste filter of a wing."""

from collections.abc import Callable, Mapping
import typing

from oslo_config import cfg
from oslo_log import log as logging

from nova_trove_guard.core import options
from nova_trove_guard.core import services

LOG = logging.getLogger(__name__)

# paste.deploy calls it with the application behind the filter.
Filter: typing.TypeAlias = Callable[
    [services.Application], services.Application]


def create(conf: cfg.ConfigOpts, local_conf: Mapping[str, str], service: str,
           guard: Callable[[services.Application, options.Settings],
                           services.Application]) -> Filter:
    """Return a filter.

    :param conf: the configuration of the service's process
    :param local_conf: options of the filter's own section in api-paste.ini,
        which take precedence over ``[trove_guard]`` of the configuration
    :param service: the name of the service's package
    :param guard: puts a guard in front of an application
    :returns: a function that wraps a WSGI application; it returns the
        application unchanged when trove_managed_instances is false
    :raises ValueError: for an option that does not exist or has a bad value
    """
    settings = options.settings(conf, local_conf, service)
    # No reason not to start: after a return to an older version of the guard,
    # the files may have options of the newer one.
    for mistake in options.unknown(conf):
        LOG.warning('The guard ignores an option. %s', mistake)

    def wrap(application: services.Application) -> services.Application:
        if not settings.trove_managed_instances:
            return application
        return guard(application, settings)

    return wrap
