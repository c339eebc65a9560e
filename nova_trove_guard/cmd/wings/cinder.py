# SPDX-License-Identifier: Apache-2.0
"""Describe the guard in Cinder, for the commands."""

import cinder.common.config  # noqa: F401 - options of its command line
from oslo_config import cfg
import paste.urlmap

from nova_trove_guard.cinder import operations
from nova_trove_guard.cinder import policies
from nova_trove_guard.cinder import service
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import deadline
from nova_trove_guard.core import documents
from nova_trove_guard.core import principals
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core import services


def _unknown() -> list[str]:
    from cinder import objects
    from cinder import rpc

    from nova_trove_guard.cinder import surface

    # As cinder-api does before it imports and creates its router.
    objects.register_all()
    rpc.init(cfg.CONF)
    from cinder.api.v3 import router
    return surface.unknown(router.APIRouter())


def _service(application: services.Application) -> services.Service:
    return service.CinderService()


def _context(principal: principals.Principal) -> documents.Environ:
    from cinder import context

    # Cinder's policy decides whether it is an admin's.
    return {'cinder.context': context.RequestContext(
        principal.user_id, principal.project_id,
        roles=list(principal.roles), overwrite=False)}


def _confirm(metadata_key: str) -> services.Confirm:
    from nova_trove_guard.cinder import attachments
    from nova_trove_guard.cinder import lookup

    bound = deadline.Deadline()
    return attachments.ServerProof(
        metadata_key, lookup.CinderLookup(metadata_key, metrics.Off(), bound),
        bound).confirm


WING = wings.Wing(
    api=pipelines.CINDER,
    package='cinder',
    options=('cinder.service', 'cinder.compute.nova'),
    kind=policies.KIND,
    operations=operations.operations,
    enforcer=policies.enforcer,
    get_enforcer=policies.get_enforcer,
    unknown=_unknown,
    service_users=('nova',),
    # Nova's service token goes with the user's token.
    service_checks=frozenset(('service_roles',)),
    service_token=None,
    drives={},
    peers=(wings.Peer(
        'nova', 'Nova', 'compute', '/servers?all_tenants=1&limit=1',
        'only the Trove admin can attach a managed volume: the guard asks '
        'Nova whether the server belongs to the same database instance'),),
    versions=('/v3',),
    urlmap=paste.urlmap.URLMap,
    service=_service,
    context=_context,
    confirm=_confirm,
    routes=wings.Routes(
        operations.ROUTES, operations.NAMES_NO_VOLUME,
        {unknown.name: operations.ACTIONS[collection]
         for collection, unknown in operations.UNKNOWN.items()
         if operations.ACTIONS.get(collection)}),
    shown=wings.Shown('block-storage', {policies.KIND: wings.by_metadata(
        policies.KIND, '/volumes/{}', 'os-vol-tenant-attr:tenant_id')}),
    advice={},
)
