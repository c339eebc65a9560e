# SPDX-License-Identifier: Apache-2.0
"""What the installed Cinder can be asked, against the table of operations.

Cinder's routes and actions are known only to its router, which its extensions
have a part in: give it a ``cinder.api.v3.router.APIRouter``.
"""

from collections.abc import Iterator
import re
import typing

from nova_trove_guard.cinder import operations

# cinder.api.v3.router.APIRouter, which has no types.
Router: typing.TypeAlias = typing.Any

# Methods whose name is not the controller's, but an action's, if need be
# (cinder.api.openstack.wsgi.Resource.get_method).
_ACTIONS_TOO = ('create', 'update', 'delete')


def cinder_routes(router: Router) -> Iterator[tuple[str, str, str | None]]:
    """Yield (route, method, action) of all that a Cinder does.

    Each route once, without its project and format, and without those that
    have no controller's method behind them. The action stands in the body;
    None where the path says what to do.
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
    """Return whether the table knows what a request asks of Cinder.

    :param route: as cinder_routes() has it
    """
    collection = route.split('/')[1]
    if collection in operations.NAMES_NO_VOLUME:
        return route not in operations.ROUTES
    operation = operations.ROUTES.get(route, {}).get(method)
    if action is None or operation is not operations.ACTION:
        return operation not in (None, operations.ACTION)
    return action in operations.ACTIONS[collection]


def unknown(router: Router) -> list[str]:
    """Return all that the table does not know.

    The guard takes what it doesn't know about a volume for mutating; what
    doesn't look like it were about one it lets pass.
    """
    return [f'{method} {route}' + (f' ({action})' if action else '')
            for route, method, action in cinder_routes(router)
            if not is_known(route, method, action)]


def _actions(resource: typing.Any, name: str) -> Iterator[str | None]:
    """Yield what a routed name can be: a method, or actions in the body."""
    if hasattr(resource.controller, name):
        yield None
    elif name == 'action':
        yield from sorted(resource.wsgi_actions)
    elif name in _ACTIONS_TOO and name in resource.wsgi_actions:
        yield name


def without_project(path: str) -> str:
    """Return a route of Cinder's as the table has it.

    The same routes exist behind a project, and with a format.
    """
    path = re.sub(r'\.:\(format\)$', '', path)
    path = re.sub(r'^/\{project_id(:[^}]*)?\}', '', path)
    path = re.sub(r':\((\w+)\)|:(\w+)', r'{\1\2}', path)
    return re.sub(r'^/*', '/', path)
