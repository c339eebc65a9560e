# SPDX-License-Identifier: Apache-2.0
"""The base class of commands that connect to a cloud.

It has the options of OpenStack's clients, and replaces errors of the client
libraries by those of nova_trove_guard.cmd.outcome. Their messages name the
service, the call, the credentials in use, and the credentials that are needed.
"""

import argparse
from collections import abc
import contextlib
import os
import typing
import urllib.parse

from cliff import command
from keystoneauth1 import exceptions
from keystoneauth1 import session as sessions
import openstack
from openstack import exceptions as openstack_exceptions
from osc_lib.cli import client_config

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd import shell

# The time limit for a connection, but not for the response. A lost SYN packet
# is sent again after 1 s.
CONNECT_TIMEOUT = 3  # seconds
CONFIG_FILE = 'OS_CLIENT_CONFIG_FILE'
# Commands that only show options. They must work with any clouds.yaml.
_WITHOUT_CLOUD = (('help',), ('complete',))
_REFUSALS = (401, 403)
_TRANSIENT = (408, 429)


class Session(sessions.Session):
    """A session that does not wait long for an unreachable service.

    :raises outcome.Unavailable: if no connection can be made, or it breaks
    :raises outcome.Refused: if a URL is not valid, or TLS fails
    """

    def request(self, url: str, method: str, *args: typing.Any,
                **kwargs: typing.Any) -> typing.Any:
        """Send a request, as keystoneauth1.session.Session does."""
        kwargs.setdefault('timeout', (CONNECT_TIMEOUT, self.timeout))
        try:
            return super().request(url, method, *args, **kwargs)
        except exceptions.ConnectionError as error:
            # Not an exception of keystoneauth1: after one, it would try
            # other URLs of Keystone, and wait as long for each.
            raise _without_connection(url, error) from error


class Command(command.Command):
    """A command that connects to a cloud.

    It reads clouds.yaml, OS_* variables and keystoneauth1's options, with the
    same precedence as ``openstack``: an option on the command line takes
    precedence over the cloud that OS_CLOUD names.

    :cvar whose: whose credentials the command needs
    :cvar errors: the exceptions of the client libraries
    """

    app: shell.Shell
    whose: typing.ClassVar[str] = 'a cloud admin\'s'
    errors: typing.ClassVar[tuple[type[Exception], ...]] = (
        exceptions.ClientException, openstack_exceptions.SDKException)
    _principal = 'no one'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        if tuple(self.app.arguments[:1]) in _WITHOUT_CLOUD:
            # No file has this name, so openstacksdk reads none.
            return self._get_parser(
                prog_name, [], config_files=[''], load_envvars=False)
        with self._configuration():
            return self._get_parser(prog_name, list(self.app.arguments))

    def _get_parser(self, prog_name: str, arguments: list[str],
                    **sources: typing.Any) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        self._config = client_config.OSC_Config(
            session_constructor=Session, **sources)
        self._options = argparse.ArgumentParser(add_help=False)
        for each in (parser, self._options):
            self._config.register_argparse_arguments(each, arguments)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command, and return its exit code."""
        with self._described():
            status: int = super().run(parsed_args)
        return status

    def region(self, parsed_args: argparse.Namespace
               ) -> openstack.config.cloud_region.CloudRegion:
        """Return the configuration of a connection.

        :raises outcome.Refused: if it is not valid, or incomplete
        :raises OSError: if the file in OS_CLIENT_CONFIG_FILE cannot be read
        """
        # Pass only the options of openstacksdk: it would take any other for
        # its own, and replace text in braces by the option of that name.
        options = argparse.Namespace(**{
            name: getattr(parsed_args, name)
            for name in vars(self._options.parse_args([]))})
        with self._configuration():
            return self._config.get_one(argparse=options)

    @contextlib.contextmanager
    def _configuration(self) -> abc.Iterator[None]:
        """Describe an error that openstacksdk finds in the configuration.

        :raises outcome.Refused: if it is not valid, or incomplete
        :raises OSError: if the file in OS_CLIENT_CONFIG_FILE cannot be read
        """
        path = os.environ.get(CONFIG_FILE)
        if path:
            # openstacksdk skips a file that it cannot read.
            open(path, 'rb').close()
        try:
            yield
        except self.errors as error:
            raise outcome.Refused(
                f'{_sentence(error)} {self._needs}') from error
        except Exception as error:
            raise outcome.Refused(
                f'{path or "clouds.yaml"} does not have the form of '
                f'clouds.yaml') from error

    def connect(self, parsed_args: argparse.Namespace
                ) -> openstack.connection.Connection:
        """Return a connection to a cloud, with a token from its Keystone.

        :raises outcome.Refused: if the configuration is not valid
        :raises outcome.Unavailable: if Keystone is unreachable
        """
        region = self.region(parsed_args)
        auth = region.get_auth_args()
        _require_url(auth.get('auth_url'))
        self._principal = _principal(auth)
        connection = openstack.connection.Connection(
            config=region, app_name='nova-trove-guard')
        connection.session.get_token()
        return connection

    @contextlib.contextmanager
    def _described(self) -> abc.Iterator[None]:
        """Describe an error of a client in terms of the command.

        :raises outcome.Denied: for HTTP 401 and 403
        :raises outcome.Unavailable: for HTTP 5xx, 408 and 429
        :raises outcome.Refused: for any other error of a client
        """
        try:
            yield
        except self.errors as error:
            response = getattr(error, 'response', None)
            if response is None:
                raise outcome.Refused(_sentence(error)) from error
            text = (f'HTTP {response.status_code} from '
                    f'{response.request.method} {response.url} with the '
                    f'credentials of {self._principal}: '
                    f'{_sentence(message(error))}')
            if response.status_code in _REFUSALS:
                raise outcome.Denied(f'{text} {self._needs}') from error
            if (response.status_code >= 500 or
                    response.status_code in _TRANSIENT):
                raise outcome.Unavailable(text) from error
            raise outcome.Refused(text) from error

    @property
    def _needs(self) -> str:
        return (f'This command needs {self.whose} credentials: set OS_* '
                f'variables, or choose a cloud of clouds.yaml with '
                f'--os-cloud.')


def message(error: Exception) -> str:
    """Return the service's message in a client's error for a response.

    keystoneauth1 does not parse the faults of all services.
    """
    response: typing.Any = getattr(error, 'response', None)
    try:
        fault, = response.json().values()
        return str(fault['message'])
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(getattr(response, 'reason', None) or error)


def _sentence(text: object) -> str:
    """Return a text in one line, with a full stop."""
    line = ' '.join(str(text).split())
    return line if line.endswith('.') else f'{line}.'


def _principal(auth: abc.Mapping[str, typing.Any]) -> str:
    """Return the user whom the arguments of an auth plugin identify."""
    for kind, name in (('user', 'username'), ('user', 'user_id'),
                       ('application credential',
                        'application_credential_name'),
                       ('application credential',
                        'application_credential_id')):
        if auth.get(name):
            who = f'{kind} {auth[name]}'
            break
    else:
        who = 'the given token'
    project = auth.get('project_name') or auth.get('project_id')
    return f'{who} in project {project}' if project else who


def _require_url(auth_url: str | None) -> None:
    """Refuse an auth URL that is not an http or https URL."""
    try:
        is_url = auth_url is None or (
            urllib.parse.urlsplit(auth_url).scheme in ('http', 'https'))
    except ValueError:
        is_url = False
    if not is_url:
        raise outcome.Refused(
            f'the auth URL {auth_url} is not valid: it must be an http or '
            f'https URL')


def _without_connection(
        url: str, error: exceptions.ConnectionError) -> Exception:
    """Return the error for a request that got no response."""
    cause: BaseException = error
    is_url = True
    while True:
        url = getattr(getattr(cause, 'request', None), 'url', None) or url
        # What requests raises for a URL that is not valid is a ValueError.
        is_url = is_url and not isinstance(cause, ValueError)
        if cause.__cause__ is None and cause.__context__ is None:
            break
        cause = cause.__cause__ or cause.__context__  # type: ignore
    reason = getattr(cause, 'strerror', None) or str(cause)
    if not is_url:
        return outcome.Refused(
            f'{url} is not the URL of a service: {reason}')
    if isinstance(error, exceptions.SSLError):
        return outcome.Refused(f'{url}: TLS failed: {reason}')
    return outcome.Unavailable(f'{url} is unreachable: {reason}')
