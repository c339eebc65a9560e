# SPDX-License-Identifier: Apache-2.0
"""Describe the guard in Nova, for the commands."""

import nova.cmd  # noqa: F401 - first, as in Nova's own commands
import nova.conf  # noqa: F401 - its options

from nova.api.openstack import urlmap

from nova_trove_guard.cmd import accounts
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import documents
from nova_trove_guard.core import principals
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import service


def _unknown() -> list[str]:
    from nova_trove_guard.nova import surface
    return surface.unknown()


def _context(principal: principals.Principal) -> documents.Environ:
    from nova import context
    return {'nova.context': context.RequestContext(
        overwrite=False, **principal.credentials())}


WING = wings.Wing(
    api=pipelines.NOVA,
    package='nova',
    options=('nova.conf',),
    kind=policies.KIND,
    operations=operations.operations,
    enforcer=policies.enforcer,
    get_enforcer=policies.get_enforcer,
    unknown=_unknown,
    service_users=accounts.SERVICE_USERS,
    service_checks=frozenset(('role', 'service_roles')),
    service_token=('service_user', 'send_service_user_token'),
    drives={'neutron': 'Neutron'},
    peers=(),
    versions=('/v2.1', '/v2'),
    urlmap=urlmap.URLMap,
    service=service.NovaService,
    context=_context,
    confirm=None,
    routes=wings.Routes(
        operations.ROUTES, operations.NAMES_NO_SERVER,
        {operations.UNKNOWN.name: operations.ACTIONS}),
    shown=wings.Shown('compute', {policies.KIND: wings.by_metadata(
        policies.KIND, '/servers/{}', 'tenant_id')}),
    advice={},
)
