# SPDX-License-Identifier: Apache-2.0
"""The endpoints to probe: those of Keystone's catalog, or single hosts."""

import argparse
import dataclasses
import re
from urllib import parse

from keystoneauth1.access import service_catalog

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.probe import requested

_VERSION = re.compile(r'v[0-9.]+')


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of a service.

    :ivar service: how to probe it
    :ivar region: its region in the catalog, empty for a single host
    :ivar url: its URL, with the version of the API
    """

    service: requested.ProbedService
    region: str
    url: str


def from_argument(argument: str) -> Endpoint:
    """Return the endpoint that ``<service>=<url>`` names.

    :raises argparse.ArgumentTypeError: if it names none
    """
    name, _, url = argument.partition('=')
    if name not in requested.SERVICES:
        raise argparse.ArgumentTypeError(
            f'{name!r} is not a service: write <service>=<url>, where the '
            f'service is {", ".join(requested.SERVICES)}')
    if not _is_of_api(url):
        raise argparse.ArgumentTypeError(
            f'the URL of {name} must be http(s)://<host>[:<port>][/<path>]')
    service = requested.SERVICES[name]
    versioned = _versioned(service, url)
    if versioned is None:
        raise argparse.ArgumentTypeError(
            f'the URL of {service.name} must be that of the API '
            f'{" or ".join(service.versions)}, not {url}')
    return Endpoint(service, '', versioned)


def from_catalog(catalog: service_catalog.ServiceCatalog,
                 service: requested.ProbedService,
                 interface: str | list[str] | None,
                 region: str | None) -> list[Endpoint]:
    """Return the endpoints of a service, by region and URL.

    :param interface: such as ``public``, or several; None for all
    :param region: None for all regions
    :raises outcome.Refused: if the URL of one is not the URL of an API
    """
    broken = outcome.Refused(
        f'the catalog has an endpoint of {service.name} with a URL that is '
        f'not the URL of an API')
    try:
        by_type = catalog.get_endpoints_data(
            service.service_type, interface, region)
    except ValueError as error:
        raise broken from error
    found = set()
    for listed in by_type.values():
        for each in listed:
            if not _is_of_api(each.url or ''):
                raise broken
            # Catalogs may still have endpoints of APIs that were removed.
            url = _versioned(service, each.url or '')
            if url is not None:
                found.add((each.region_name or '', url))
    return [Endpoint(service, *each) for each in sorted(found)]


def _is_of_api(url: str) -> bool:
    """Return whether a URL can be that of an API, and has no password."""
    try:
        parts = parse.urlsplit(url)
        return (parts.scheme in ('http', 'https') and bool(parts.hostname) and
                parts.port != 0 and parts.username is None and
                not parts.query and not parts.fragment)
    except ValueError:
        return False


def _versioned(service: requested.ProbedService, url: str) -> str | None:
    """Return the URL of an API with its version, None for another version.

    In some URLs of Nova and Cinder, the project's id follows the version.
    """
    url = url.rstrip('/')
    named = [segment for segment in parse.urlsplit(url).path.split('/')
             if _VERSION.fullmatch(segment)]
    if not named:
        return f'{url}/{service.versions[0]}'
    return url if named[-1] in service.versions else None
