# SPDX-License-Identifier: Apache-2.0
"""Hostile bytes from an owner with a valid token."""

import dataclasses

from tests.functional import wire

FORM = 'Content-Type: application/x-www-form-urlencoded'
JSON = 'Content-Type: application/json'
CHUNKED = 'Transfer-Encoding: chunked'
ROLES = ('Roles: trove_admin,admin,service', 'Role: trove_admin',
         'Identity-Status: Confirmed', 'User-Id: trove', 'Is-Admin: True',
         'Service-Roles: service,trove_admin',
         'Service-Identity-Status: Confirmed', 'Service-User-Id: trove')


@dataclasses.dataclass(frozen=True)
class Trick:
    """Bytes that want to change something managed unnoticed.

    :ivar name: what the trick is
    :ivar request: the bytes, in which $project, $host, $token and more names
        get filled in
    :ivar works: whether they change something behind a stock service, in
        the default cloud
    """

    name: str
    request: bytes
    works: bool

    def fill_in(self, scene, url, **names):
        """Return the bytes about what has names, with the owner's token."""
        request = self.request
        for name, value in {
                **names, 'project': scene.cloud.projects['demo'],
                'host': url.split('/')[2],
                'token': scene.connection('owner').auth_token}.items():
            request = request.replace(f'${name}'.encode(), value.encode())
        return request


def trick(name, method, target, *headers, body=b'', length=True, works=True):
    """Return the Trick of a request with the owner's token."""
    return Trick(name, wire.request(method, target, 'X-Auth-Token: $token',
                                    *headers, body=body, length=length),
                 works)


def works_not(*arguments, **more):
    """Return the Trick that the service, or its server, sees through."""
    return trick(*arguments, **more, works=False)
