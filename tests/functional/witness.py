# SPDX-License-Identifier: Apache-2.0
"""What a service dispatched, read from the cloud's record while it grows."""

import json

from tests.cloud import layout
from tests.unit import nova_api


class Witness:
    """Reads the record of dispatches, each line of it once.

    :param cloud: a tests.cloud.state.Cloud
    :param service: 'nova', 'cinder' or 'neutron'
    """

    def __init__(self, cloud, service='nova'):
        self._path = layout.Layout(cloud.root).dispatches(service)
        self._end = 0
        self._lines = []

    def mark(self):
        """Return a mark for now: see since()."""
        return len(self._all())

    def since(self, mark):
        """Return the dispatches (list of dict) after a mark."""
        return self._all()[mark:]

    def dispatches(self, request_id):
        """Return the dispatches (list of dict) of a request."""
        return [line for line in self._all()
                if line['request_id'] == request_id]

    def servers_since(self, mark):
        """Return the ids (set) of what dispatches after a mark may change.

        Not all of them are servers.
        """
        return {line.get('server_id', line.get('id'))
                for line in self.since(mark) if not is_read(line)} - {None}

    def mutations_of(self, server, mark):
        """Return the dispatches after a mark that do not just read a server.

        :param server: the server's id, in whatever case: MariaDB does not
            tell upper from lower
        :param mark: what mark() returned before
        """
        return [line for line in self.since(mark)
                if server.lower() in (str(line.get(name)).lower()
                                      for name in ('id', 'server_id')) and
                not is_read(line)]

    def _all(self):
        with self._path.open('rb') as record:
            record.seek(self._end)
            text = record.read()
        # Nova may be in the midst of the last line.
        whole = text[:text.rfind(b'\n') + 1]
        self._end += len(whole)
        self._lines += map(json.loads, whole.splitlines())
        return self._lines


def is_read(dispatch):
    """Return whether a dispatch only reads, and gives nothing guarded."""
    return nova_api.Dispatch(
        dispatch['controller'], dispatch['method'], {}).is_read
