# SPDX-License-Identifier: Apache-2.0
"""What the commands need to know of the services that have a guard.

A module describes one service, as plain data and functions. It imports the
service, which is not installed on every host; and no process can import two,
as they register options of one name with the one ConfigOpts of oslo.config.
So a module is imported by load(), when it is known which service it is about.
"""

from collections.abc import Callable
import dataclasses
import importlib
import importlib.util
import typing

from oslo_config import cfg
from oslo_policy import policy

from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.core import documents
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core import principals
from nova_trove_guard.core import services

# The Python packages of the services, and modules here, by the service's type
# in the words of OpenStack's clients.
PACKAGES = {'compute': 'nova', 'volume': 'cinder'}


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """Where an API shows a managed resource, with its metadata.

    :ivar service_type: the API, as Keystone's catalog has it
    :ivar path: the path, with the id for {}
    :ivar name: the key of the resource in the answer
    :ivar project_id: the key of the id of the project that owns it
    """

    service_type: str
    path: str
    name: str
    project_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """Another service that the guard asks with a service's own credentials.

    :ivar group: where the credentials are in the service's configuration
    :ivar service: the other service's name
    :ivar service_type: its API, as Keystone's catalog has it
    :ivar path: what the credentials must let the service read
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
    :ivar kind: what it calls the resources that are managed
    :ivar enforcer: what enforces the guard's rules in it
    :ivar get_enforcer: the same for oslo.policy's tools
    :ivar paste_config: the option that names its api-paste.ini
    :ivar unknown: what the installed one can be asked that the guard does not
        know
    :ivar service_users: the users of services that drive managed resources
    :ivar service_checks: the kinds of oslo.policy's checks by which the rule
        about services knows these
    :ivar service_token: the option, with its group, by which it sends a
        service token with the user's token to a service that has a guard;
        None where it does not do that
    :ivar peers: the services that the guard in it asks
    :ivar versions: where its API is in a path; the first is for paths without
    :ivar urlmap: its own map of versions, empty
    :ivar service: the service as the guard needs to know it
    :ivar context: what keystonecontext leaves in an environ
    :ivar confirm: what confirms a call that needs proof, by the marker's key;
        None where no call does
    :ivar shown: where its API shows a managed resource
    """

    api: pipelines.Api
    package: str
    kind: str
    enforcer: Callable[[cfg.ConfigOpts], enforcement.Enforcer]
    get_enforcer: Callable[[], policy.Enforcer]
    paste_config: Callable[[cfg.ConfigOpts], str]
    unknown: Callable[[], list[str]]
    service_users: tuple[str, ...]
    service_checks: frozenset[str]
    service_token: tuple[str, str] | None
    peers: tuple[Peer, ...]
    versions: tuple[str, ...]
    urlmap: Callable[[], typing.Any]
    service: Callable[[services.Application], services.Service]
    context: Callable[[principals.Principal], documents.Environ]
    confirm: Callable[[str], services.Confirm] | None
    shown: Shown


class NotInstalled(Exception):
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
