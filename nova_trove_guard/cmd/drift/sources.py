# SPDX-License-Identifier: Apache-2.0
"""Nova and Trove, as the comparison reads them: in pages, and one by one."""

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from troveclient import exceptions as trove_exceptions
from troveclient.v1 import client as trove_client

from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd import outcome
from nova_trove_guard.trove import locks

NOVA_PAGE = 500
# Trove asks Nova for the servers of a page in one URL, 55 characters each.
TROVE_PAGE = 100
# By how much a page of Trove's begins before the end of the one before it.
OVERLAP = 10


class Nova:
    """Nova's servers.

    All calls raise keystoneauth1.exceptions.ClientException where Nova does
    not answer, or refuses.

    :param session: keystoneauth1 session
    :param tagged_only: whether to list no servers but those with Trove's tag
    :param endpoint: more arguments of keystoneauth1.adapter.Adapter that say
        where Nova is
    """

    def __init__(self, session, tagged_only=False, **endpoint):
        self._nova = adapter.Adapter(
            session, service_type='compute',
            default_microversion=locks.REASON_MICROVERSION, **endpoint)
        self._filter = {'tags': locks.TAG} if tagged_only else {}

    def servers(self, marker):
        """Yield (list of servers, id of the last) of each page.

        :param marker: the id of the server behind which to begin, None for
            the first
        """
        return self._pages('/servers/detail', marker, self._filter)

    def owner_locks(self, marker):
        """Yield (list of servers, id of the last) as servers() does.

        They are those whose lock their own project holds. No view of Nova's
        shows who locked a server, but admins may ask for those that were
        locked by ``owner`` or ``admin``, as Nova's database has it.

        :raises outcome.Refused: if Nova ignores what it is asked for
        """
        if next(self._pages('/servers', None,
                            {'locked_by': 'nobody', 'limit': 1}))[0]:
            raise outcome.Refused(
                'these credentials may not list servers by locked_by: the '
                'policy os_compute_api:servers:allow_all_filters allows '
                'that, by default to an admin')
        return self._pages('/servers', marker, {'locked_by': 'owner'})

    def _pages(self, path, marker, query):
        query = {'all_tenants': '1', 'limit': NOVA_PAGE} | query
        while True:
            if marker is not None:
                query['marker'] = marker
            page = self._nova.get(path, params=query).json()
            servers = page['servers']
            if servers:
                marker = servers[-1]['id']
            yield servers, marker
            if not page.get('servers_links'):
                return

    def show(self, server_id):
        """Return a server (dict), None if there is none."""
        try:
            return self._nova.get(f'/servers/{server_id}').json()['server']
        except exceptions.NotFound:
            return None

    def has_owner_lock(self, server_id):
        """Return whether a server's own project holds its lock."""
        servers, _ = next(self._pages(
            '/servers', None, {'locked_by': 'owner', 'uuid': server_id}))
        return bool(servers)

    def lock(self, server_id, instance_id):
        """Lock a server, whatever its lock is."""
        self._nova.post(f'/servers/{server_id}/action', json={
            'lock': {'locked_reason': locks.reason(instance_id)}})

    def mark(self, server_id, instance_id, metadata_key):
        """Mark a server as a database instance's."""
        self._nova.post(f'/servers/{server_id}/metadata', json={
            'metadata': {metadata_key: instance_id}})


class Trove:
    """Trove's database instances, by its management API.

    All calls raise troveclient.exceptions.ClientException where Trove
    refuses, and keystoneauth1's where it does not answer.

    :param session: keystoneauth1 session
    :param compute_region: the region whose servers are asked for; Trove may
        have instances in others
    :param endpoint: more arguments of troveclient.v1.client.Client that say
        where Trove is
    """

    def __init__(self, session, compute_region, **endpoint):
        self._trove = trove_client.Client(
            session=session, **endpoint).mgmt_instances
        self._regions = {None, compute_region}

    def pages(self, position):
        """Yield (list of Instance, position behind it) of each page.

        Trove lists by the time of the last change, latest first, and counts
        from the front: while it is read, what is deleted moves the rest to
        the front and what changes goes there itself. So each page overlaps
        with the one before, and in the end the front is read again.

        :param position: where to begin, None for the front
        """
        offset, began, before = position or (0, None, ())
        while offset is not None:
            page = self._page(offset)
            if began is None:
                began = _latest(page)
            ids = [shown['id'] for shown in page]
            if offset and page and not set(ids) & set(before):
                offset = max(0, offset - TROVE_PAGE)
                continue
            following = page.next and int(page.next) - OVERLAP
            yield self._of_region(page), (
                offset if following is None else following, began, ids)
            offset, before = following, ids
        yield from self._changed_since(began)

    def _changed_since(self, began):
        offset = 0
        while offset is not None:
            page = self._page(offset)
            yield self._of_region(page), (0, began, ())
            if not page or min(
                    shown['updated'] for shown in page) <= began:
                return
            offset = page.next and int(page.next)

    def _page(self, offset):
        page = self._trove.list(limit=TROVE_PAGE, marker=offset,
                                deleted=False, include_clustered=True)
        page[:] = [shown.to_dict() for shown in page]
        return page

    def _of_region(self, page):
        return [discrepancies.Instance.of(shown) for shown in page
                if shown['region'] in self._regions]

    def show(self, instance_id):
        """Return an Instance, None if there is none (any more)."""
        try:
            return discrepancies.Instance.of(
                self._trove.show(instance_id).to_dict())
        except trove_exceptions.NotFound:
            return None


def _latest(page):
    return max((shown['updated'] for shown in page), default='')
