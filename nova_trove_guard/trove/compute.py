# SPDX-License-Identifier: Apache-2.0
"""Read and lock servers in Nova as the Trove admin."""

from collections import abc
import dataclasses
import datetime
import typing

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from keystoneauth1 import session as sessions
from oslo_log import log as logging
from oslo_utils import timeutils

from nova_trove_guard.trove import locks

LOG = logging.getLogger(__name__)

# How many servers to list in one call.
PAGE = 200
# How many of a server's latest actions to look through.
ACTIONS = 50
LOCK = 'lock'
UNLOCK = 'unlock'


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server, as Nova's API shows it.

    :ivar database_instance: the marker's value, None without a marker
    :ivar lock_reason: None if the server is not locked or was locked without
        a reason
    :ivar is_tagged: whether unlocked() lists the server
    :ivar launched_at: when the server became active, in UTC, None if it never
        has
    """

    uuid: str
    project: str
    database_instance: str | None
    status: str
    is_locked: bool
    lock_reason: str | None
    is_tagged: bool
    launched_at: datetime.datetime | None

    @classmethod
    def from_api(cls, shown: dict[str, typing.Any],
                 metadata_key: str) -> typing.Self:
        """Return the Server for a dict of Nova's API."""
        launched_at = shown['OS-SRV-USG:launched_at']
        return cls(
            shown['id'], shown['tenant_id'],
            shown['metadata'].get(metadata_key), shown['status'],
            shown['locked'], shown['locked_reason'],
            locks.TAG in shown['tags'],
            _utc(launched_at) if launched_at else None)


class Compute:
    """Nova in one region, as the Trove admin uses it.

    All methods raise keystoneauth1.exceptions.ClientException if Nova does
    not respond or refuses. They need Nova's microversion 2.73.

    :param session: the Trove admin's session; its time-out limits each call
    :param everywhere: whether managed servers may be in any project, and not
        only in the Trove admin's own
    :param metadata_key: the marker
    :param endpoint: arguments of keystoneauth1.adapter.Adapter that select
        Nova's endpoint
    """

    def __init__(self, session: sessions.Session, everywhere: bool,
                 metadata_key: str, **endpoint: typing.Any) -> None:
        self._nova = adapter.Adapter(
            session, default_microversion=locks.REASON_MICROVERSION,
            **endpoint)
        self._everywhere = everywhere
        self._metadata_key = metadata_key

    def show(self, server_id: str) -> Server | None:
        """Return a server, None if there is none."""
        try:
            shown = self._nova.get(f'/servers/{server_id}').json()['server']
        except exceptions.NotFound:
            return None
        if not _is_whole(shown):
            raise exceptions.ServiceUnavailable(
                f'The cell of server {server_id} does not respond')
        return Server.from_api(shown, self._metadata_key)

    def lock(self, server_id: str, reason: str) -> bool:
        """Lock a server; return False if there is none.

        If the server is already locked, Nova replaces the reason by this one,
        unless the server is in the Trove admin's own project
        (nova.compute.api.API.lock).
        """
        return self._act(server_id, {'lock': {'locked_reason': reason}})

    def unlock(self, server_id: str) -> bool:
        """Unlock a server, even if it is not locked; return False if none.

        Nova records the time in either case: unlocked_at() returns it.
        """
        return self._act(server_id, {'unlock': None})

    def tag(self, server_id: str) -> None:
        """Tag a server, so that unlocked() lists it. Never raises."""
        try:
            self._nova.put(f'/servers/{server_id}/tags/{locks.TAG}')
        except exceptions.ClientException as error:
            # Nova accepts tags only in some states of a server.
            LOG.warning('Could not tag server %s; without the tag, the '
                        'reconciler does not list it: %s', server_id, error)

    def unlocked(self) -> abc.Iterator[list[Server]]:
        """Yield the managed servers that are not locked, page by page."""
        query: dict[str, str | int] = {
            'locked': 'false', 'tags': locks.TAG, 'limit': PAGE}
        if self._everywhere:
            query['all_tenants'] = '1'
        while True:
            page = self._nova.get('/servers/detail', params=query).json()
            servers = [Server.from_api(shown, self._metadata_key)
                       for shown in page['servers'] if _is_whole(shown)]
            yield [server for server in servers
                   if server.database_instance is not None and
                   server.status != locks.BUILDING and
                   server.status not in locks.DELETED]
            if not page.get('servers_links'):
                return
            query['marker'] = page['servers'][-1]['id']

    def unlocked_at(self, server: Server) -> datetime.datetime | None:
        """Return when an unlocked server was unlocked last, in UTC.

        :returns: None if it has not been unlocked since it became active
        """
        action = self._last_action(server.uuid, UNLOCK)
        return None if action is None else _utc(action['start_time'])

    def is_locked_by_owner(self, server: Server) -> bool:
        """Return whether the tenant who owns a server has locked it."""
        if not self._everywhere:
            return False
        action = self._last_action(server.uuid, LOCK)
        return action is not None and action['project_id'] == server.project

    def _last_action(self, server_id: str,
                     name: str) -> dict[str, typing.Any] | None:
        """Return the latest of a server's actions with a name, if any."""
        actions = self._nova.get(
            f'/servers/{server_id}/os-instance-actions',
            params={'limit': ACTIONS}).json()['instanceActions']
        return next((action for action in actions
                     if action['action'] == name), None)

    def _act(self, server_id: str, action: dict[str, typing.Any]) -> bool:
        try:
            self._nova.post(f'/servers/{server_id}/action', json=action)
        except exceptions.NotFound:
            return False
        return True


def _is_whole(shown: dict[str, typing.Any]) -> bool:
    """Return whether Nova shows all attributes of a server.

    If the server's cell is down, Nova shows only what its API database has
    (nova.api.openstack.compute.views.servers.ViewBuilder).
    """
    return 'locked' in shown


def _utc(text: str) -> datetime.datetime:
    """Parse a time of Nova's API, which is in UTC, with or without a zone."""
    return timeutils.normalize_time(timeutils.parse_isotime(text))
