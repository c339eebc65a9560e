# SPDX-License-Identifier: Apache-2.0
"""A tenant who attacks servers while Trove works on them."""

from concurrent import futures
import contextlib
import threading
import time

from tests.functional import databases

# How often to attack a server that is locked.
LULL_SECONDS = 5
PAUSE_SECONDS = 0.2


class Tenant:
    """Attacks servers, above all while they are unlocked.

    :param scene: a tests.functional.scene.Scene
    """

    def __init__(self, scene):
        self._scene = scene
        self._is_over = threading.Event()
        # When each server was attacked last.
        self._attacked_at = {}
        self._successes = []

    def attack(self, server):
        """Attack a server from now on."""
        self._attacked_at[server] = None

    def keep_on(self):
        """Attack the servers again and again until give_up() is called."""
        while not self._is_over.wait(PAUSE_SECONDS):
            for server, attacked_at in list(self._attacked_at.items()):
                row = self._scene.rows.of(server)
                now = time.monotonic()
                if row is not None and (
                        not row.locked or attacked_at is None or
                        now - attacked_at > LULL_SECONDS):
                    self._attacked_at[server] = now
                    self._successes += databases.attack(self._scene, server)

    def give_up(self):
        """Attack nothing any more."""
        self._is_over.set()

    def check(self):
        """Fail if an attack has succeeded, or a server was not attacked."""
        assert not [(answer.status_code, answer.request.url, answer.text)
                    for answer in self._successes]
        assert None not in self._attacked_at.values()


@contextlib.contextmanager
def attacking(scene):
    """Have a tenant attack servers while in the context; none may succeed.

    :param scene: a tests.functional.scene.Scene
    :returns: (yields) the Tenant, who knows of no server yet
    """
    tenant = Tenant(scene)
    with futures.ThreadPoolExecutor(max_workers=1) as pool:
        attacks = pool.submit(tenant.keep_on)
        try:
            yield tenant
        finally:
            tenant.give_up()
    attacks.result()
    tenant.check()
