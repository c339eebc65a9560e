# SPDX-License-Identifier: Apache-2.0
"""Sessions that add to Trove's requests what Trove does not know of."""

import re

from keystoneauth1 import session
from oslo_log import log as logging
from oslo_serialization import jsonutils
from trove.common import exception

from nova_trove_guard.trove import windows

LOG = logging.getLogger(__name__)

# The attribute of a TroveContext that holds the current TroveOperation. Trove
# hands its context on to all threads of an operation.
OPERATION = 'trove_guard_operation'

# What Trove calls the volumes and ports of a database instance
# (trove.taskmanager.models.FreshInstanceTasks).
_NAME = re.compile(r'trove-(?P<database_instance>[0-9a-f-]{36})')
_SERVER = re.compile(
    r'/servers/(?P<server_id>(?!detail\b)[^/?]+)(?P<below>/[^?]*)?')
_READS = frozenset(('GET', 'HEAD'))


class DeleteFailed(BaseException):
    """Nova has not deleted a server.

    Not an Exception: those Trove swallows, to forget the server
    (trove.instance.models.BaseInstance._delete_resources). The task manager
    (nova_trove_guard.trove.taskmanager) makes a TroveError of it.
    """


class WindowedSession(session.Session):
    """A session that opens a server's window before it changes it.

    Within a TroveOperation of the task manager the window stays open until the
    operation ends; any other call has one of its own.

    :param context: the TroveContext of the caller, which holds the
        TroveOperation
    :param windows: nova_trove_guard.trove.windows.Windows
    :param settings: the options of nova_trove_guard.trove.opts
    :param session: arguments of keystoneauth1.session.Session
    """

    def __init__(self, context, windows, settings, **session):
        super().__init__(**session)
        self._context = context
        self._windows = windows
        self._settings = settings

    def request(self, url, method, **kwargs):
        """Send a request, as keystoneauth1.session.Session does."""
        operation = getattr(self._context, OPERATION, None)
        if operation is not None:
            return self._request_in(operation, url, method, kwargs)
        try:
            with windows.TroveOperation(
                    self._windows, f'{method} {url}') as operation:
                return self._request_in(operation, url, method, kwargs)
        except DeleteFailed as failure:
            raise exception.TroveError(str(failure)) from failure

    def _request_in(self, operation, url, method, kwargs):
        if method == 'POST' and url == '/servers':
            return self._create(operation, url, kwargs)
        server = _SERVER.match(url)
        if server is None:
            return super().request(url, method, **kwargs)
        server_id, is_itself = server['server_id'], not server['below']
        if method in _READS:
            response = super().request(url, method, **kwargs)
            if is_itself and response.ok:
                operation.saw(server_id, response.json()['server']['status'])
            return response
        if method == 'DELETE' and is_itself:
            return self._delete(operation, server_id, url, kwargs)
        return self._change(operation, server_id, url, method, kwargs)

    def _create(self, operation, url, kwargs):
        metadata = kwargs['json']['server'].setdefault('metadata', {})
        metadata.setdefault(self._settings.metadata_key,
                            operation.database_instance or 'unknown')
        response = super().request(url, 'POST', **kwargs)
        if response.ok:
            operation.created(response.json()['server']['id'])
        return response

    def _change(self, operation, server_id, url, method, kwargs):
        if self._settings.unlock == 'always':
            operation.open(server_id)
        response = super().request(url, method, **kwargs)
        if response.status_code == 409 and 'is locked' in response.text:
            operation.refused_by_lock(server_id)
            response = super().request(url, method, **kwargs)
        return response

    def _delete(self, operation, server_id, url, kwargs):
        try:
            response = self._change(operation, server_id, url, 'DELETE',
                                    kwargs)
        except Exception as error:
            raise DeleteFailed(f'Server {server_id} could not be deleted: '
                               f'{error}') from error
        if response.ok or response.status_code == 404:
            operation.deleted(server_id)
            return response
        raise DeleteFailed(f'Server {server_id} could not be deleted: '
                           f'{response.status_code} {response.reason}')


class _MarkingSession(session.Session):
    """A session that marks the siblings of servers.

    :param metadata_key: the marker
    :param session: arguments of keystoneauth1.session.Session
    """

    def __init__(self, metadata_key, **session):
        super().__init__(**session)
        self._metadata_key = metadata_key


class VolumeMarkingSession(_MarkingSession):
    """A session with Cinder that marks the volumes that it creates."""

    def request(self, url, method, **kwargs):
        """Send a request, as keystoneauth1.session.Session does."""
        if method == 'POST' and url == '/volumes':
            volume = kwargs['json']['volume']
            named = _NAME.fullmatch(volume.get('name') or '')
            if named:
                volume['metadata'] = {
                    self._metadata_key: named['database_instance'],
                    **(volume.get('metadata') or {})}
        return super().request(url, method, **kwargs)


class PortMarkingSession(_MarkingSession):
    """A session with Neutron that tags the ports that it creates.

    Neutron takes no tags with a new port. One that can't be tagged is logged,
    and serves its database instance all the same.
    """

    def request(self, url, method, **kwargs):
        """Send a request, as keystoneauth1.session.Session does."""
        response = super().request(url, method, **kwargs)
        if (method == 'POST' and url.endswith('/ports') and response.ok):
            port = jsonutils.loads(response.text)['port']
            named = _NAME.fullmatch(port['name'])
            if named:
                self._tag(f'{url}/{port["id"]}/tags/{self._metadata_key}_'
                          f'{named["database_instance"]}', kwargs)
        return response

    def _tag(self, url, kwargs):
        options = {name: value for name, value in kwargs.items()
                   if name not in ('data', 'json')}
        try:
            response = super().request(
                url, 'PUT', **options | {'raise_exc': False})
            failure = None if response.ok else response.status_code
        except Exception as error:
            failure = error
        if failure:
            LOG.warning('The port can\'t be tagged: PUT %s: %s', url, failure)
