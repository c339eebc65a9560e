# SPDX-License-Identifier: Apache-2.0
"""A tenant who attacks servers, and their volumes, while Trove works on them.

To a volume, a cloud admin does the same.
"""

from concurrent import futures
import contextlib
import threading
import time

from tests.functional import databases
from tests.functional import facts
from tests.functional import volumes_scene
from tests.functional import volumes_table

# How often to attack what is locked, and at rest.
LULL_SECONDS = 5
PAUSE_SECONDS = 0.2

_CONNECT = {'attachment': {'connector': volumes_table.CONNECTOR}}
# Each is made with what of the volume there is.
VOLUME_ATTACKS = (
    ('POST', '/snapshots', {'snapshot': {
        'volume_id': '$volume', 'force': True}}),
    ('POST', '/volumes', {'volume': {
        'size': 9, 'source_volid': '$volume'}}),
    ('POST', '/backups', {'backup': {'volume_id': '$volume', 'force': True}}),
    ('POST', '/volume-transfers', {'transfer': {'volume_id': '$volume'}}),
    ('POST', '/volumes/$volume/action', {'os-volume_upload_image': {
        'image_name': 'stolen', 'force': True}}),
    ('POST', '/volumes/$volume/action', {'os-initialize_connection': {
        'connector': volumes_table.CONNECTOR}}),
    ('POST', '/volumes/$volume/action', {'os-begin_detaching': None}),
    ('PUT', '/volumes/$volume', {'volume': {'metadata': {}}}),
    ('DELETE', '/volumes/$volume/metadata/trove_instance_id', None),
    ('DELETE', '/volumes/$volume', None),
    ('POST', '/attachments', {'attachment': {
        'volume_uuid': '$volume', 'instance_uuid': '$server',
        'connector': volumes_table.CONNECTOR}}),
)
ATTACHMENT_ATTACKS = (
    ('GET', '/attachments/$attachment', None),
    ('PUT', '/attachments/$attachment', _CONNECT),
    ('DELETE', '/attachments/$attachment', None),
)
SNAPSHOT_ATTACKS = (
    ('POST', '/volumes', {'volume': {
        'size': 9, 'snapshot_id': '$snapshot'}}),
    ('DELETE', '/snapshots/$snapshot', None),
)


class Named(facts.Facts):
    """What attacks name, as keyword arguments say."""

    def __init__(self, **names):
        vars(self).update(names)


class Victim:
    """A server that is attacked.

    :ivar seen: what was seen of it when it was attacked last, None if it was
        not; and when that was
    :ivar volumes: a dict of each volume that it had and its attachment
    """

    def __init__(self):
        self.seen = None
        self.attacked_at = 0
        self.volumes = {}


class Tenant:
    """Attacks servers, above all while they are unlocked or change.

    :param scene: a tests.functional.scene.Scene
    """

    def __init__(self, scene):
        self._scene = scene
        self._volumes = volumes_scene.Volumes(scene)
        self._is_over = threading.Event()
        self._victims = {}
        self._successes = []

    def attack(self, server):
        """Attack a server from now on, and the volumes that it has."""
        self._victims[server] = Victim()

    def keep_on(self):
        """Attack the servers again and again until give_up() is called."""
        while not self._is_over.wait(PAUSE_SECONDS):
            for server, victim in list(self._victims.items()):
                self._attack(server, victim)

    def _attack(self, server, victim):
        row = self._scene.rows.get(server)
        victim.volumes.update(self._volumes.rows.get_attachments(server))
        volumes = {volume: found for volume in victim.volumes
                   if (found := self._volumes.rows.get_volume(volume))}
        if row is None and not volumes:
            return
        seen = row, volumes
        if row is None or row.locked:
            if (seen == victim.seen and
                    time.monotonic() - victim.attacked_at < LULL_SECONDS):
                return
        victim.seen, victim.attacked_at = seen, time.monotonic()
        if row is not None:
            self._successes += databases.attack(self._scene, server)
        for volume, found in volumes.items():
            self._attack_volume(
                VOLUME_ATTACKS + ATTACHMENT_ATTACKS, volume=volume,
                server=server, attachment=victim.volumes[volume])
            for _, snapshot in found:
                if snapshot:
                    self._attack_volume(SNAPSHOT_ATTACKS, snapshot=snapshot)

    def _attack_volume(self, attacks, **names):
        """Try to get at a volume through Cinder, in each way once."""
        named = Named(**names)
        answers = [
            self._volumes.ask(who, method, named.fill_in(path),
                              named.fill_in(body))
            for who in ('owner', 'admin') for method, path, body in attacks]
        self._successes += [answer for answer in answers
                            if answer.status_code not in (403, 404)]

    def give_up(self):
        """Attack nothing any more."""
        self._is_over.set()

    def check(self):
        """Fail if an attack has succeeded, or a server was not attacked."""
        successes = [(answer.status_code, answer.request.url, answer.text)
                     for answer in self._successes]
        assert not successes, successes
        for victim in self._victims.values():
            assert victim.seen
            assert victim.volumes


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
