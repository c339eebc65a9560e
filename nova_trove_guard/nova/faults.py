# SPDX-License-Identifier: Apache-2.0
"""The guard's answers, in the form of Nova's own faults.

Nova's classes make them (``nova.api.openstack.wsgi.Fault``), so that clients
see body, microversion headers and translation as of any fault of Nova's; the
request id comes from Nova's compute_req_id filter, up in the pipeline.
"""

from nova.api.openstack import wsgi
from nova import exception
from oslo_utils import uuidutils
import webob.exc

RETRY_AFTER = 5  # seconds

_BACKUP = 'openstack database backup create <name> --instance {0}'
_RESTART = 'openstack database instance restart {0}'
_LOGS = 'openstack database log list {0}'
_DELETE = 'openstack database instance delete {0}'
_VOLUME = 'openstack database instance resize volume {0} <size in GB>'
_FLAVOR = 'openstack database instance resize flavor {0} <flavor>'
_ROOT = 'openstack database root enable {0}'
_PUBLIC = 'openstack database instance update {0} --is-public'
_PRIVATE = 'openstack database instance update {0} --is-private'
_ALLOWED = 'openstack database instance update {0} --allowed-cidr <cidr>'
_REBUILD = ('openstack database instance upgrade {0} <datastore version>, or '
            'an administrator: openstack database instance rebuild {0} '
            '<image>')
_STATUS = ('an administrator: openstack database instance reset status {0}')

# What to do instead, by operation, with the database instance for {0}. What
# is not here Trove has no command for.
INSTEAD = {
    'os-admin-actions:reset_state': _STATUS,
    'os-admin-password': _ROOT,
    'os-attach-interfaces:create': _PUBLIC,
    'os-attach-interfaces:delete': _PRIVATE,
    'os-console-output': _LOGS,
    'os-consoles:create': _LOGS,
    'os-create-backup': _BACKUP,
    'os-deferred-delete:force': _DELETE,
    'os-floating-ips:add': _PUBLIC,
    'os-floating-ips:delete': _PRIVATE,
    'os-floating-ips:remove': _PRIVATE,
    'os-multinic:add': _PUBLIC,
    'os-multinic:remove': _PRIVATE,
    'os-remote-consoles': _LOGS,
    'os-rescue': _RESTART,
    'os-security-groups:add': _ALLOWED,
    'os-security-groups:remove': _ALLOWED,
    'os-server-password:clear': _ROOT,
    'os-server-password:show': _ROOT,
    'os-volumes-attachments:create': _VOLUME,
    'os-volumes-attachments:delete': _VOLUME,
    'os-volumes-attachments:swap': _VOLUME,
    'os-volumes-attachments:update': _VOLUME,
    'os-volumes:delete': _DELETE,
    'os-volumes:snapshots:create': _BACKUP,
    'servers:create_image': _BACKUP,
    'servers:delete': _DELETE,
    'servers:reboot': _RESTART,
    'servers:rebuild': _REBUILD,
    'servers:resize': _FLAVOR,
    'servers:start': _RESTART,
    'servers:trigger_crash_dump': _LOGS,
    'servers:update': 'openstack database instance update {0} --name <name>',
}


_VERSION_HEADERS = tuple(
    f'HTTP_{name.upper().replace("-", "_")}' for name in (
        wsgi.API_VERSION_REQUEST_HEADER,
        wsgi.LEGACY_API_VERSION_REQUEST_HEADER))

# In what words Nova says that what a request names is not there, by kind.
_NOT_FOUND = {
    'server': 'Instance {} could not be found.',
    'floating_ip': 'Floating IP not found for ID {}',
    'floating_ip_address': 'floating IP not found',
    'volume': 'Volume {} could not be found.',
    'console_token': 'Token not found',
}


def forbidden(operation, server):
    """Return the refusal (webob HTTPForbidden) of an operation.

    :param operation: the Operation
    :param server: the ManagedServer
    """
    instance = server.database_instance
    if not uuidutils.is_uuid_like(instance):
        # Marked before the guard was there, by whomever.
        instance = '<instance>'
    message = (f'Server {server.uuid} is managed by Trove as database '
               f'instance {instance}: {operation.name} is not allowed.')
    if operation.name in INSTEAD:
        message += f' Use: {INSTEAD[operation.name].format(instance)}'
    else:
        message += ' Trove has no command for it; ask your cloud operator.'
    return webob.exc.HTTPForbidden(explanation=message)


def marker_forbidden(metadata_key):
    """Return the refusal of a request that writes the marker."""
    return webob.exc.HTTPForbidden(
        explanation=f'The server metadata key {metadata_key} marks the '
                    f'servers that Trove manages: only Trove may write it.')


def not_found(kind, identifier):
    """Return what Nova says of what does not exist.

    For the trail: the caller gets the answer of Nova itself, which may find
    another fault with the request (nova_trove_guard.core.absence).

    :param kind: see nova_trove_guard.nova.operations.Target
    :param identifier: as the caller has it
    """
    return webob.exc.HTTPNotFound(
        explanation=_NOT_FOUND[kind].format(identifier))


def unauthorized(operation):
    """Return the refusal by a policy rule of Nova's, in Nova's own words.

    :param operation: the Operation
    """
    return webob.exc.HTTPForbidden(explanation=exception.PolicyNotAuthorized(
        action=f'os_compute_api:{operation.name}').format_message())


def unidentified():
    """Return the refusal of a caller whom auth_token has not verified."""
    return webob.exc.HTTPForbidden(
        explanation='The identity of the caller is not verified.')


def unreadable():
    """Return the refusal of what does not say what it asks for."""
    return webob.exc.HTTPBadRequest(explanation='Malformed request body')


def unavailable():
    """Return the refusal of what could not be judged."""
    return webob.exc.HTTPServiceUnavailable(
        explanation='It could not be determined whether Trove manages this '
                    'server. Try again later.',
        headers={'Retry-After': str(RETRY_AFTER)})


def answer(fault, environ, start_response, legacy_v2):
    """Send a fault, as a WSGI application does.

    :param fault: one of the above
    :param legacy_v2: whether this is the legacy v2 API, whose answers have
        no microversion headers (nova.api.openstack.LegacyV2CompatibleWrapper)
    :returns: iterable of bytes
    """
    # Of all headers, which Nova would go through.
    versioned = wsgi.Request({name: environ[name] for name
                              in _VERSION_HEADERS if name in environ})
    if not legacy_v2:
        try:
            versioned.set_api_version_request()
        except (exception.InvalidAPIVersionString,
                exception.InvalidGlobalAPIVersion):
            pass  # Nova's faults then have no microversion headers either
    wsgi.Request(environ).api_version_request = versioned.api_version_request
    return wsgi.Fault(fault)(environ, start_response)
