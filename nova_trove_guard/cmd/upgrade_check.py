# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard-status upgrade check``: check that services are ready.

Checks the configuration of Trove and of those of nova-api, cinder-api and
neutron-api that are installed here, or only of the service in --service. The
exit code is that of the worst result: 0 for success, 1 for a warning, 2 for a
failure. It is 255 if a check itself fails.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Set
import functools
import importlib
import json
import subprocess
import sys
import typing

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from keystoneauth1 import loading
from keystoneauth1 import session
from keystonemiddleware import auth_token  # noqa: F401 - its options
import openstack
from openstack import exceptions as openstack_exceptions
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from nova_trove_guard.cmd import accounts
from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import host
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import references
from nova_trove_guard.core.policy import rules
from nova_trove_guard.trove import opts

# The groups in which a service has credentials for Keystone, best first.
CREDENTIALS = ('keystone', 'keystone_authtoken')
# The domain and project of the users of services in usual deployments.
SERVICE_DOMAIN, SERVICE_PROJECT = 'default', 'service'
# The exit code if a check itself fails.
CHECK_FAILED = 255

# The type of Trove, as in OpenStack's clients.
DATABASE = 'database'
SERVICE_OPT = cfg.StrOpt(
    'service', choices=(*wings.PACKAGES, DATABASE),
    help='The service to check. Default: all that are installed here, each '
         'with its own configuration; with --config-file, compute.')

_USAGE = (
    f'%(prog)s [--service {"|".join((*wings.PACKAGES, DATABASE))}] '
    f'[--config-file <file>] [--config-dir <directory>] '
    f'upgrade check [--json]')
# The names of the services in results.
_NAMES = {**dict(zip(wings.PACKAGES, (
    api.service for api in pipelines.APIS))), DATABASE: host.TROVE}

Keystone: typing.TypeAlias = typing.Any  # openstacksdk's identity proxy, v3
Named: typing.TypeAlias = tuple[str, upgradecheck.Result]
_A = typing.TypeVar('_A')

_failure = functools.partial(upgradecheck.Result, upgradecheck.Code.FAILURE)
_warning = functools.partial(upgradecheck.Result, upgradecheck.Code.WARNING)
_success = functools.partial(upgradecheck.Result, upgradecheck.Code.SUCCESS)


class UpgradeCheck(upgradecheck.UpgradeCommands):
    """The upgrade check of one service or several.

    :param conf: the command line
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__()
        self._conf = conf

    def check(self) -> upgradecheck.Code:
        """Print the results, and return the worst code."""
        self._upgrade_checks = tuple(
            (name, (_result, {'result': result}))
            for name, result in self._results())
        return super().check()

    def _results(self) -> Iterator[Named]:
        """Yield the results of all services to be checked."""
        conf = self._conf
        if conf.service:
            yield from self._of_service(conf.service)
        elif conf.config_file or conf.config_dirs:
            yield from self._of_service('compute')
        else:
            yield from self._of_host()

    def _of_host(self) -> Iterator[Named]:
        """Yield the results of all services on this host."""
        found = list(host.sides())
        services = {side.service for side in found}
        here = [] if services == {host.TROVE} else wings.installed()
        if host.TROVE in services:
            here.append(DATABASE)
        if not here:
            yield 'Services', _failure(
                'Neither Nova, Cinder nor Neutron is installed here, and '
                'there is no trove.conf.')
        # A process cannot register the options of two services.
        results = (self._of_service if len(here) == 1 else _of_process)
        for service in here:
            yield from results(service)
        if found:
            complaints = list(host.incomplete(found))
            yield 'Deployment', (
                _warning(' '.join(complaints)) if complaints else _success())

    def _of_service(self, service: str) -> Iterator[Named]:
        """Yield the results of one service, checked in this process."""
        conf = self._conf
        try:
            if service == DATABASE:
                yield from trove_results(host.read(
                    'trove', conf.config_file, conf.config_dirs))
                return
            wing = wings.load(service)
            # Register the options before oslo.config reads any file.
            for module in wing.options:
                importlib.import_module(module)
            cfg.CONF([], project=wing.package,
                     default_config_files=conf.config_file or None,
                     default_config_dirs=conf.config_dirs or None)
        except (*host.UNREADABLE, wings.NotInstalled) as error:
            yield _NAMES[service], _failure(
                f'It can\'t be checked: {outcome.describe(error)}.')
            return
        yield from Checks(wing).results()


class Checks:
    """The checks of a service, on the configuration in cfg.CONF.

    :param wing: the service
    """

    def __init__(self, wing: wings.Wing) -> None:
        self._wing = wing
        self._api = wing.api

    def results(self) -> Iterator[Named]:
        """Yield the result of each check, with its name."""
        yield from (
            (f'{self._api.service}: {name}', check()) for name, check in (
                ('pipelines', self.pipelines),
                ('options', self.options),
                ('policy', self.policy),
                ('Trove admin', self.trove_admin),
                ('services', self.services),
                ('service tokens', self.service_tokens)))
        for group, service in self._wing.drives.items():
            yield (f'{self._api.service}: role in {service}',
                   self.own_role(group, service))
        for peer in self._wing.peers:
            yield (f'{self._api.service}: credentials for {peer.service}',
                   self.credentials(peer))
        for name, advise in self._wing.advice.items():
            complaint = advise(cfg.CONF)
            yield (f'{self._api.service}: {name}',
                   _warning(complaint) if complaint else _success())
        if self._wing.unknown is not None:
            yield (f'{self._api.service}: surface',
                   self.surface(self._wing.unknown))

    def pipelines(self) -> upgradecheck.Result:
        """Check that the pipelines that the service loads have the guard."""
        try:
            path = host.paste_path(cfg.CONF, self._wing.package)
            text, findings = files.understood(pipelines.check, path)
        except outcome.Refused as error:
            return _failure(f'{error}.')
        except OSError as error:
            return _failure(f'Could not read {error.filename}: '
                            f'{error.strerror}.')
        if pipelines.api_of(text) is not self._api:
            return _failure(f'{path} is not an api-paste.ini of '
                            f'{self._api.service}. Choose the service with '
                            f'--service.')
        wrong = [f'{finding.place}: {finding.state}' for finding in findings
                 if finding.state is not pipelines.State.PRESENT]
        if wrong:
            return _failure(f'{path}: {"; ".join(wrong)}. Fix it with '
                            f'"nova-trove-guard paste insert".')
        return _success()

    def options(self) -> upgradecheck.Result:
        """Check the guard's options."""
        package = self._wing.package
        overrides: dict[str, str] | None = None
        try:
            _, overrides = files.understood(
                pipelines.settings, host.paste_path(cfg.CONF, package))
        except (outcome.Refused, OSError):
            pass  # The check of the pipelines says why.
        result = _judge_options(
            lambda: options.settings(
                cfg.CONF, overrides or {}, package).trove_managed_instances,
            options.unknown(cfg.CONF), 'The guard')
        if overrides is None and result.code is upgradecheck.Code.SUCCESS:
            return _warning('The api-paste.ini, which may set options as '
                            'well, can\'t be read: see the check above.')
        return result

    def policy(self) -> upgradecheck.Result:
        """Check that the guard can read the service's policy file."""
        try:
            self._wing.enforcer(cfg.CONF)
        except enforcement.PolicyUnreadable as error:
            return _failure(str(error))
        return _success()

    def trove_admin(self) -> upgradecheck.Result:
        """Check in Keystone that a user has the role of the Trove admin."""
        return self._check_roles(
            rules.TROVE_ADMIN, ROLE_CHECKS, _holders, _judge_trove_admin)

    def services(self) -> upgradecheck.Result:
        """Check in Keystone that services have the role to drive resources."""
        wing = self._wing
        return self._check_roles(
            rules.SERVICE_API, wing.service_checks,
            lambda keystone, roles: accounts.lacking_role(
                keystone, wing.service_users, SERVICE_DOMAIN, roles),
            functools.partial(_judge_services, wing))

    def service_tokens(self) -> upgradecheck.Result:
        """Check which service tokens are valid, and that they are sent."""
        settings = cfg.CONF.keystone_authtoken
        if not settings.service_token_roles_required:
            return _warning('[keystone_authtoken] '
                            'service_token_roles_required is false: any '
                            'token is a valid service token.')
        if accounts.SERVICE_ROLE not in settings.service_token_roles:
            return _warning(f'[keystone_authtoken] service_token_roles does '
                            f'not have {accounts.SERVICE_ROLE}, the role of '
                            f'the users of services.')
        if self._wing.service_token is not None:
            group, name = self._wing.service_token
            if not cfg.CONF[group][name]:
                return _warning(
                    f'[{group}] {name} is false: a Cinder or Neutron with '
                    f'the guard refuses what {self._api.service} does with '
                    f'managed volumes and ports for a user.')
        return _success()

    def own_role(self, group: str, service: str) -> upgradecheck.Result:
        """Check the role of the service's own user for another service.

        :param group: where the credentials are in the configuration
        :param service: the other service's name
        """
        where = f'[{group}] of {self._wing.package}.conf'
        try:
            authenticated = _session(group)
            if authenticated is None:
                return _warning(f'There are no credentials for {service} in '
                                f'{where}.')
            # Any plugin in a configuration file gets a token from Keystone.
            auth: typing.Any = authenticated.auth
            roles = auth.get_access(authenticated).role_names
        except exceptions.ClientException as error:
            return _warning(f'Could not call Keystone with the credentials '
                            f'in {where}: {error}')
        if accounts.SERVICE_ROLE not in roles:
            return _warning(
                f'The user in {where} does not have the role '
                f'{accounts.SERVICE_ROLE}: a {service} with the guard refuses '
                f'what {self._api.service} does with the ports of managed '
                f'servers. Grant it with: openstack role add --user <user> '
                f'--project <project> {accounts.SERVICE_ROLE}')
        return _success()

    def credentials(self, peer: wings.Peer) -> upgradecheck.Result:
        """Check that the service's own credentials let it call another."""
        where = f'[{peer.group}] of {self._wing.package}.conf'
        try:
            authenticated = _session(peer.group)
            if authenticated is None:
                return _warning(f'There are no credentials for '
                                f'{peer.service} in {where}. Without them '
                                f'{peer.why}.')
            settings = cfg.CONF[peer.group]
            adapter.Adapter(
                authenticated, service_type=peer.service_type,
                region_name=settings.region_name,
                interface=settings.interface).get(peer.path)
        except (exceptions.Unauthorized, exceptions.Forbidden) as error:
            return _failure(f'{peer.service} refuses the credentials in '
                            f'{where} for GET {peer.path}, which an admin '
                            f'can call ({error}). So {peer.why}.')
        except exceptions.ClientException as error:
            return _warning(f'Could not call {peer.service} with the '
                            f'credentials in {where}: {error}')
        return _success()

    def surface(self, find_unknown: Callable[[], list[str]],
                ) -> upgradecheck.Result:
        """Check that the guard knows all routes and actions of the service.

        :param find_unknown: returns those that the guard does not know
        """
        service = self._api.service
        try:
            unknown = find_unknown()
        except Exception as error:
            return _warning(f'Could not list the routes and actions of '
                            f'{service}: {error}')
        if unknown:
            return _failure(
                f'The installed {service} has routes or actions that this '
                f'version of nova-trove-guard does not know: '
                f'{"; ".join(unknown)}. Look for a newer version.')
        return _success()

    def _check_roles(
            self, rule: str, kinds: Set[str],
            question: Callable[[Keystone, list[str]], _A],
            judge: Callable[[_A, list[str]], upgradecheck.Result],
            ) -> upgradecheck.Result:
        """Check in Keystone the roles that a rule names.

        :param kinds: the kinds of oslo.policy's checks to look at
        :param question: called with Keystone and the roles; calls Keystone
        :param judge: called with what `question` returns, and the roles
        """
        enforcer = self._wing.get_enforcer()
        try:
            enforcer.load_rules()
        except Exception:
            return _warning('The policy can\'t be read: see the check '
                            'above.')
        roles = named_roles(enforcer.rules, rule, kinds)
        if not roles:
            return _warning(f'The policy rule {rule} names no role: check '
                            f'that it lets the right users pass.')
        try:
            authenticated = keystone_session()
            if authenticated is None:
                return _warning(
                    f'Could not call Keystone: {self._wing.package}.conf '
                    f'has credentials for it neither in '
                    f'[{"] nor in [".join(CREDENTIALS)}].')
            # Nova has options that choose one of Keystone's endpoints.
            answer = question(openstack.connection.Connection(
                session=authenticated,
                oslo_conf=cfg.CONF if 'keystone' in cfg.CONF else None,
                service_types=['identity']).identity, roles)
        except (exceptions.ClientException,
                openstack_exceptions.SDKException) as error:
            return _warning(f'Could not call Keystone: {error}')
        return judge(answer, roles)


# The kinds of oslo.policy's checks that name a role.
ROLE_CHECKS = frozenset(('role', 'service_roles'))


def trove_results(conf: cfg.ConfigOpts) -> Iterator[Named]:
    """Yield the results of Trove, which need not be installed here.

    :param conf: has read trove.conf
    """
    yield 'Trove: options', _judge_options(
        lambda: options.read(conf, opts.TROVE_OPTS)[
            'trove_managed_instances'],
        options.unknown(conf, opts.TROVE_OPTS), 'Trove\'s module')
    yield 'Trove: server owner', _advise_on_owner(conf)


def _judge_options(is_on: Callable[[], bool], unknown: Iterator[str],
                   what: str) -> upgradecheck.Result:
    """Judge the options in [trove_guard].

    :param is_on: reads them, and returns whether they turn something on;
        raises ValueError for one that is not valid
    :param unknown: those that do not exist
    :param what: the name of what they turn on
    """
    try:
        on = is_on()
    except ValueError as error:
        return _failure(f'{error}.')
    mistakes = list(unknown)
    if mistakes:
        return _failure(f'Unknown options have no effect: '
                        f'{"; ".join(mistakes)}')
    if not on:
        return _warning(f'{what} is off: [trove_guard] '
                        f'trove_managed_instances is false.')
    return _success()


def _advise_on_owner(conf: cfg.ConfigOpts) -> upgradecheck.Result:
    """Recommend servers in Trove's own project, in the details of a success.

    That is Trove's default since Ussuri (run_trove_in_production.rst of
    Trove).
    """
    try:
        by = host.users_own(conf)
    except ValueError:
        return _warning('The options can\'t be read: see the check above.')
    return upgradecheck.Result(
        upgradecheck.Code.SUCCESS, by and (
            f'New servers are in the project of the user ({by}). Recommended '
            f'is Trove\'s own project, the default of Trove since Ussuri: '
            f'there, Nova and Cinder themselves keep tenants away from '
            f'servers and volumes.'))


def named_roles(checks: Mapping[str, references.Check], rule: str,
                kinds: Set[str] = ROLE_CHECKS) -> list[str]:
    """Return the names of the roles that a rule checks.

    :param checks: all rules, as oslo.policy parses them
    :param kinds: the kinds of oslo.policy's checks to look at
    """
    return sorted({
        leaf.match
        for check in references.reached(checks, rule).values()
        for leaf in references.leaves(check)
        if getattr(leaf, 'kind', None) in kinds})


def _holders(keystone: Keystone, roles: list[str]) -> list[typing.Any]:
    return [assignment
            for name in roles
            for role in keystone.roles(name=name)
            for assignment in keystone.role_assignments(role_id=role.id)]


def _judge_trove_admin(holders: list[typing.Any],
                       roles: list[str]) -> upgradecheck.Result:
    if holders:
        return _success()
    return _failure(f'No user has the role {" or ".join(roles)}, so Trove '
                    f'itself can\'t change what it manages: see '
                    f'"nova-trove-guard bootstrap".')


def _judge_services(wing: wings.Wing, found: tuple[list[str], list[str]],
                    roles: list[str]) -> upgradecheck.Result:
    lacking, missing = found
    if lacking:
        return _failure(
            f'{", ".join(lacking)} must have the role {" or ".join(roles)} '
            f'(policy rule {rules.SERVICE_API}), so that services can drive '
            f'managed {wing.kind}s: ' +
            accounts.grants(lacking, SERVICE_PROJECT, SERVICE_DOMAIN))
    if missing:
        return _warning(
            f'There is no user {" or ".join(missing)}: check that the users '
            f'with whose credentials other services call {wing.api.service} '
            f'have the role {" or ".join(roles)}.')
    return _success()


def keystone_session() -> session.Session | None:
    """Return a session with the service's credentials, None for none."""
    return next(filter(None, map(_session, CREDENTIALS)), None)


def _session(group: str) -> session.Session | None:
    """Return a session with the credentials in a group, None for none."""
    # Not cfg.CONF: there, keystonemiddleware registers options of the same
    # names with other help texts.
    conf = cfg.ConfigOpts()
    loading.register_auth_conf_options(conf, group)
    loading.register_session_conf_options(conf, group)
    conf([], default_config_files=cfg.CONF.config_file,
         default_config_dirs=cfg.CONF.config_dir)
    auth = loading.load_auth_from_conf_options(conf, group)
    if auth is None:
        return None
    authenticated: session.Session = loading.load_session_from_conf_options(
        conf, group, auth=auth)
    return authenticated


def _of_process(service_type: str) -> list[Named]:
    """Run this program again for one service, and return the results."""
    done = subprocess.run(
        [sys.executable, sys.argv[0], '--service', service_type, 'upgrade',
         'check', '--json'], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == CHECK_FAILED:
        raise RuntimeError(done.stdout)
    return [
        (result['check'], upgradecheck.Result(
            upgradecheck.Code(result['result']), result['details']))
        for result in json.loads(done.stdout.splitlines()[-1])['checks']]


def _result(command: UpgradeCheck,
            result: upgradecheck.Result) -> upgradecheck.Result:
    """Return a result that is known already."""
    return result


def main() -> int:
    """Run the command line.

    :returns: the exit code
    """
    conf = cfg.ConfigOpts()
    conf.register_cli_opt(SERVICE_OPT)
    try:
        # No files by default: only the services have configuration files.
        return upgradecheck.main(
            conf, project='nova-trove-guard',
            upgrade_command=UpgradeCheck(conf),
            argv=_options_first(sys.argv[1:]), default_config_files=[])
    except host.UNREADABLE as error:
        print(f'nova-trove-guard-status: {outcome.describe(error)}',
              file=sys.stderr)
        return CHECK_FAILED


def _options_first(arguments: list[str]) -> list[str]:
    """Return a command line with its options in front of the command.

    oslo.config accepts them only there, but operators also write them at the
    end.
    """
    parser = argparse.ArgumentParser(
        'nova-trove-guard-status', usage=_USAGE, add_help=False,
        allow_abbrev=False)
    for option in ('--config-file', '--config-dir', '--service'):
        parser.add_argument(option, dest='first', action='append', default=[],
                            type=f'{option}={{}}'.format)
    parsed, others = parser.parse_known_args(arguments)
    return [*parsed.first, *others]
