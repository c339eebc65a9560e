# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard-status upgrade check``: are the services ready?

Reads the configuration of nova-api, cinder-api and neutron-api: of those which
are installed here, or of the one that is asked for. Ends with the greatest of
its results: 0 for success, 1 for a warning, 2 for a failure; with 255 if a
check itself fails.
"""

from collections.abc import Callable, Iterator, Mapping, Set
import functools
import json
import os
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
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import references
from nova_trove_guard.core.policy import rules

# Where a service has credentials that can ask Keystone, best first.
CREDENTIALS = ('keystone', 'keystone_authtoken')
# Where the users of services are, in the usual deployments.
SERVICE_DOMAIN, SERVICE_PROJECT = 'default', 'service'
# The exit code of a check that fails itself.
CHECK_FAILED = 255

SERVICE_OPT = cfg.StrOpt(
    'service', choices=tuple(wings.PACKAGES),
    help='The service to check. Default: all that are installed here, each '
         'with its own configuration; with --config-file, compute.')

Keystone: typing.TypeAlias = typing.Any  # openstacksdk's identity proxy, v3
Named: typing.TypeAlias = tuple[str, upgradecheck.Result]
_A = typing.TypeVar('_A')

_failure = functools.partial(upgradecheck.Result, upgradecheck.Code.FAILURE)
_warning = functools.partial(upgradecheck.Result, upgradecheck.Code.WARNING)
_success = functools.partial(upgradecheck.Result, upgradecheck.Code.SUCCESS)


class UpgradeCheck(upgradecheck.UpgradeCommands):
    """The command line's upgrade check, of one service or of several.

    :param conf: the command line
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__()
        self._conf = conf

    def check(self) -> upgradecheck.Code:
        """Print the results, and return the greatest."""
        self._upgrade_checks = tuple(
            (name, (_result, {'result': result}))
            for name, result in self._results())
        return super().check()

    def _results(self) -> Iterator[Named]:
        """Yield the results of the services that are to be checked."""
        conf = self._conf
        chosen = ([conf.service] if conf.service else
                  ['compute'] if conf.config_file else wings.installed())
        if not chosen:
            yield 'Services', _failure(
                'None of Nova, Cinder and Neutron is installed here.')
        elif len(chosen) == 1:
            wing = wings.load(chosen[0])
            cfg.CONF([], project=wing.package,
                     default_config_files=conf.config_file or None,
                     default_config_dirs=conf.config_dir or None)
            yield from Checks(wing).results()
        else:
            # No process can have the options of two services.
            for service in chosen:
                yield from _of_process(service)


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
        """Look for the guard in the pipelines that the service loads."""
        try:
            path = paste_path(self._wing)
            text, findings = files.understood(pipelines.check, path)
        except (outcome.Refused, OSError) as error:
            return _failure(str(error))
        if pipelines.api_of(text) is not self._api:
            return _failure(f'{path} is not of {self._api.service}. Choose '
                            f'the service with --service.')
        wrong = [f'{finding.place}: {finding.state}' for finding in findings
                 if finding.state is not pipelines.State.PRESENT]
        if wrong:
            return _failure(f'{path}: {"; ".join(wrong)}. Fix it with '
                            f'"nova-trove-guard paste insert".')
        return _success()

    def options(self) -> upgradecheck.Result:
        """Read the guard's options."""
        try:
            _, overrides = files.understood(
                pipelines.settings, paste_path(self._wing))
            settings = options.settings(
                cfg.CONF, overrides, self._wing.package)
        except (outcome.Refused, OSError):
            return _warning('See above: the api-paste.ini can\'t be read.')
        except ValueError as error:
            return _failure(str(error))
        if not settings.trove_managed_instances:
            return _warning('The guard is off: [trove_guard] '
                            'trove_managed_instances is false.')
        return _success()

    def policy(self) -> upgradecheck.Result:
        """Read the service's policy file, as the guard does."""
        try:
            self._wing.enforcer(cfg.CONF)
        except enforcement.PolicyUnreadable as error:
            return _failure(str(error))
        return _success()

    def trove_admin(self) -> upgradecheck.Result:
        """Look in Keystone for the role of the Trove admin."""
        return self._check_roles(
            rules.TROVE_ADMIN, ROLE_CHECKS, _holders, _judge_trove_admin)

    def services(self) -> upgradecheck.Result:
        """Look in Keystone for the role of the services that drive them."""
        wing = self._wing
        return self._check_roles(
            rules.SERVICE_API, wing.service_checks,
            lambda keystone, roles: accounts.lacking_role(
                keystone, wing.service_users, SERVICE_DOMAIN, roles),
            functools.partial(_judge_services, wing))

    def service_tokens(self) -> upgradecheck.Result:
        """Read which service tokens are valid, and whether they are sent."""
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
        """Look up the roles of the service's own user for another service.

        :param group: where the credentials are in the configuration
        :param service: the other service's name
        """
        where = f'[{group}] of {self._wing.package}.conf'
        try:
            authenticated = _session(group)
            if authenticated is None:
                return _warning(f'There are no credentials for {service} in '
                                f'{where}.')
            # A plugin that asks Keystone, as in any configuration file.
            auth: typing.Any = authenticated.auth
            roles = auth.get_access(authenticated).role_names
        except exceptions.ClientException as error:
            return _warning(f'Keystone can\'t be asked with the credentials '
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
        """Ask another service with the service's own credentials."""
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
                            f'{where} what it lets admins do ({error}), so '
                            f'that {peer.why}.')
        except exceptions.ClientException as error:
            return _warning(f'{peer.service} can\'t be asked with the '
                            f'credentials in {where}: {error}')
        return _success()

    def surface(self, find_unknown: Callable[[], list[str]],
                ) -> upgradecheck.Result:
        """Compare what the service can be asked with what the guard knows.

        :param find_unknown: finds what the guard does not know
        """
        service = self._api.service
        try:
            unknown = find_unknown()
        except Exception as error:
            return _warning(f'What {service} can be asked can\'t be read: '
                            f'{error}')
        if unknown:
            return _failure(
                f'The installed {service} can be asked what this version of '
                f'nova-trove-guard does not know: {"; ".join(unknown)}. '
                f'Look for a newer version.')
        return _success()

    def _check_roles(
            self, rule: str, kinds: Set[str],
            question: Callable[[Keystone, list[str]], _A],
            judge: Callable[[_A, list[str]], upgradecheck.Result],
            ) -> upgradecheck.Result:
        """Check in Keystone what becomes of the roles that a rule names.

        :param kinds: the kinds of checks to look at
        :param question: gets Keystone and the roles
        :param judge: gets the answer and the roles
        """
        enforcer = self._wing.get_enforcer()
        try:
            enforcer.load_rules()
        except Exception:
            return _warning('See above: the policy can\'t be read.')
        roles = named_roles(enforcer.rules, rule, kinds)
        if not roles:
            return _warning(f'The policy rule {rule} names no role: check '
                            f'yourself that the principals it is for pass '
                            f'it.')
        try:
            authenticated = keystone_session()
            if authenticated is None:
                return _warning(
                    f'Keystone can\'t be asked: {self._wing.package}.conf '
                    f'has credentials for it neither in '
                    f'[{"] nor in [".join(CREDENTIALS)}].')
            # Nova has options on which of Keystone's endpoints to use.
            answer = question(openstack.connection.Connection(
                session=authenticated,
                oslo_conf=cfg.CONF if 'keystone' in cfg.CONF else None,
                service_types=['identity']).identity, roles)
        except (exceptions.ClientException,
                openstack_exceptions.SDKException) as error:
            return _warning(f'Keystone can\'t be asked: {error}')
        return judge(answer, roles)


# The kinds of oslo.policy's checks that name a role.
ROLE_CHECKS = frozenset(('role', 'service_roles'))


def paste_path(wing: wings.Wing) -> str:
    """Return the path of the api-paste.ini that a service loads.

    :raises outcome.Refused: if there is none
    """
    name = wing.paste_config(cfg.CONF)
    # As nova.api.wsgi.Loader and oslo_service.wsgi.Loader have it.
    path = name if os.path.isabs(name) else cfg.CONF.find_file(name)
    if not path:
        raise outcome.Refused(f'there is no {name}')
    return str(path)


def named_roles(checks: Mapping[str, references.Check], rule: str,
                kinds: Set[str] = ROLE_CHECKS) -> list[str]:
    """Return the names of the roles by which a rule knows a principal.

    :param checks: what oslo.policy made of all rules
    :param kinds: the kinds of checks to look at
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
    return _failure(f'Nobody has the role {" or ".join(roles)}, so that not '
                    f'even Trove can do anything with what it manages: see '
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
            f'There is no user {" or ".join(missing)}: check yourself that '
            f'the users as whom other services call {wing.api.service} have '
            f'the role {" or ".join(roles)}.')
    return _success()


def keystone_session() -> session.Session | None:
    """Return a session with credentials of the service's, None for none."""
    return next(filter(None, map(_session, CREDENTIALS)), None)


def _session(group: str) -> session.Session | None:
    """Return a session with the credentials in a group, None for none."""
    # keystonemiddleware has options of the same names with other help texts.
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
    """Return the results of a service's checks, by this very program."""
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
    # It is the services that have configuration files.
    return upgradecheck.main(
        conf, project='nova-trove-guard', upgrade_command=UpgradeCheck(conf),
        argv=sys.argv[1:], default_config_files=[])
