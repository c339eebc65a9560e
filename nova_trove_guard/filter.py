# SPDX-License-Identifier: Apache-2.0
"""The guard: a paste filter in Nova's API pipelines, after keystonecontext.

In api-paste.ini::

    [filter:trove_guard]
    use = egg:nova-trove-guard#trove_guard

A request's way: what is asked, of which server (operations) - who asks
(principal) - may they anyway (policy) - is the server Trove's (servers) - pass
on untouched, or a fault (faults).
"""

from nova.api import openstack
from oslo_config import cfg
from oslo_log import log as logging

from nova_trove_guard import faults
from nova_trove_guard import operations
from nova_trove_guard import opts
from nova_trove_guard import policy
from nova_trove_guard import principal as principals
from nova_trove_guard import servers

LOG = logging.getLogger(__name__)


class TroveGuard:
    """Refuses what only the Trove admin may ask of a server of Trove's.

    :param application: the WSGI application behind
    :param metadata_key: the marker
    :param enforcer: nova_trove_guard.policy.Enforcer
    :param servers: nova_trove_guard.servers.Servers
    """

    def __init__(self, application, metadata_key, enforcer, servers):
        self._application = application
        self._metadata_key = metadata_key
        self._enforcer = enforcer
        self._servers = servers
        self._legacy_v2 = _is_legacy_v2(application)

    def __call__(self, environ, start_response):
        asked = operations.asked(environ)
        if asked is None:
            return self._application(environ, start_response)
        try:
            fault = self._judge(asked, environ)
        except Exception:
            LOG.exception('Refused %s: the guard could not judge it. See '
                          'below for what failed; until it works again, all '
                          'such calls are refused.', asked.operation.name)
            fault = faults.unavailable()
        if fault is None:
            return self._application(environ, start_response)
        return faults.answer(fault, environ, start_response, self._legacy_v2)

    def _judge(self, asked, environ):
        """Return the fault that answers a request, None to let it pass."""
        writes_marker = asked.writes_metadata(self._metadata_key)
        if not (asked.operation.targets or writes_marker):
            return None

        principal = principals.identify(environ)
        if principal is None:
            LOG.error('Refused %s: keystonemiddleware\'s auth_token has not '
                      'verified who asks. Put the trove_guard filter behind '
                      'authtoken and keystonecontext in api-paste.ini.',
                      asked.operation.name)
            return faults.unidentified()
        if self._enforcer.may(principal, asked.operation):
            return None
        if writes_marker:
            LOG.warning('Refused %s by user %s of project %s: it writes the '
                        'marker %s.', asked.operation.name,
                        principal.user_id, principal.project_id,
                        self._metadata_key)
            return faults.marker_forbidden(self._metadata_key)

        try:
            server = self._servers.first_managed(asked.identifiers())
        except operations.Unreadable:
            return faults.unreadable()
        if server is None:
            return None

        LOG.warning('Refused %s on server %s by user %s of project %s.',
                    asked.operation.name, server.uuid, principal.user_id,
                    principal.project_id)
        if not asked.is_readable:
            return faults.unreadable()
        if (server.project_id != principal.project_id and
                not self._enforcer.is_cloud_admin(principal)):
            return faults.hidden(asked)
        return faults.forbidden(asked.operation, server)


def filter_factory(global_conf, **local_conf):
    """Return the filter for paste.deploy.

    :param global_conf: the DEFAULT section of api-paste.ini; not used
    :param local_conf: options of the filter's own section, which take
        precedence over nova.conf's ``[trove_guard]``
    :returns: callable that wraps a WSGI application; it returns the very
        application while trove_managed_instances is off
    :raises ValueError: for an option that does not exist or has a bad value
    """
    settings = opts.settings(cfg.CONF, local_conf)

    def guard(application):
        if not settings.trove_managed_instances:
            return application
        return TroveGuard(application, settings.metadata_key,
                          policy.Enforcer(cfg.CONF),
                          servers.Servers(settings.metadata_key))

    return guard


def _is_legacy_v2(application):
    """Return whether the legacy v2 filter stands behind in the pipeline."""
    while application is not None:
        if isinstance(application, openstack.LegacyV2CompatibleWrapper):
            return True
        application = getattr(application, 'application', None)
    return False
