# SPDX-License-Identifier: Apache-2.0
"""Compare the API of the installed Nova with the table of operations."""

from collections.abc import Iterator
import itertools

from nova.api.openstack.compute import routes

from nova_trove_guard.nova import operations

# The routes of actions that have their own rows in the table.
ACTIONS = tuple(route for route, methods in operations.ROUTES.items()
                if methods.get('POST') is operations.ACTION)


def nova_routes() -> Iterator[tuple[str, str]]:
    """Yield (route, method) of every route of the installed Nova."""
    for route, methods in routes.ROUTE_LIST:
        if not isinstance(methods, str):  # a redirection
            yield from itertools.product((route,), methods)


def nova_actions(route: str) -> frozenset[str]:
    """Return the names of the actions at a route of the installed Nova."""
    factory, _ = {
        route: methods for route, methods in routes.ROUTE_LIST
        if not isinstance(methods, str)}[route]['POST']
    # An instance of a controller needs a configured Nova; its class does not.
    main, others = factory.args
    return frozenset().union(
        *(controller.wsgi_actions for controller in (main, *others)))


def is_known(route: str, method: str) -> bool:
    """Return whether a route and method are in the table.

    :param route: as nova_routes() yields it
    :param method: the HTTP method
    """
    if route.split('/')[1] in operations.NAMES_NO_SERVER:
        return route not in operations.ROUTES
    # In the table a detailed list is the item with the id 'detail'.
    return method in operations.ROUTES.get(
        route.replace('/detail', '/{id}'), {})


def unknown_actions(route: str) -> frozenset[str]:
    """Return the names of Nova's actions that are not in the table.

    :param route: one of ACTIONS
    """
    return nova_actions(route) - set(operations.ACTIONS)


def unknown() -> list[str]:
    """Return all routes and actions of Nova that are not in the table.

    The guard treats an unknown call on a server as mutating. It passes an
    unknown call that does not seem to be about a server.
    """
    return [
        *(f'{method} {route}' for route, method in nova_routes()
          if not is_known(route, method)),
        *(f'action {name}' for name in sorted(set().union(
            *map(unknown_actions, ACTIONS))))]
