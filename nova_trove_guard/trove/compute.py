# SPDX-License-Identifier: Apache-2.0
"""What the Trove admin asks of Nova on its own account: locks."""

import dataclasses

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from oslo_log import log as logging

from nova_trove_guard.trove import locks

LOG = logging.getLogger(__name__)

ANY_NOVA = '2.1'


@dataclasses.dataclass(frozen=True, slots=True)
class UnlockedServer:
    """A managed server that is not locked.

    :ivar uuid: the server's id
    :ivar database_instance: the marker's value
    """

    uuid: str
    database_instance: str


class Compute:
    """Nova, as the Trove admin sees it.

    All calls raise keystoneauth1.exceptions.ClientException where Nova does
    not answer, or refuses.

    :param session: keystoneauth1 session of the Trove admin
    :param everywhere: whether servers of Trove's are in any project, not
        just in the Trove admin's own
    :param metadata_key: the marker
    :param endpoint: more arguments of keystoneauth1.adapter.Adapter that say
        where Nova is
    """

    def __init__(self, session, everywhere, metadata_key, **endpoint):
        self._nova = adapter.Adapter(session, **endpoint)
        self._everywhere = everywhere
        self._metadata_key = metadata_key

    def lock(self, server_id, reason):
        """Lock a server, which may be locked already.

        Where servers are anywhere, it is also tagged, so that unlocked()
        finds it: Trove before 26 tags none.

        :returns: False if there is no such server any more
        """
        try:
            is_there = self._act(
                server_id, {'lock': {'locked_reason': reason}},
                locks.REASON_MICROVERSION)
        except exceptions.NotAcceptable:
            is_there = self._act(server_id, {'lock': None}, ANY_NOVA)
        if is_there and self._everywhere:
            self._tag(server_id)
        return is_there

    def unlock(self, server_id):
        """Unlock a server, which may be unlocked already.

        :returns: False if there is no such server any more
        """
        return self._act(server_id, {'unlock': None}, ANY_NOVA)

    def is_active(self, server_id):
        """Return whether a server is there and active."""
        return self._show(server_id, ANY_NOVA).get('status') == 'ACTIVE'

    def is_locked(self, server_id):
        """Return whether a server is locked, or not there any more.

        Needs Nova's microversion 2.73, as unlocked().
        """
        return self._show(
            server_id, locks.REASON_MICROVERSION).get('locked', True)

    def unlocked(self):
        """Yield an UnlockedServer for each, one listing call a page.

        Needs Nova's microversion 2.73.
        """
        query = {'locked': 'false'}
        if self._everywhere:
            query |= {'all_tenants': '1', 'tags': locks.TAG}
        while True:
            page = self._nova.get('/servers/detail', params=query,
                                  microversion=locks.REASON_MICROVERSION).json()
            for server in page['servers']:
                if (self._metadata_key in server['metadata'] and
                        server['status'] != locks.BUILDING and
                        server['status'] not in locks.DELETED):
                    yield UnlockedServer(
                        server['id'], server['metadata'][self._metadata_key])
            if not page.get('servers_links'):
                return
            query['marker'] = page['servers'][-1]['id']

    def _show(self, server_id, microversion):
        """Return a server (dict), an empty one if it is not there."""
        try:
            return self._nova.get(f'/servers/{server_id}',
                                  microversion=microversion).json()['server']
        except exceptions.NotFound:
            return {}

    def _tag(self, server_id):
        try:
            self._nova.put(f'/servers/{server_id}/tags/{locks.TAG}',
                           microversion=locks.TAG_MICROVERSION)
        except exceptions.ClientException as error:
            # It is locked all the same. Nova takes tags in some states only.
            LOG.warning('Server %s is not tagged before its next lock: %s',
                        server_id, error)

    def _act(self, server_id, action, microversion):
        try:
            self._nova.post(f'/servers/{server_id}/action', json=action,
                            microversion=microversion)
        except exceptions.NotFound:
            return False
        return True
