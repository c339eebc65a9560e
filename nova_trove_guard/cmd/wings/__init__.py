# SPDX-License-Identifier: Apache-2.0
"""Describe the services that have a guard, for the commands.

Each module describes one service, as plain data and functions, and imports
that service. load() imports the module only when it is needed: a host may lack
some of the services, and a process can import only one of them, because they
register options of the same names in oslo.config's global ConfigOpts. Imports
that take a second, and that few commands need, are inside functions.
"""

from collections.abc import Callable, Collection, Mapping
import dataclasses
import importlib
import importlib.util
import typing

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from oslo_config import cfg
from oslo_policy import policy

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.core import calls
from nova_trove_guard.core import documents
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core import principals
from nova_trove_guard.core import resources
from nova_trove_guard.core import routing
from nova_trove_guard.core import services

# The Python packages of the services, by service type as in OpenStack's
# clients. The modules here have the same names.
PACKAGES = {'compute': 'nova', 'volume': 'cinder', 'network': 'neutron'}
# The group of the option api_paste_config of each.
PASTE_GROUPS = {'nova': 'wsgi', 'cinder': 'DEFAULT', 'neutron': 'DEFAULT'}

# Looks up a resource in an API. The arguments are the API, the resource's id
# and the marker.
Find: typing.TypeAlias = Callable[
    [adapter.Adapter, str, str], services.Found]


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """How an API shows managed resources, with their marker.

    :ivar service_type: the API, as Keystone's catalog has it
    :ivar find: the lookups in it, by the kind of resource
    :ivar leads_to: the kind of managed resource to which another kind leads;
        a kind that is not in it leads to the first one in `find`
    """

    service_type: str
    find: Mapping[str, Find]
    leads_to: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def kind_of(self, kind: str) -> str:
        """Return the kind of managed resource to which a kind leads."""
        if kind in self.find:
            return kind
        return self.leads_to.get(kind, next(iter(self.find)))


def by_metadata(kind: str, path: str, project_id: str) -> Find:
    """Return the lookup of a resource that has its marker in its metadata.

    :param kind: the kind of resource, which is also the key in the response
    :param path: the path of a resource, with {} for its id
    :param project_id: the key of the id of the project that owns it
    """
    def find(api: adapter.Adapter, identifier: str,
             metadata_key: str) -> services.Found:
        try:
            shown = api.get(path.format(identifier)).json()[kind]
        except exceptions.NotFound:
            return ()
        if metadata_key not in shown['metadata']:
            return (None,)
        return (resources.ManagedResource(
            kind, shown['id'], shown[project_id], shown['user_id'],
            shown['metadata'][metadata_key]),)

    return find


@dataclasses.dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a service's API that the guard knows.

    :ivar table: the table of operations
    :ivar others: the collections that are not in it; None if plugins of the
        service can add some
    :ivar actions: the names of known actions, by the name of the operation
        for all other actions
    """

    table: routing.Routes
    others: frozenset[str] | None
    actions: Mapping[str, Collection[str]]

    def lack(self, environ: documents.Environ) -> bool:
        """Return whether the service surely has no route for a request.

        :param environ: as the service's router gets it
        """
        method = routing.method_of(environ)
        if method in ('HEAD', 'OPTIONS'):
            return False
        if not any(method in methods for methods in self.table.values()):
            return True
        if self.others is None:
            return False
        path: str = environ['PATH_INFO']
        segments = path.removesuffix('.json').split('/')[1:] or ['']
        router = routing.Router(self.table)
        # Each route also exists behind a project.
        return not any(
            behind[0] in self.others or router.find(behind, method)
            for behind in (segments, segments[1:]) if behind)


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """Another service that the guard calls with a service's own credentials.

    :ivar group: the group with the credentials in the service's configuration
    :ivar service: the other service's name
    :ivar service_type: its type in Keystone's catalog
    :ivar path: the path that the credentials must let the service read
    :ivar why: what fails without that
    """

    group: str
    service: str
    service_type: str
    path: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Wing:
    """A service that has a guard.

    :ivar api: its API
    :ivar package: its Python package, and its name for oslo.config
    :ivar options: the modules that register the options which the checks
        read; the description does not import them, as that takes a while
    :ivar kind: its name for managed resources
    :ivar operations: returns the operations that the guard can refuse, by name
    :ivar enforcer: returns the enforcer of the guard's rules
    :ivar get_enforcer: the same for oslo.policy's tools
    :ivar unknown: returns the routes and actions of the installed service that
        the guard does not know; None if the guard need not know them
    :ivar service_users: the users of services that drive managed resources
    :ivar service_checks: the kinds of oslo.policy's checks by which the rule
        for services recognizes them
    :ivar service_token: the group and the option that make it send a service
        token with the user's token to a service that has a guard; None if it
        sends none
    :ivar drives: the services whose guard must recognize it as a service, by
        the group with its credentials for them
    :ivar peers: the services that the guard in it calls
    :ivar versions: the versions of its API in a path; the first is for paths
        without a version
    :ivar urlmap: creates its own urlmap, empty
    :ivar service: returns the service for the guard
    :ivar context: returns what keystonecontext adds to an environ; needed only
        for calls that need proof, or that may name any number of resources
    :ivar confirm: returns what confirms a call that needs proof, for the
        marker's key; None if no call needs proof
    :ivar routes: its routes that the guard knows
    :ivar shown: how its API shows managed resources
    :ivar advice: functions that check its configuration, by the name of the
        check; each returns a complaint, or None
    """

    api: pipelines.Api
    package: str
    options: tuple[str, ...]
    kind: str
    operations: Callable[[], Mapping[str, calls.Operation]]
    enforcer: Callable[[cfg.ConfigOpts], enforcement.Enforcer]
    get_enforcer: Callable[[], policy.Enforcer]
    unknown: Callable[[], list[str]] | None
    service_users: tuple[str, ...]
    service_checks: frozenset[str]
    service_token: tuple[str, str] | None
    drives: Mapping[str, str]
    peers: tuple[Peer, ...]
    versions: tuple[str, ...]
    urlmap: Callable[[], typing.Any]
    service: Callable[[services.Application], services.Service]
    context: Callable[[principals.Principal], documents.Environ]
    confirm: Callable[[str], services.Confirm] | None
    routes: Routes
    shown: Shown
    advice: Mapping[str, Callable[[cfg.ConfigOpts], str | None]]


class NotInstalled(outcome.Refused):
    """The service is not installed."""


def load(service_type: str) -> Wing:
    """Return the description of a service.

    :param service_type: one of PACKAGES
    :raises NotInstalled: if the service, or what it needs, is not installed
    """
    try:
        module = importlib.import_module(
            f'{__name__}.{PACKAGES[service_type]}')
    except ModuleNotFoundError as error:
        missing = (error.name or '').partition('.')[0]
        raise NotInstalled(f'the Python package {missing} is not installed '
                           f'here') from error
    wing: Wing = module.WING
    return wing


def installed() -> list[str]:
    """Return the types of the services that are installed here.

    Those with a configuration file, or all if none has one.
    """
    found = [service_type for service_type, package in PACKAGES.items()
             if importlib.util.find_spec(package) is not None]
    return [service_type for service_type in found
            if cfg.find_config_files(PACKAGES[service_type])] or found
