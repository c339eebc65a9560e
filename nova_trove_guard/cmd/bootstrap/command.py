# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard bootstrap``."""

import argparse
from collections import abc
import contextlib
import getpass
import pathlib
import secrets
import typing

from cliff import lister
import openstack

from nova_trove_guard.cmd import accounts
from nova_trove_guard.cmd.bootstrap import snippets
from nova_trove_guard.cmd import clouds
from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines

PASSWORD_BYTES = 32
UNCHANGED = 'unchanged'
ROTATED = 'rotated'
# The result for each kind of missing object.
DONE = {'role': 'created', 'project': 'created', 'user': 'created',
        'assignment': 'granted', 'file': 'written'}
TROVE_CONF = 'trove.conf'
# Instead of an id that a dry run does not know.
NEW_PROJECT = '<id of the new project>'
NOWHERE = ('a generated password is written to a file: give --write DIR or '
           '--password-file FILE')
UNKNOWN = ('it is not known here: set it in trove.conf, or create a new one '
           'with --rotate-password')


class Bootstrap(clouds.Command, lister.Lister):
    """Create the Trove admin in Keystone, and its configuration.

    Creates the role trove_admin, the Trove admin's project and user, and its
    role assignments, unless they exist. The configuration for Nova, Cinder,
    Neutron and Trove is printed, or written with --write. The password is
    never printed; it is written to a file that only its owner can read.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--project', default='trove', metavar='<name>',
            help='the Trove admin\'s project (default: %(default)s)')
        parser.add_argument(
            '--user', default='trove', metavar='<name>',
            help='the Trove admin (default: %(default)s)')
        parser.add_argument(
            '--domain', default='default', metavar='<domain>',
            help='the name or id of their domain (default: %(default)s)')
        parser.add_argument(
            '--server-owner', default='trove', choices=tuple(accounts.GRANTS),
            help='who owns the servers: server_owner in [trove_guard] of '
                 'trove.conf; determines which roles are needed (default: '
                 '%(default)s)')
        parser.add_argument(
            '--grant-existing', action='store_true',
            help='grant roles also to a user who exists already')
        parser.add_argument(
            '--rotate-password', action='store_true',
            help='set a new password for a user who exists already')
        parser.add_argument(
            '--service-user', action='append', metavar='<name>',
            help='a user with which a service calls Nova, Cinder or Neutron, '
                 'such as that in [neutron] of nova.conf; the user must have '
                 'the role service; repeat for several (default: '
                 f'{", ".join(accounts.SERVICE_USERS)})')
        parser.add_argument(
            '--service-project', default='service', metavar='<name>',
            help='the project of the services (default: %(default)s)')
        password = parser.add_mutually_exclusive_group()
        password.add_argument(
            '--password-file', metavar='<file>',
            help='read the password from the first line of a file that only '
                 'its owner can read (default: generate a password)')
        password.add_argument(
            '--password-prompt', action='store_true',
            help='prompt for the password')
        parser.add_argument(
            '--trove-auth-url', metavar='<url>',
            help='Keystone\'s URL for Trove (default: the URL in use)')
        parser.add_argument(
            '--write', type=pathlib.Path, metavar='<directory>',
            help='write nova.conf, api-paste.ini, cinder.conf, '
                 'cinder-api-paste.ini, neutron.conf, neutron-api-paste.ini '
                 'and trove.conf, with the options to add to the files of '
                 'the services, to a directory')
        parser.add_argument(
            '--dry-run', action='store_true',
            help='show what would be done, and change nothing')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            abc.Sequence[str], abc.Iterable[typing.Any]]:
        """Create what is missing, and return the rows of results."""
        connection = self.connect(parsed_args)
        auth_url = parsed_args.trove_auth_url or _auth_url(connection)
        admin = accounts.Accounts(
            connection.identity, parsed_args.domain, parsed_args.project,
            parsed_args.user, accounts.GRANTS[parsed_args.server_owner])
        _require_services(connection.identity, admin.domain, parsed_args)
        if not parsed_args.grant_existing:
            admin.refuse_to_widen()
        password, fate = _password(admin, auth_url, parsed_args)
        steps = admin.steps

        for_real = not parsed_args.dry_run
        if for_real:
            admin.make('role', 'project')
        texts = {
            'nova.conf': snippets.NOVA,
            'api-paste.ini': snippets.paste(pipelines.NOVA),
            'cinder.conf': snippets.CINDER,
            'cinder-api-paste.ini': snippets.paste(pipelines.CINDER),
            'neutron.conf': snippets.NEUTRON,
            'neutron-api-paste.ini': snippets.paste(pipelines.NEUTRON),
            TROVE_CONF: snippets.trove(parsed_args.server_owner, {
                'auth_url': auth_url,
                'username': parsed_args.user,
                'password': password if parsed_args.write else None,
                'project_id': (
                    admin.project.id if admin.project else NEW_PROJECT),
                'project_name': parsed_args.project,
                'user_domain_name': admin.domain.name,
                'project_domain_name': admin.domain.name,
                'region_name': connection.config.get_region_name()})}
        paths = {parsed_args.write / name: text
                 for name, text in texts.items()} if parsed_args.write else {}
        stale = {path: text for path, text in paths.items()
                 if not _is_written(path, text)}
        if for_real:
            _carry_out(admin, stale, password, fate)

        self._texts = {} if parsed_args.write else texts
        return ('What', 'Name', 'Result', 'Why'), [
            *((step.what, step.name,
               'exists' if step.is_there else
               _result(DONE[step.what], for_real), step.why)
              for step in steps),
            ('password', parsed_args.user,
             fate if fate == UNCHANGED else _result(fate, for_real),
             _advice(parsed_args, password, fate)),
            *(('file', str(path),
               _result(DONE['file'], for_real) if path in stale
               else UNCHANGED, '') for path in paths)]

    def produce_output(
            self, parsed_args: argparse.Namespace,
            column_names: abc.Sequence[str],
            data: abc.Iterable[abc.Sequence[typing.Any]]) -> int:
        """Print the rows, and the configuration unless it was written."""
        if parsed_args.formatter != 'table':
            # The output must be one document, which programs can parse.
            data = [*data, *(('configuration', name, text, '')
                             for name, text in self._texts.items())]
            self._texts = {}
        status: int = super().produce_output(parsed_args, column_names, data)
        for text in self._texts.values():
            print(f'\n{text}', end='', file=self.app.stdout)
        return status


def _require_services(keystone: typing.Any, domain: typing.Any,
                      parsed_args: argparse.Namespace) -> None:
    """Check that the guard will let services drive managed resources.

    Without the role, a single refused batch of events prevents Nova from
    plugging interfaces and extending volumes; and Nova can neither attach
    managed volumes, with its service token, nor bind managed ports, as its
    user for Neutron.

    :raises outcome.Refused: if a service user lacks the role
    """
    names = parsed_args.service_user or accounts.SERVICE_USERS
    lacking, missing = accounts.lacking_role(
        keystone, names, domain.id, [accounts.SERVICE_ROLE])
    if missing:
        raise outcome.Refused(
            f'there is no user {" or ".join(missing)} in the domain '
            f'{domain.name}. Name the users of services that call Nova, '
            f'Cinder or Neutron with --service-user.')
    if lacking:
        raise outcome.Refused(
            f'{", ".join(lacking)} must have the role '
            f'{accounts.SERVICE_ROLE}: the guard lets services with this '
            f'role drive servers, volumes and ports (policy rule '
            f'trove_guard:service_api). '
            f'Grant it with: ' + accounts.grants(
                lacking, parsed_args.service_project, domain.name))


def _auth_url(connection: openstack.connection.Connection) -> str:
    """Return the URL of a connection's Keystone."""
    url: str | None = connection.config.get_auth_args().get('auth_url')
    if not url:
        raise outcome.Refused('give Keystone\'s URL for Trove with '
                              '--trove-auth-url')
    return url


def _password(admin: accounts.Accounts, auth_url: str,
              parsed_args: argparse.Namespace) -> tuple[str | None, str]:
    """Return the Trove admin's new password, and the result to print.

    :returns: the password, None if it does not change and is not known; and
        the result
    """
    given = _given_password(parsed_args)
    if admin.user is None or parsed_args.rotate_password:
        if given is None and not (parsed_args.write or parsed_args.dry_run):
            raise outcome.Refused(NOWHERE)
        fate = ('set' if given else 'generated') if (
            admin.user is None) else ROTATED
        return given or secrets.token_urlsafe(PASSWORD_BYTES), fate
    known = given
    if known is None and parsed_args.write:
        known = snippets.password(parsed_args.write / TROVE_CONF)
    if known is not None and not admin.is_password(known, auth_url):
        raise outcome.Refused(
            f'the user {parsed_args.user} exists and has another password. '
            f'Give the right one with --password-file, or set a new one with '
            f'--rotate-password.')
    return known, UNCHANGED


def _advice(parsed_args: argparse.Namespace, password: str | None,
            fate: str) -> str:
    """Return what to do about the password, if anything."""
    if parsed_args.write:
        return UNKNOWN if password is None else ''
    is_known = parsed_args.password_file or parsed_args.password_prompt
    return '' if is_known or fate == UNCHANGED else NOWHERE


def _given_password(parsed_args: argparse.Namespace) -> str | None:
    if parsed_args.password_file:
        return files.read_secret(parsed_args.password_file)
    if not parsed_args.password_prompt:
        return None
    try:
        password = getpass.getpass('Password: ')
        is_sure = password and getpass.getpass('Again: ') == password
    except EOFError as error:
        raise outcome.Refused(
            'cannot prompt for the password without a terminal: use '
            '--password-file') from error
    if not is_sure:
        raise outcome.Refused('the passwords differ, or are empty')
    return password


def _is_written(path: pathlib.Path, text: str) -> bool:
    """Return whether a file has a text, and only its owner can read it."""
    return (path.exists() and path.read_text(encoding='utf-8') == text and
            not path.stat().st_mode & files.OTHERS)


def _carry_out(admin: accounts.Accounts,
               stale: abc.Mapping[pathlib.Path, str], password: str | None,
               fate: str) -> None:
    """Create user, assignments and files, or no file if Keystone refuses."""
    with contextlib.ExitStack() as unfinished:
        for path, text in stale.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.enter_context(files.secret_file(path, text))
        admin.make('user', 'assignment', password=password)
        if fate == ROTATED:
            admin.set_password(password)


def _result(done: str, for_real: bool) -> str:
    return done if for_real else f'would be {done}'
