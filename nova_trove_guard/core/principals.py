# SPDX-License-Identifier: Apache-2.0
"""Identify the principal, from what keystonemiddleware has verified."""

import dataclasses
import operator
import typing

from nova_trove_guard.core import documents


@dataclasses.dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request, in oslo.policy's terms.

    :ivar user_id: id of the token's user
    :ivar project_id: id of the token's project, None for other scopes
    :ivar roles: names of the roles on the user's token
    :ivar service_user_id: id of the user of the service token that was sent
        with it, None without a valid service token
    :ivar service_roles: names of the roles on that service token
    :ivar user_domain_id: id of the user's domain
    :ivar project_domain_id: id of the project's domain
    :ivar domain_id: id of the token's domain, None for other scopes
    :ivar system_scope: ``all`` for a system-scoped token, None for others
    :ivar is_admin_project: whether Keystone marks the project as the admin
        project
    :ivar service_user_domain_id: id of the domain of the service user
    :ivar service_project_id: id of the project of the service token
    :ivar service_project_domain_id: id of that project's domain
    """

    user_id: str
    project_id: str | None
    roles: tuple[str, ...]
    service_user_id: str | None = None
    service_roles: tuple[str, ...] = ()
    user_domain_id: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    system_scope: str | None = None
    is_admin_project: bool = True
    service_user_domain_id: str | None = None
    service_project_id: str | None = None
    service_project_domain_id: str | None = None

    def credentials(self) -> dict[str, typing.Any]:
        """Return the credentials that oslo.policy's checks read.

        They are those of Nova's own context, except ``is_admin``
        (nova.context.RequestContext.to_policy_values).
        """
        # oslo.policy looks for a role in a list, not in a tuple.
        return {name: list(value) if isinstance(value, tuple) else value
                for name, value in zip(_NAMES, _values(self), strict=True)}


_NAMES = tuple(field.name for field in dataclasses.fields(Principal))
_values = operator.attrgetter(*_NAMES)


def identify(environ: documents.Environ) -> Principal | None:
    """Return the verified principal of a request, None if there is none.

    :param environ: the WSGI environ behind keystonemiddleware's auth_token

    Only auth_token sets ``keystone.token_auth``: no header becomes a key of
    that form. But that object also holds tokens that are expired or forbidden
    (keystonemiddleware.auth_token.BaseAuthProtocol.process_request). Only the
    status headers show that a token is valid; auth_token removes them from the
    request before it sets its own. So both are checked: neither a forged
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
    of_service = {} if service is None else {
        'service_user_id': service.user_id,
        'service_roles': tuple(service.role_names),
        'service_user_domain_id': service.user_domain_id,
        'service_project_id': service.project_id,
        'service_project_domain_id': service.project_domain_id}
    return Principal(
        user_id=user.user_id,
        project_id=user.project_id,
        roles=tuple(user.role_names),
        user_domain_id=user.user_domain_id,
        project_domain_id=user.project_domain_id,
        domain_id=user.domain_id,
        system_scope='all' if user.system_scoped else None,
        is_admin_project=user.is_admin_project,
        **of_service)
