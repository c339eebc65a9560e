# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard probe``: find services that run without the guard."""

import argparse
from collections import abc
import typing

from keystoneauth1 import access as accesses
from keystoneauth1.identity import base
import openstack

from nova_trove_guard.cmd import accounts
from nova_trove_guard.cmd import clouds
from nova_trove_guard.cmd import listers
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.probe import endpoints
from nova_trove_guard.cmd.probe import requested
from nova_trove_guard.cmd.probe import responses
from nova_trove_guard.cmd.probe import sending
from nova_trove_guard.core import options

Result = responses.Result


class Probe(clouds.Command, listers.CheckLister):
    """Find endpoints of Nova, Cinder and Neutron without an enforcing guard.

    Sends a request that a guard refuses and that changes nothing without
    one, many times to each endpoint, and counts the responses. Use any
    credentials but the Trove admin's, whom the guard lets pass. A guard in
    audit mode, or with another --metadata-key, counts as not guarded: the
    response is the same. The exit code is 0 if all responses come from a
    guard, 1 if some do not, and 3 if an endpoint does not respond.
    """

    need_sort_by_cliff = False
    whose = 'a user\'s'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--service', action='append', metavar='<service>',
            choices=tuple(requested.SERVICES),
            help='probe only this service: compute, volume or network; '
                 'repeat for several (default: all that are in the catalog)')
        parser.add_argument(
            '--all-regions', action='store_true',
            help='probe the endpoints of all regions in the catalog (default: '
                 'those of the region of the credentials, or of all regions '
                 'if these name none)')
        parser.add_argument(
            '--url', action='append', default=[], metavar='<service>=<url>',
            type=endpoints.from_argument,
            help='probe this URL, not the catalog\'s endpoints: a single '
                 'host behind a balancer, such as '
                 'compute=http://controller1:8774; repeat for several')
        parser.add_argument(
            '--requests', default=sending.REQUESTS, metavar='<number>',
            type=_positive,
            help='how many requests to send to each endpoint, each on a new '
                 'connection (default: %(default)s: a process that gets 1 in '
                 f'{sending.SHARE} requests is missed in less than 1 of '
                 f'{sending.RUNS} runs)')
        parser.add_argument(
            '--metadata-key', metavar='<key>',
            default=options.DEFAULT_METADATA_KEY,
            help='the marker: metadata_key in [trove_guard] of nova.conf, '
                 'cinder.conf and neutron.conf (default: %(default)s)')
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Print the list, and return the exit code."""
        status: int = super().run(parsed_args)
        return outcome.UNAVAILABLE if self.ok and self._is_down else status

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            abc.Sequence[str], abc.Iterable[typing.Any]]:
        """Probe, and return the rows."""
        if parsed_args.url and (parsed_args.service or
                                parsed_args.all_regions):
            raise outcome.Refused(
                '--url names what to probe: leave out --service and '
                '--all-regions')
        connection = self.connect(parsed_args)
        access = _access(connection)
        found = parsed_args.url or self._listed(
            parsed_args, connection, access)
        sender = sending.Sender(connection.session, parsed_args.metadata_key)
        rows, results = [], set()
        for each in found:
            tally = sender.probe(each, parsed_args.requests)
            results.add(tally.result)
            rows.append((
                each.service.name, each.region, each.url, tally.result,
                tally.guarded, tally.not_guarded,
                responses.OtherResponses(tally.other)))
        self.ok = results <= {Result.GUARDED, Result.DOWN}
        self._is_down = Result.DOWN in results
        self.summary = (
            f'{parsed_args.requests} requests to each endpoint: a process '
            f'that gets 1 in {sending.share(parsed_args.requests)} of them '
            f'is missed in less than 1 of {sending.RUNS} runs.')
        if not results.isdisjoint((Result.NOT_GUARDED,
                                   Result.PARTLY_GUARDED)):
            self.summary += (
                '\nNot guarded: there is no guard, or it is off, in audit '
                'mode or has another metadata_key.')
        return ('Service', 'Region', 'Endpoint', 'Result', 'Guarded',
                'Not Guarded', 'Other'), rows

    def _listed(self, parsed_args: argparse.Namespace,
                connection: openstack.connection.Connection,
                access: accesses.AccessInfo) -> list[endpoints.Endpoint]:
        """Return the endpoints in the catalog that are to be probed.

        :raises outcome.Refused: if there are none
        """
        found = []
        for name in parsed_args.service or requested.SERVICES:
            service = requested.SERVICES[name]
            region = (None if parsed_args.all_regions else
                      connection.config.get_region_name(service.service_type))
            listed = endpoints.from_catalog(
                access.service_catalog, service,
                connection.config.get_interface(service.service_type), region)
            if not listed:
                missing = (f'the catalog has no endpoint of {service.name}'
                           f'{f" in region {region}" if region else ""}')
                if parsed_args.service:
                    raise outcome.Refused(missing)
                print(f'{service.name} is not probed: {missing}.',
                      file=self.app.stderr)
            found += listed
        if not found:
            raise outcome.Refused('the catalog has no endpoint to probe')
        return sorted(found, key=lambda each: each.region)


def _positive(argument: str) -> int:
    """Return the positive number in an argument.

    :raises argparse.ArgumentTypeError: if there is none
    """
    try:
        number = int(argument)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(
            f'{argument!r} is not a positive number')
    return number


def _access(connection: openstack.connection.Connection
            ) -> accesses.AccessInfo:
    """Return the catalog and roles that go with the credentials.

    :raises outcome.Refused: if a probe cannot use the credentials
    """
    auth = connection.session.auth
    if not isinstance(auth, base.BaseIdentityPlugin):
        raise outcome.Refused('probe needs a user\'s credentials in Keystone')
    access = auth.get_access(connection.session)
    if accounts.TROVE_ADMIN.role in (access.role_names or ()):
        raise outcome.Refused(
            f'these credentials have the role {accounts.TROVE_ADMIN.role}, '
            f'which the guard lets pass: use any others')
    return access
