# SPDX-License-Identifier: Apache-2.0
"""Sessions that add windows and markers to Trove's requests."""

import re
import typing

from keystoneauth1 import session
from novaclient import api_versions
from oslo_config import cfg
from oslo_log import log as logging
from oslo_serialization import jsonutils
import requests
from trove.common import context as contexts

from nova_trove_guard.trove import locks
from nova_trove_guard.trove import windows

LOG = logging.getLogger(__name__)

# The attribute of a TroveContext that holds the current TroveOperation. Trove
# passes its context to all threads of an operation.
OPERATION = 'trove_guard_operation'

_DATABASE_INSTANCE = r'(?P<database_instance>[0-9a-f-]{36})'
# Trove's names for the volumes and ports of a database instance
# (trove.taskmanager.models.FreshInstanceTasks).
_NAME = re.compile(rf'trove-{_DATABASE_INSTANCE}')
# What Trove creates in Neutron with a server, by the end of the path.
_NETWORK_SIBLINGS = {'ports': 'port', 'security-groups': 'security_group'}
_SERVER = re.compile(
    r'/servers/(?P<server_id>(?!detail\b)[^/?]+)(?P<below>/[^?]*)?')
_READS = frozenset(('GET', 'HEAD'))

# How often an operation unlocks a server again for one call, if another
# operation or the reconciler locks it before Nova accepts the call.
REOPENINGS = 3


class ServiceSession(session.Session):
    """A session that can skip the check of the service's certificate.

    :param insecure: whether to skip it, as with nova_api_insecure
    :param session: arguments of keystoneauth1.session.Session
    """

    def __init__(self, insecure: bool, **session: typing.Any) -> None:
        super().__init__(**session)
        self._insecure = insecure

    def request(  # type: ignore[override]
            self, url: str, method: str,
            **kwargs: typing.Any) -> requests.Response:
        """Send a request, as keystoneauth1.session.Session does."""
        # Never for requests without a token: they carry a password, to
        # Keystone.
        if self._insecure and kwargs.get('authenticated') is not False:
            kwargs['verify'] = False
        return super().request(url, method, **kwargs)


class WindowedSession(ServiceSession):
    """A session with Nova that opens a window before it changes a server.

    In a TroveOperation of the task manager, the window stays open until the
    operation ends. Any other call has its own window.

    :param context: the TroveContext of the caller, which holds the
        TroveOperation
    :param windows: the Windows of the region
    :param settings: the options of nova_trove_guard.trove.opts
    :param session: arguments of ServiceSession
    """

    def __init__(self, context: contexts.TroveContext,
                 windows: windows.Windows, settings: cfg.ConfigOpts.GroupAttr,
                 **session: typing.Any) -> None:
        super().__init__(**session)
        self._context = context
        self._windows = windows
        self._settings = settings

    def request(  # type: ignore[override]
            self, url: str, method: str,
            **kwargs: typing.Any) -> requests.Response:
        """Send a request, as keystoneauth1.session.Session does."""
        operation = getattr(self._context, OPERATION, None)
        if operation is not None:
            return self._request_in(operation, url, method, kwargs)
        with windows.TroveOperation(f'{method} {url}') as operation:
            return self._request_in(operation, url, method, kwargs)

    def _request_in(self, operation: windows.TroveOperation, url: str,
                    method: str,
                    kwargs: dict[str, typing.Any]) -> requests.Response:
        if method == 'POST' and url == '/servers':
            return self._create(operation, url, kwargs)
        server = _SERVER.match(url)
        if server is None:
            return super().request(url, method, **kwargs)
        server_id = server['server_id']
        if method not in _READS:
            return self._change(operation, server_id, url, method, kwargs)
        response = super().request(url, method, **kwargs)
        if not server['below'] and response.ok:
            operation.lock_active(
                server_id, response.json()['server']['status'])
        return response

    def _create(self, operation: windows.TroveOperation, url: str,
                kwargs: dict[str, typing.Any]) -> requests.Response:
        server = kwargs['json']['server']
        metadata = server.setdefault('metadata', {})
        database_instance = metadata.setdefault(
            self._settings.metadata_key,
            operation.database_instance or 'unknown')
        if 'tags' not in server:
            _tag(server, kwargs['headers'])
        response = super().request(url, 'POST', **kwargs)
        if response.ok:
            operation.created(self._windows, response.json()['server']['id'],
                              database_instance)
        return response

    def _change(self, operation: windows.TroveOperation, server_id: str,
                url: str, method: str,
                kwargs: dict[str, typing.Any]) -> requests.Response:
        if (self._settings.unlock == 'always' and
                not operation.has_opened(server_id)):
            operation.open(self._windows, server_id)
        for _ in range(REOPENINGS):
            response = super().request(url, method, **kwargs)
            if not _is_refused_by_lock(response):
                return response
            operation.open(self._windows, server_id)
        return super().request(url, method, **kwargs)


def _tag(server: dict[str, typing.Any],
         headers: dict[str, typing.Any]) -> None:
    """Add the tag to a request for a new server, as Trove 26 does.

    By default, older versions of Trove use Nova's microversion 2.12. Between
    that and the microversion of tags, Nova changes only one thing for Trove:
    a request must give ``networks``.
    """
    server['tags'] = [locks.TAG]
    with_tags = api_versions.APIVersion(locks.TAG_MICROVERSION)
    if api_versions.APIVersion(
            headers.get(api_versions.LEGACY_HEADER_NAME, '2.1')) < with_tags:
        server.setdefault('networks', 'auto')
        api_versions.update_headers(headers, with_tags)


def _is_refused_by_lock(response: requests.Response) -> bool:
    """Return whether Nova refuses a call because a server is locked.

    The text is that of nova.exception.InstanceIsLocked.
    """
    return response.status_code == 409 and 'is locked' in response.text


class _MarkingSession(ServiceSession):
    """A session that marks the siblings of servers.

    :param metadata_key: the marker
    :param session: arguments of ServiceSession
    """

    def __init__(self, metadata_key: str, **session: typing.Any) -> None:
        super().__init__(**session)
        self._metadata_key = metadata_key


class VolumeMarkingSession(_MarkingSession):
    """A session with Cinder that marks the volumes that it creates."""

    def request(  # type: ignore[override]
            self, url: str, method: str,
            **kwargs: typing.Any) -> requests.Response:
        """Send a request, as keystoneauth1.session.Session does."""
        if method == 'POST' and url == '/volumes':
            volume = kwargs['json']['volume']
            named = _NAME.fullmatch(volume.get('name') or '')
            if named:
                volume['metadata'] = {
                    self._metadata_key: named['database_instance'],
                    **(volume.get('metadata') or {})}
        return super().request(url, method, **kwargs)


class NetworkMarkingSession(_MarkingSession):
    """A session with Neutron that tags ports and security groups it creates.

    Neutron accepts tags with a new port, but without ML2's extension driver
    tag_ports_during_bulk_creation it ignores them silently. With a new
    security group it accepts no tags. So a resource that is created without
    the tag gets it by a second call. If that fails, the failure is logged, and
    Trove uses the resource without the tag.

    :param security_group_prefix: the prefix of the names of security groups,
        as trove_security_group_name_prefix
    """

    def __init__(self, metadata_key: str, security_group_prefix: str,
                 **session: typing.Any) -> None:
        super().__init__(metadata_key, **session)
        self._names = {
            'port': _NAME,
            'security_group': re.compile(
                rf'{re.escape(security_group_prefix)}-{_DATABASE_INSTANCE}')}

    def request(  # type: ignore[override]
            self, url: str, method: str,
            **kwargs: typing.Any) -> requests.Response:
        """Send a request, as keystoneauth1.session.Session does."""
        kind = _NETWORK_SIBLINGS.get(url.rpartition('/')[2])
        if method != 'POST' or kind is None:
            return super().request(url, method, **kwargs)
        body = jsonutils.loads(kwargs['data'])
        named = self._names[kind].fullmatch(body[kind].get('name') or '')
        if named is None:
            return super().request(url, method, **kwargs)
        tag = f'{self._metadata_key}_{named["database_instance"]}'
        if kind == 'port':
            body[kind]['tags'] = [*body[kind].get('tags', ()), tag]
            kwargs['data'] = jsonutils.dumps(body)
        response = super().request(url, method, **kwargs)
        if response.ok:
            created = jsonutils.loads(response.text)[kind]
            if tag not in created.get('tags', ()):
                self._tag(f'{url}/{created["id"]}/tags/{tag}', kwargs)
        return response

    def _tag(self, url: str, kwargs: dict[str, typing.Any]) -> None:
        options = {name: value for name, value in kwargs.items()
                   if name not in ('data', 'json')}
        try:
            response = super().request(
                url, 'PUT', **options | {'raise_exc': False})
            failure = '' if response.ok else str(response.status_code)
        except Exception as error:
            failure = str(error)
        if failure:
            LOG.warning('Could not tag what Trove has created: PUT %s: %s',
                        url, failure)
