# SPDX-License-Identifier: Apache-2.0
"""Servers in memory, in place of compute.Compute, for several processes."""

from nova_trove_guard.trove import compute

SERVER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000001'
OTHER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000002'
INSTANCE = 'dbdbdbdb-0000-4000-8000-000000000001'
OTHER_INSTANCE = 'dbdbdbdb-0000-4000-8000-000000000002'
REASON = f'Trove: database instance {INSTANCE}'
PROJECT = 'project'


def server(uuid=SERVER, **changes):
    """Return a compute.Server that Trove has locked."""
    return compute.Server(**{
        'uuid': uuid, 'project': PROJECT,
        'database_instance': INSTANCE if uuid == SERVER else OTHER_INSTANCE,
        'status': 'ACTIVE', 'is_locked': True, 'lock_reason': REASON,
        'is_tagged': True, 'launched_at': None, **changes})


class Nova:
    """Locks servers as Nova does.

    :ivar servers: compute.Server by id
    :ivar calls: (name, server id) of each call that changes a server
    :ivar failures: exceptions that the next of those calls raise; None for
        one that succeeds
    :ivar locked_by_owner: ids of the servers that their tenants have locked
    """

    def __init__(self):
        self.servers = {uuid: server(uuid) for uuid in (SERVER, OTHER)}
        self.calls = []
        self.failures = []
        self.locked_by_owner = set()

    def change(self, uuid, **changes):
        """Change a server behind Trove's back."""
        self.servers[uuid] = server(uuid, **changes)

    def is_locked(self, uuid=SERVER):
        return self.servers[uuid].is_locked

    def show(self, server_id):
        return self.servers.get(server_id)

    def lock(self, server_id, reason):
        return self._act('lock', server_id, is_locked=True,
                         lock_reason=reason)

    def unlock(self, server_id):
        return self._act('unlock', server_id, is_locked=False,
                         lock_reason=None)

    def tag(self, server_id):
        self._act('tag', server_id, is_tagged=True)

    def is_locked_by_owner(self, server):
        return server.uuid in self.locked_by_owner

    def _act(self, name, server_id, **changes):
        self.calls.append((name, server_id))
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            raise failure
        if server_id not in self.servers:
            return False
        self.change(server_id, **changes)
        return True


class Events:
    """Records what is reported, in place of events.Events.

    :ivar seen: (name, argument ...) of each report
    """

    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        return lambda *arguments: self.seen.append((name, *arguments))

    def named(self, name):
        """Return the reports with a name."""
        return [event for event in self.seen if event[0] == name]
