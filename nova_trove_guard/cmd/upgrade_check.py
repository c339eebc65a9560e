# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard-status upgrade check``: is Nova ready for the guard?

Reads the nova.conf of nova-api. Ends with the greatest of its results: 0 for
success, 1 for a warning, 2 for a failure; with 255 if a check itself fails.
"""

from collections.abc import Callable, Mapping
import functools
import os
import sys
import typing

from keystoneauth1 import exceptions
from keystoneauth1 import loading
from keystoneauth1 import session
import nova.cmd  # noqa: F401 - before all else of Nova, as in its own
import nova.conf
import openstack
from openstack import exceptions as openstack_exceptions
from oslo_upgradecheck import upgradecheck

from nova_trove_guard.cmd import accounts
from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.core import options
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import references
from nova_trove_guard.core.policy import rules
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import surface

CONF = nova.conf.CONF

# Where Nova has credentials that can ask Keystone, best first.
CREDENTIALS = ('keystone', 'keystone_authtoken')
# Where the users of services are, in the usual deployments.
SERVICE_DOMAIN, SERVICE_PROJECT = 'default', 'service'

Keystone: typing.TypeAlias = typing.Any  # openstacksdk's identity proxy, v3
_A = typing.TypeVar('_A')

_failure = functools.partial(upgradecheck.Result, upgradecheck.Code.FAILURE)
_warning = functools.partial(upgradecheck.Result, upgradecheck.Code.WARNING)
_success = functools.partial(upgradecheck.Result, upgradecheck.Code.SUCCESS)


class Checks(upgradecheck.UpgradeCommands):
    """The checks, on the configuration in nova.conf.CONF."""

    def check_pipelines(self) -> upgradecheck.Result:
        """Look for the guard in the pipelines that nova-api loads."""
        try:
            path = paste_path()
            _, findings = files.understood(pipelines.check, path)
        except (outcome.Refused, OSError) as error:
            return _failure(str(error))
        wrong = [f'{finding.place}: {finding.state}' for finding in findings
                 if finding.state is not pipelines.State.PRESENT]
        if wrong:
            return _failure(f'{path}: {"; ".join(wrong)}. Fix it with '
                            f'"nova-trove-guard paste insert".')
        return _success()

    def check_options(self) -> upgradecheck.Result:
        """Read the guard's options."""
        try:
            settings = _settings()
        except (outcome.Refused, OSError):
            return _warning('See above: the api-paste.ini can\'t be read.')
        except ValueError as error:
            return _failure(str(error))
        if not settings.trove_managed_instances:
            return _warning('The guard is off: [trove_guard] '
                            'trove_managed_instances is false.')
        return _success()

    def check_policy(self) -> upgradecheck.Result:
        """Read Nova's policy file, as the guard does."""
        try:
            policies.enforcer(CONF)
        except enforcement.PolicyUnreadable as error:
            return _failure(str(error))
        return _success()

    def check_trove_admin(self) -> upgradecheck.Result:
        """Look in Keystone for the role of the Trove admin."""
        return _check_roles(
            rules.TROVE_ADMIN, _holders, _judge_trove_admin)

    def check_services(self) -> upgradecheck.Result:
        """Look in Keystone for the role of the services that drive servers."""
        return _check_roles(
            rules.SERVICE_API, _lacking, _judge_services)

    def check_surface(self) -> upgradecheck.Result:
        """Compare what Nova can be asked with what the guard knows."""
        unknown = surface.unknown()
        if unknown:
            return _failure(
                f'The installed Nova can be asked what this version of '
                f'nova-trove-guard does not know: {"; ".join(unknown)}. '
                f'Look for a newer version.')
        return _success()

    _upgrade_checks = (
        ('Pipelines', check_pipelines),
        ('Options', check_options),
        ('Policy', check_policy),
        ('Trove admin', check_trove_admin),
        ('Services', check_services),
        ('Surface of Nova', check_surface),
    )


def paste_path() -> str:
    """Return the path of the api-paste.ini that nova-api loads.

    :raises outcome.Refused: if there is none
    """
    name = CONF.wsgi.api_paste_config
    # As nova.api.wsgi.Loader has it.
    path = name if os.path.isabs(name) else CONF.find_file(name)
    if not path:
        raise outcome.Refused(f'there is no {name}')
    return str(path)


def _settings() -> options.Settings:
    """Return the settings of the guard in nova-api.

    :raises outcome.Refused: for an api-paste.ini that is not understood
    :raises OSError: if it can't be read
    :raises ValueError: for an option that has no valid value
    """
    _, overrides = files.understood(pipelines.settings, paste_path())
    return options.settings(CONF, overrides, 'nova')


def _check_roles(
        rule: str,
        question: Callable[[Keystone, list[str]], _A],
        judge: Callable[[_A, list[str]], upgradecheck.Result],
        ) -> upgradecheck.Result:
    """Check in Keystone what becomes of the roles that a rule names.

    :param question: gets Keystone and the roles
    :param judge: gets the answer and the roles
    """
    enforcer = policies.get_enforcer()
    try:
        enforcer.load_rules()
    except Exception:
        return _warning('See above: the policy can\'t be read.')
    roles = named_roles(enforcer.rules, rule)
    if not roles:
        return _warning(f'The policy rule {rule} names no role: check '
                        f'yourself that the principals it is for pass it.')
    authenticated = keystone_session()
    if authenticated is None:
        return _warning('Keystone can\'t be asked: nova.conf has '
                        'credentials for it neither in '
                        f'[{"] nor in [".join(CREDENTIALS)}].')
    try:
        answer = question(openstack.connection.Connection(
            session=authenticated, oslo_conf=CONF,
            service_types=['identity']).identity, roles)
    except (exceptions.ClientException,
            openstack_exceptions.SDKException) as error:
        return _warning(f'Keystone can\'t be asked: {error}')
    return judge(answer, roles)


def named_roles(checks: Mapping[str, references.Check],
                rule: str) -> list[str]:
    """Return the names of the roles by which a rule knows a principal.

    :param checks: what oslo.policy made of all rules
    """
    return sorted({
        leaf.match
        for check in references.reached(checks, rule).values()
        for leaf in references.leaves(check)
        if getattr(leaf, 'kind', None) in ('role', 'service_roles')})


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
                    f'even Trove can do anything with its servers: see '
                    f'"nova-trove-guard bootstrap".')


def _lacking(keystone: Keystone,
             roles: list[str]) -> tuple[list[str], list[str]]:
    return accounts.lacking_role(
        keystone, accounts.SERVICE_USERS, SERVICE_DOMAIN, roles)


def _judge_services(found: tuple[list[str], list[str]],
                    roles: list[str]) -> upgradecheck.Result:
    lacking, missing = found
    if lacking:
        return _failure(
            f'{", ".join(lacking)} must have the role {" or ".join(roles)} '
            f'(policy rule {rules.SERVICE_API}), so that services can drive '
            f'managed servers: ' +
            accounts.grants(lacking, SERVICE_PROJECT, SERVICE_DOMAIN))
    if missing:
        return _warning(
            f'There is no user {" or ".join(missing)}: check yourself that '
            f'the users as whom Neutron and Cinder call Nova have the role '
            f'{" or ".join(roles)}.')
    return _success()


def keystone_session() -> session.Session | None:
    """Return a keystoneauth1 session with credentials of Nova's, or None."""
    for group in CREDENTIALS:
        loading.register_auth_conf_options(CONF, group)
        loading.register_session_conf_options(CONF, group)
        auth = loading.load_auth_from_conf_options(CONF, group)
        if auth is not None:
            return loading.load_session_from_conf_options(
                CONF, group, auth=auth)
    return None


def main() -> int:
    """Run the command line.

    :returns: the exit code
    """
    return upgradecheck.main(
        CONF, project='nova', upgrade_command=Checks(), argv=sys.argv[1:])
