# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard explain METHOD PATH``: what the guard does, and why."""

import argparse
from collections.abc import Iterator
import functools
import os
import pathlib
import sys
import typing
import urllib.parse

from cliff import show
from keystoneauth1 import adapter
import openstack
from oslo_config import cfg
import webob

from nova_trove_guard.cmd import clouds
from nova_trove_guard.cmd.explain import from_log
from nova_trove_guard.cmd.explain import lookups
from nova_trove_guard.cmd.explain import verdicts
from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import host
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import documents
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core import principals

FROM_ENVIRONMENT = 'env:'
STANDARD_INPUT = '-'


class Explain(clouds.Command, show.ShowOne):
    """Show what the guard decides about a request, and why.

    The guard's own code judges it, with the policy of a nova.conf,
    cinder.conf or neutron.conf. The request itself is not sent: the service
    only shows the server, volume, port or security group, and is not called
    at all with --managed or --unmanaged. Keystone validates a token, with the
    credentials in [keystone_authtoken].
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument('method', metavar='METHOD', nargs='?',
                            help='the HTTP method')
        parser.add_argument(
            'path', metavar='PATH', nargs='?',
            help='the path and query, with or without the version, such as '
                 '/v2.1/servers/<id>/action')
        parser.add_argument(
            '--service', choices=tuple(wings.PACKAGES), default='compute',
            help='which service gets the request (default: %(default)s)')
        parser.add_argument(
            '--body', default='', metavar='<json>|@<file>',
            help='the JSON body of the request')
        parser.add_argument(
            '--config-file', action='append', default=[], metavar='<file>',
            help='the nova.conf of nova-api, the cinder.conf of cinder-api, '
                 'or the neutron.conf of neutron-api; may be given several '
                 'times (default: the one on this host, if there is one)')
        parser.add_argument(
            '--paste-file', metavar='<file>',
            help='its api-paste.ini, if that sets options of the guard')
        from_log.add_options(parser)
        who = parser.add_argument_group('the caller')
        who.add_argument('--user-id', metavar='<id>')
        who.add_argument('--project-id', metavar='<id>')
        who.add_argument('--role', action='append', default=[],
                         metavar='<name>', help='may be given several times')
        who.add_argument('--service-user-id', metavar='<id>')
        who.add_argument(
            '--service-role', action='append', default=[], metavar='<name>',
            help='of a valid service token; may be given several times')
        source = (f'a file, {FROM_ENVIRONMENT}<variable>, or '
                  f'{STANDARD_INPUT} for a line of standard input')
        who.add_argument('--token-from', metavar='<source>',
                         help=f'read a token instead: from {source}')
        who.add_argument('--service-token-from', metavar='<source>',
                         help='the service token that goes with it')
        resource = parser.add_argument_group(
            'the server, volume, port or security group',
            'Without these options, it is looked up in the service\'s API.')
        given = resource.add_mutually_exclusive_group()
        given.add_argument(
            '--managed', nargs='?', metavar='<instance>',
            const='00000000-0000-0000-0000-000000000000',
            help='it is managed, as this database instance')
        given.add_argument('--unmanaged', action='store_true',
                           help='it is not managed')
        resource.add_argument(
            '--server-project-id', '--volume-project-id',
            '--port-project-id', '--security-group-project-id',
            metavar='<id>', dest='resource_project_id',
            help='the project that owns it (default: that of the caller)')
        resource.add_argument(
            '--server-user-id', '--volume-user-id', metavar='<id>',
            dest='resource_user_id')
        return parser

    def take_action(self, parsed_args: argparse.Namespace,
                    ) -> tuple[tuple[str, ...], tuple[typing.Any, ...]]:
        """Let the guard judge the request, and return the columns."""
        if parsed_args.request_id is not None:
            logged = from_log.find(parsed_args.request_id, parsed_args.log,
                                   self.app.stdin.buffer)
            wing = wings.load(from_log.service_of(logged.entry))
            _configure(parsed_args, wing)
            return from_log.explain(logged, wing)
        if parsed_args.path is None:
            raise outcome.Refused('give METHOD and PATH, or --request-id and '
                                  '--log')
        request = _request(parsed_args)
        environ, authenticate = self._who(parsed_args)
        wing = wings.load(parsed_args.service)
        settings = _configure(parsed_args, wing)
        if not settings.trove_managed_instances:
            print(_off(wing), file=self.app.stderr)
        try:
            enforcer = wing.enforcer(cfg.CONF)
        except enforcement.PolicyUnreadable as error:
            raise outcome.Refused(str(error)) from error
        evidence = self._evidence(parsed_args, wing, settings)
        verdict = verdicts.verdict(
            request.environ | environ, wing, settings, enforcer,
            evidence, authenticate)
        if evidence.error is not None:
            raise evidence.error
        columns, values = zip(*_columns(verdict, settings))
        return columns, values

    def _who(self, parsed_args: argparse.Namespace) -> tuple[
            documents.Environ, verdicts.Filter | None]:
        """Return the caller for the environ, and the filter to verify it."""
        if parsed_args.token_from is None:
            if parsed_args.service_token_from is not None:
                raise outcome.Refused('--service-token-from needs '
                                      '--token-from')
            return verdicts.token_auth(principals.Principal(
                parsed_args.user_id or 'somebody', parsed_args.project_id,
                tuple(parsed_args.role),
                parsed_args.service_user_id or (
                    'some service' if parsed_args.service_role else None),
                tuple(parsed_args.service_role))), None
        if parsed_args.user_id or parsed_args.role:
            raise outcome.Refused('the user and the roles come from the '
                                  'token: leave out --user-id and --role')
        read = functools.partial(_secret, stdin=self.app.stdin)
        environ = {'HTTP_X_AUTH_TOKEN': read(parsed_args.token_from)}
        if parsed_args.service_token_from is not None:
            environ['HTTP_X_SERVICE_TOKEN'] = read(
                parsed_args.service_token_from)
        # Not at the top: importing it takes a while.
        from keystonemiddleware import auth_token
        return environ, lambda application: auth_token.AuthProtocol(
            application, {'oslo_config_config': cfg.CONF})

    def _evidence(self, parsed_args: argparse.Namespace, wing: wings.Wing,
                  settings: options.Settings,
                  ) -> lookups.Given | lookups.LookedUp:
        if parsed_args.managed is None and not parsed_args.unmanaged:
            # With the operator's own credentials, not the token under test.
            return lookups.LookedUp(
                functools.partial(_api, self.connect(parsed_args)), wing,
                settings.metadata_key)
        return lookups.Given(
            wing.shown, not parsed_args.unmanaged,
            parsed_args.resource_project_id or parsed_args.project_id,
            parsed_args.resource_user_id or parsed_args.user_id,
            parsed_args.managed)


def _api(connection: openstack.connection.Connection,
         service_type: str) -> adapter.Adapter:
    """Return an API of a cloud."""
    config = connection.config
    return adapter.Adapter(
        connection.session, service_type=service_type,
        region_name=config.get_region_name(service_type),
        interface=config.get_interface(service_type),
        endpoint_override=config.get_endpoint(service_type))


def _configure(parsed_args: argparse.Namespace,
               wing: wings.Wing) -> options.Settings:
    """Read the configuration as the service does."""
    overrides: dict[str, str] = {}
    path = parsed_args.paste_file
    if path:
        text, overrides = files.understood(pipelines.settings, path)
        if pipelines.api_of(text) is not wing.api:
            raise outcome.Refused(
                f'{path} is not an api-paste.ini of {wing.api.service}')
    config_files = parsed_args.config_file
    try:
        cfg.CONF([], project=wing.package,
                 default_config_files=config_files or None,
                 default_config_dirs=[] if config_files else None)
    except host.UNREADABLE as error:
        raise outcome.Refused(
            f'{outcome.describe(error)}. Name the configuration of '
            f'{wing.api.process} with --config-file') from error
    try:
        return options.settings(cfg.CONF, overrides, wing.package)
    except ValueError as error:
        raise outcome.Refused(str(error)) from error


def _off(wing: wings.Wing) -> str:
    """Return the message for a guard that is off."""
    service = wing.api.service
    read = cfg.CONF.config_file
    if read:
        return (f'The guard is off in {service}: trove_managed_instances in '
                f'[{options.GROUP}] of {" and ".join(read)} is false. This is '
                f'what it would decide.')
    return (f'No {wing.package}.conf was found, so the guard is off in '
            f'{service}. This is what it would decide with its default '
            f'policy: name the configuration of {wing.api.process} with '
            f'--config-file.')


def _request(parsed_args: argparse.Namespace) -> webob.Request:
    """Return the request."""
    text: str = parsed_args.body
    body = (pathlib.Path(text[1:]).read_bytes() if text.startswith('@')
            else text.encode())
    try:
        url = urllib.parse.urlsplit(parsed_args.path)
        path = url._replace(scheme='', netloc='', fragment='').geturl()
        if not path.startswith('/'):
            raise ValueError('it must begin with a slash')
        request = webob.Request.blank(path, method=parsed_args.method.upper())
    except ValueError as error:
        raise outcome.Refused(
            f'{parsed_args.path} is not a path: {error}') from error
    if body:
        request.body = body
        request.content_type = 'application/json'
    return request


def _secret(source: str, stdin: typing.TextIO = sys.stdin) -> str:
    """Return the token from the source in an option."""
    if source == STANDARD_INPUT:
        return stdin.readline().strip()
    if source.startswith(FROM_ENVIRONMENT):
        name = source.removeprefix(FROM_ENVIRONMENT)
        if name not in os.environ:
            raise outcome.Refused(f'the variable {name} is not set')
        return os.environ[name]
    return files.read_secret(source)


def _columns(verdict: verdicts.Verdict, settings: options.Settings,
             ) -> Iterator[tuple[str, typing.Any]]:
    """Yield each column with its value."""
    call, decision, rule = verdict.call, verdict.decision, verdict.rule
    wing = verdict.wing
    yield 'operation', call.operation.name if call else None
    yield 'guarded', rule is not None
    yield 'rule', rule
    yield 'check', '\n'.join(
        f'{name}: {check}'
        for name, check in verdicts.checks(rule, wing).items()
    ) if rule else None
    yield wing.kind, decision and decision.resource_id
    yield 'database_instance', decision and decision.database_instance
    yield 'decision', str(decision.outcome) if decision else {
        None: 'not_guarded', 413: 'too_large'}.get(
            verdict.status, 'unauthenticated')
    yield 'why', verdict.why
    yield 'status', verdict.status or f'{wing.api.service}\'s own'
    fault = decision and decision.fault
    yield 'message', verdict.message or (fault.explanation if fault else '')
    yield 'guard_is_on', settings.trove_managed_instances
