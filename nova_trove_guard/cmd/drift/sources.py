# SPDX-License-Identifier: Apache-2.0
"""Call Nova, Cinder, Neutron and Trove, to list resources and fix markers."""

from collections import abc
import functools
import typing
import urllib.parse

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from keystoneauth1 import session as sessions
from oslo_log import log as logging
from troveclient import exceptions as trove_exceptions
from troveclient.v1 import client as trove_client

from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd import outcome
from nova_trove_guard.trove import locks

LOG = logging.getLogger(__name__)

NOVA_PAGE = 500
CINDER_PAGE = 500
NEUTRON_PAGE = 500
# How many of the last items of a page are kept, as places to continue from.
PLACES = 10
# From this microversion, Cinder refuses filters that a caller may not use.
_FILTERS_MICROVERSION = '3.31'
# Trove lists the servers of a page by one request to Nova, with 55 characters
# of its URL for each.
TROVE_PAGE = 100
# By how much each page of Trove's list overlaps the one before it.
OVERLAP = 10

# Where to continue in Trove's list: the offset of the next page, the time of
# the latest change when the list began, and the ids of the last page.
Position = tuple[int | None, str | None, abc.Sequence[str]]

# All statuses of servers that are built and not deleted
# (nova.api.openstack.common._STATE_MAP). Nova lists a server that is in no
# cell yet whatever a caller filters by, except by some attributes; status is
# one of these, locked_by is not
# (nova.objects.build_request.BuildRequestList.get_by_filters).
_BUILT = ('ACTIVE', 'ERROR', 'PAUSED', 'RESCUE', 'SHELVED',
          'SHELVED_OFFLOADED', 'SHUTOFF', 'SUSPENDED', 'VERIFY_RESIZE')

# What Neutron calls ports and security groups: the collection's path, and the
# attributes that matter.
_NETWORK = {
    discrepancies.Kind.PORT: ('ports', (
        'id', 'name', 'project_id', 'tags', 'device_id', 'device_owner',
        'security_groups')),
    discrepancies.Kind.SECURITY_GROUP: ('security-groups', (
        'id', 'name', 'project_id', 'tags')),
}
# The id of no project. Neutron does not look up projects.
_NO_PROJECT = '0' * 32
# An attribute that no resource of Neutron has.
_NO_ATTRIBUTE = 'trove_guard_drift'

# Servers and the id of the last one, for each page.
_Pages = abc.Iterator[tuple[list[discrepancies.Server], str | None]]
# Items, as a service shows them, and the ids of the last ones, for each page.
_MovablePages = abc.Iterator[
    tuple[list[dict[str, typing.Any]], abc.Sequence[str]]]


def _in_pages(get: abc.Callable[
        [str | None], tuple[list[dict[str, typing.Any]], bool]],
        last: abc.Sequence[str] | None) -> _MovablePages:
    """Yield the pages of a list, even if an item to continue from is deleted.

    The list then continues from the item before it, and repeats some items.

    :param get: returns the page after an item's id, None for the first one,
        and whether another page follows
    :param last: the ids of items after which to start, the last one if that
        is still there; None to start at the first
    """
    places = list(last or ())
    while True:
        try:
            items, has_next = get(places[-1] if places else None)
        except exceptions.NotFound:
            if not places:
                raise
            places.pop()
            continue
        places = [item['id'] for item in items[-PLACES:]]
        yield items, tuple(places)
        if not has_next:
            return


class Nova:
    """Nova's servers.

    All calls raise keystoneauth1.exceptions.ClientException if Nova fails or
    refuses.

    :param tagged_only: whether to list only servers with Trove's tag
    :param endpoint: more arguments of keystoneauth1.adapter.Adapter that say
        where Nova is
    """

    def __init__(self, session: sessions.Session, tagged_only: bool = False,
                 **endpoint: typing.Any) -> None:
        self._nova = adapter.Adapter(
            session, service_type='compute',
            default_microversion=locks.REASON_MICROVERSION, **endpoint)
        self._filter = {'tags': locks.TAG} if tagged_only else {}

    def servers(self, marker: str | None) -> _Pages:
        """Yield (servers, id of the last) of each page.

        :param marker: the id of the server after which to start, None to
            start at the first
        """
        return self._pages('/servers/detail', marker, self._filter)

    def owner_locks(self, marker: str | None) -> _Pages:
        """Yield the servers whose lock their own project holds, as servers().

        Nova's API does not show who locked a server, but admins can filter
        its list by ``locked_by``: ``owner`` or ``admin``.

        :raises outcome.Denied: if Nova ignores the filter
        """
        if next(self._locked_by('nobody', limit=1))[0]:
            raise outcome.Denied(
                'these credentials may not list servers by locked_by: the '
                'policy os_compute_api:servers:allow_all_filters allows '
                'that, by default to an admin')
        return self._locked_by('owner', marker)

    def _locked_by(self, locker: str, marker: str | None = None,
                   **query: str | int) -> _Pages:
        """Yield the built servers that someone has locked, as servers()."""
        return self._pages('/servers', marker, {
            'locked_by': locker, 'status': _BUILT, **query})

    def _pages(self, path: str, marker: str | None,
               query: abc.Mapping[str, str | int | abc.Sequence[str]],
               ) -> _Pages:
        query = {'all_tenants': '1', 'limit': NOVA_PAGE, **query}
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

    def show(self, server_id: str) -> discrepancies.Server | None:
        """Return a server, None if there is none."""
        try:
            server: discrepancies.Server = self._nova.get(
                f'/servers/{server_id}').json()['server']
        except exceptions.NotFound:
            return None
        return server

    def has_owner_lock(self, server_id: str) -> bool:
        """Return whether a server's own project holds its lock."""
        servers, _ = next(self._locked_by('owner', uuid=server_id))
        return bool(servers)

    def lock(self, server_id: str, instance_id: str) -> None:
        """Lock a server, which may be locked already, and tag it.

        The reconciler lists only servers with Trove's tag, which a Trove
        before 26 does not set.
        """
        self._nova.post(f'/servers/{server_id}/action', json={
            'lock': {'locked_reason': locks.reason(instance_id)}})
        try:
            self._nova.put(f'/servers/{server_id}/tags/{locks.TAG}')
        except exceptions.HttpError as error:
            # Nova accepts tags in some states only. Trove tags the server
            # when it locks it next.
            LOG.warning('Could not tag server %s: %s', server_id, error)

    def mark(self, server_id: str, instance_id: str,
             metadata_key: str) -> None:
        """Write the marker of a database instance on a server."""
        self._nova.post(f'/servers/{server_id}/metadata', json={
            'metadata': {metadata_key: instance_id}})


def _is_there(api: adapter.Adapter) -> bool:
    """Return whether the catalog has an API."""
    try:
        return api.get_endpoint() is not None
    except exceptions.EndpointNotFound:
        return False


class Cinder:
    """Cinder's volumes.

    All calls raise keystoneauth1.exceptions.ClientException if Cinder fails
    or refuses.

    :param endpoint: more arguments of keystoneauth1.adapter.Adapter that say
        where Cinder is
    """

    def __init__(self, session: sessions.Session,
                 **endpoint: typing.Any) -> None:
        self._cinder = adapter.Adapter(
            session, service_type='block-storage', **endpoint)

    def is_there(self) -> bool:
        """Return whether the cloud has a Cinder."""
        return _is_there(self._cinder)

    def volumes(self, last: abc.Sequence[str] | None) -> _MovablePages:
        """Yield (volumes, ids of the last ones) of each page.

        Cinder sorts by the time of creation, latest first.

        :param last: as _in_pages()
        :raises outcome.Denied: if Cinder shows only one project's
        """
        self._require_all()
        return _in_pages(self._page, last)

    def _page(self, marker: str | None
              ) -> tuple[list[discrepancies.Volume], bool]:
        query = {'all_tenants': '1', 'limit': str(CINDER_PAGE)}
        if marker is not None:
            query['marker'] = marker
        page = self._cinder.get('/volumes/detail', params=query).json()
        return page['volumes'], bool(page.get('volumes_links'))

    def _require_all(self) -> None:
        """Refuse credentials that may list only their own project's volumes.

        Cinder ignores all_tenants for them, but rejects filters that only an
        admin may use.
        """
        try:
            self._cinder.get('/volumes', params={
                'all_tenants': '1', 'limit': '1', 'host': 'none'},
                microversion=_FILTERS_MICROVERSION)
        except exceptions.BadRequest:
            raise outcome.Denied(
                'these credentials may not list the volumes of all projects: '
                'the rule context_is_admin of Cinder\'s policy allows that, '
                'by default to an admin') from None

    def show(self, volume_id: str) -> discrepancies.Volume | None:
        """Return a volume, None if there is none."""
        try:
            volume: discrepancies.Volume = self._cinder.get(
                f'/volumes/{volume_id}').json()['volume']
        except exceptions.NotFound:
            return None
        return volume

    def mark(self, volume_id: str, instance_id: str,
             metadata_key: str) -> None:
        """Write the marker of a database instance on a volume."""
        self._cinder.post(f'/volumes/{volume_id}/metadata', json={
            'metadata': {metadata_key: instance_id}})


class Neutron:
    """Neutron's ports and security groups.

    All calls raise keystoneauth1.exceptions.ClientException if Neutron fails
    or refuses.

    :param endpoint: more arguments of keystoneauth1.adapter.Adapter that say
        where Neutron is
    """

    def __init__(self, session: sessions.Session,
                 **endpoint: typing.Any) -> None:
        self._neutron = adapter.Adapter(
            session, service_type='network', **endpoint)

    def is_there(self) -> bool:
        """Return whether the cloud has a Neutron."""
        return _is_there(self._neutron)

    def pages(self, kind: discrepancies.Kind,
              last: abc.Sequence[str] | None) -> _MovablePages:
        """Yield (ports or security groups, ids of the last ones) of each page.

        :param kind: PORT or SECURITY_GROUP
        :param last: as _in_pages()
        :raises outcome.Denied: if Neutron shows only one project's
        """
        self._require_all()
        return _in_pages(functools.partial(self._page, kind), last)

    def _page(self, kind: discrepancies.Kind, marker: str | None) -> tuple[
            list[discrepancies.NetworkResource], bool]:
        path, attributes = _NETWORK[kind]
        query = [('limit', str(NEUTRON_PAGE)), ('sort_key', 'id'),
                 ('sort_dir', 'asc'),
                 *(('fields', attribute) for attribute in attributes)]
        if marker is not None:
            query.append(('marker', marker))
        page = self._neutron.get(f'/v2.0/{path}', params=query).json()
        links = page.get(f'{kind}s_links', ())
        return page[f'{kind}s'], any(link['rel'] == 'next' for link in links)

    def _require_all(self) -> None:
        """Refuse credentials that may list only their own project's ports.

        Neutron does not report that it leaves out others. But only callers
        who see all projects may create a resource in another project
        (neutron_lib.api.attributes.AttributeInfo.populate_project_id). So
        send such a request, with an attribute that Neutron does not know.
        Neutron checks the project first, so its fault names the attribute
        only if the project is allowed. It rejects the request in any case:
        nothing is ever created.
        """
        try:
            self._neutron.post('/v2.0/networks', json={'network': {
                'project_id': _NO_PROJECT, _NO_ATTRIBUTE: True}})
        except exceptions.BadRequest as error:
            if error.response is not None and (
                    _NO_ATTRIBUTE in error.response.text):
                return
        except exceptions.Forbidden:
            pass
        raise outcome.Denied(
            'these credentials may not list the ports of all projects: the '
            'rule context_is_admin of Neutron\'s policy allows that, by '
            'default to an admin')

    def show(self, kind: discrepancies.Kind, resource_id: str
             ) -> discrepancies.NetworkResource | None:
        """Return a port or security group, None if there is none."""
        path, _ = _NETWORK[kind]
        try:
            shown: discrepancies.NetworkResource = self._neutron.get(
                f'/v2.0/{path}/{resource_id}').json()[kind]
        except exceptions.NotFound:
            return None
        return shown

    def add_tag(self, kind: discrepancies.Kind, resource_id: str,
                tag: str) -> None:
        """Add a tag to a port or security group."""
        path, _ = _NETWORK[kind]
        self._neutron.put(f'/v2.0/{path}/{resource_id}/tags/'
                          f'{urllib.parse.quote(tag, safe="")}')

    def set_tags(self, kind: discrepancies.Kind, resource_id: str,
                 tags: list[str]) -> None:
        """Replace all tags of a port or security group."""
        path, _ = _NETWORK[kind]
        self._neutron.put(f'/v2.0/{path}/{resource_id}/tags',
                          json={'tags': tags})


class Trove:
    """Trove's database instances, by its management API.

    All calls raise troveclient.exceptions.ClientException if Trove refuses,
    and keystoneauth1.exceptions.ClientException if it fails.

    :param compute_region: the region of the servers; instances with servers
        in other regions are left out
    :param endpoint: more arguments of troveclient.v1.client.Client that say
        where Trove is
    """

    def __init__(self, session: sessions.Session, compute_region: str | None,
                 **endpoint: typing.Any) -> None:
        self._trove = trove_client.Client(
            session=session, **endpoint).mgmt_instances
        self._regions = {None, compute_region}

    def pages(self, position: Position | None) -> abc.Iterator[
            tuple[list[discrepancies.Instance], Position]]:
        """Yield (instances, position after them) of each page.

        Trove sorts by the time of the last change, latest first, and counts
        from the front. While the list is read, a deleted instance moves the
        rest to the front, and a changed one moves to the front itself. So
        each page overlaps the one before, and at the end the front is read
        again.

        :param position: where to start, None for the front
        """
        offset: int | None
        began: str | None
        before: abc.Sequence[str]
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
        yield from self._changed_since(began or '')

    def _changed_since(self, began: str) -> abc.Iterator[
            tuple[list[discrepancies.Instance], Position]]:
        offset: int | None = 0
        while offset is not None:
            page = self._page(offset)
            yield self._of_region(page), (0, began, ())
            if not page or min(
                    shown['updated'] for shown in page) <= began:
                return
            offset = page.next and int(page.next)

    def _page(self, offset: int) -> typing.Any:
        """Return a page of dict, with the offset of the `next` one."""
        page = self._trove.list(limit=TROVE_PAGE, marker=offset,
                                deleted=False, include_clustered=True)
        page[:] = [shown.to_dict() for shown in page]
        return page

    def _of_region(self, page: abc.Iterable[dict[str, typing.Any]]
                   ) -> list[discrepancies.Instance]:
        return [discrepancies.Instance.from_api(shown) for shown in page
                if shown['region'] in self._regions]

    def show(self, instance_id: str) -> discrepancies.Instance | None:
        """Return an Instance, None if it does not exist (any more)."""
        try:
            return discrepancies.Instance.from_api(
                self._trove.show(instance_id).to_dict())
        except trove_exceptions.NotFound:
            return None


def _latest(page: abc.Iterable[dict[str, typing.Any]]) -> str:
    return max((shown['updated'] for shown in page), default='')
