# SPDX-License-Identifier: Apache-2.0
"""Compare the API of the installed Cinder with the table of operations.

Only Cinder's router, which its extensions change, knows all routes and
actions: a ``cinder.api.v3.router.APIRouter``.
"""

from collections.abc import Iterator
import re
import typing

from nova_trove_guard.cinder import operations

# cinder.api.v3.router.APIRouter, which has no types.
Router: typing.TypeAlias = typing.Any

# Names of routed methods that are actions in the body if the controller has no
# such method (cinder.api.openstack.wsgi.Resource.get_method).
_ACTIONS_TOO = ('create', 'update', 'delete')


def cinder_routes(router: Router) -> Iterator[tuple[str, str, str | None]]:
    """Yield (route, method, action) of every call that Cinder's API has.

    Each is yielded once, without project and format. Routes that no method of
    a controller serves are left out. The action is the body's key, None for a
    call without an action.
    """
    seen = set()
    for route in router.map.matchlist:
        path = without_project(route.routepath)
        name = route.defaults.get('action')
        if not name:
            continue
        resource = route.defaults['controller']
        methods = (route.conditions or {}).get('method') or ('*',)
        for method in methods:
            for action in _actions(resource, name):
                row = (path, method, action)
                if row not in seen:
                    seen.add(row)
                    yield row


def is_known(route: str, method: str, action: str | None) -> bool:
    """Return whether a call is in the table.

    :param route: as cinder_routes() yields it
    """
    collection = route.split('/')[1]
    if collection in operations.NAMES_NO_VOLUME:
        return route not in operations.ROUTES
    operation = operations.ROUTES.get(route, {}).get(method)
    if action is None or operation is not operations.ACTION:
        return operation not in (None, operations.ACTION)
    return action in operations.ACTIONS[collection]


def unknown(router: Router) -> list[str]:
    """Return all calls of Cinder's API that are not in the table.

    The guard treats an unknown call on a volume as mutating. It passes an
    unknown call that does not seem to be about a volume.
    """
    return [f'{method} {route}' + (f' ({action})' if action else '')
            for route, method, action in cinder_routes(router)
            if not is_known(route, method, action)]


def _actions(resource: typing.Any, name: str) -> Iterator[str | None]:
    """Yield None for a method of that name, or the actions in the body."""
    if hasattr(resource.controller, name):
        yield None
    elif name == 'action':
        yield from sorted(resource.wsgi_actions)
    elif name in _ACTIONS_TOO and name in resource.wsgi_actions:
        yield name


def without_project(path: str) -> str:
    """Return a route of Cinder as it is written in the table.

    The same routes exist below a project, and with a format.
    """
    path = re.sub(r'\.:\(format\)$', '', path)
    path = re.sub(r'^/\{project_id(:[^}]*)?\}', '', path)
    path = re.sub(r':\((\w+)\)|:(\w+)', r'{\1\2}', path)
    return re.sub(r'^/*', '/', path)
