# SPDX-License-Identifier: Apache-2.0
"""Calls on managed servers by their owner, a manager and a cloud admin."""

import collections
import threading
import time

from tests.bench import trove_operations
from tests.cloud import state
from tests.functional import databases
from tests.functional import scene as scenes
from tests.functional import witness

WHO = ('owner', 'manager', 'admin')
PAUSE_SECONDS = 0.2
LIST_SECONDS = 3
REFUSED = frozenset((403, 404))
NO_ANSWER = 'no answer'


def managed(scene):
    """Return the managed servers (list of dict), as an admin sees them."""
    servers, path = [], '/servers/detail?all_tenants=1'
    while path:
        answer = scene.ask('admin', 'GET', path, version=scenes.VERSION,
                           region=state.UNGUARDED)
        answer.raise_for_status()
        page = answer.json()
        servers += page['servers']
        path = next((f'/servers/detail?{link["href"].partition("?")[2]}'
                     for link in page.get('servers_links', ())), None)
    return [server for server in servers
            if scenes.MARKER in server['metadata']]


class Attacker:
    """Attacks managed servers, again and again.

    :param scene: a tests.functional.scene.Scene
    :param generator: a random.Random
    :ivar statuses: how many calls had each status, or NO_ANSWER
    :ivar answers: a dict of status by the id of a request
    :ivar servers: the ids of all managed servers that there were
    """

    def __init__(self, scene, generator):
        self.statuses = collections.Counter()
        self.answers = {}
        self.servers = set()
        self._scene = scene
        self._generator = generator
        self._end = threading.Event()

    def end(self):
        """Have keep_on() end."""
        self._end.set()

    def keep_on(self):
        """Attack until end() is called."""
        listed, servers = 0, []
        while not self._end.wait(PAUSE_SECONDS):
            try:
                if time.monotonic() - listed > LIST_SECONDS:
                    servers = [one['id'] for one in managed(self._scene)]
                    listed = time.monotonic()
                    self.servers.update(servers)
            except trove_operations.AWAY:
                continue
            if servers:
                self._attack(self._generator.choice(servers))

    def _attack(self, server):
        method, path, body = self._generator.choice(databases.ATTACKS)
        try:
            answer = self._scene.ask(self._generator.choice(WHO), method,
                                     f'/servers/{server}{path}', body)
        except trove_operations.AWAY:
            self.statuses[NO_ANSWER] += 1
            return
        self.statuses[answer.status_code] += 1
        self.answers[answer.headers.get('X-OpenStack-Request-ID')] = (
            answer.status_code)


def dispatched(lines, servers, trove, answers):
    """Return the calls of others than Trove that Nova has dispatched.

    Calls on a server that Trove has deleted do not count where Nova said that
    it is gone, or nothing.

    :param lines: the record of dispatches (list of dict), in order
    :param servers: the ids (set) of managed servers
    :param trove: the id of the Trove admin
    :param answers: a dict of status by the id of a request
    :returns: list of dict
    """
    found, deleted = [], set()
    for line in lines:
        server = str(line.get('server_id', line.get('id'))).lower()
        if server not in servers or witness.is_read(line):
            continue
        if trove in (line['user_id'], line['service_user_id']):
            if line['http_method'] == 'DELETE' and line['path'].endswith(
                    server):
                deleted.add(server)
        elif not (server in deleted and
                  answers.get(line['request_id'], 404) == 404):
            found.append(line)
    return found
