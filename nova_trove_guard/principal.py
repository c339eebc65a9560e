# SPDX-License-Identifier: Apache-2.0
"""Who asks: the principal, from what keystonemiddleware verified."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request, in oslo.policy's terms.

    :ivar user_id: id of the user of the token
    :ivar project_id: id of the project of the token, None for other scopes
    :ivar roles: names of the roles on the user's token
    :ivar service_user_id: id of the user of the service token that was sent
        with it, None without a valid one
    :ivar service_roles: names of the roles on that service token
    """

    user_id: str
    project_id: str | None
    roles: tuple[str, ...]
    service_user_id: str | None = None
    service_roles: tuple[str, ...] = ()

    def credentials(self):
        """Return the credentials (dict) that oslo.policy's checks read."""
        # oslo.policy looks for a role in a list, not in a tuple.
        return {'user_id': self.user_id, 'project_id': self.project_id,
                'roles': list(self.roles),
                'service_user_id': self.service_user_id,
                'service_roles': list(self.service_roles)}


def identify(environ):
    """Return the Principal of a request, or None where nobody is verified.

    :param environ: the WSGI environ behind keystonemiddleware's auth_token

    Only auth_token puts ``keystone.token_auth`` there, a name that no header
    can take. The object carries the parsed tokens even when they turned out
    to be expired or forbidden, though
    (keystonemiddleware.auth_token.BaseAuthProtocol.process_request); that
    they are valid stands in the status headers, which auth_token strips from
    the request before it sets its own. Both are asked for: neither a forged
    header nor an invalid token makes a principal.
    """
    token_auth = environ.get('keystone.token_auth')
    if token_auth is None or token_auth.user is None:
        return None
    if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
        return None
    user, service = token_auth.user, token_auth.service
    if environ.get('HTTP_X_SERVICE_IDENTITY_STATUS') != 'Confirmed':
        service = None
    return Principal(
        user_id=user.user_id,
        project_id=user.project_id,
        roles=tuple(user.role_names),
        service_user_id=service.user_id if service else None,
        service_roles=tuple(service.role_names) if service else ())
