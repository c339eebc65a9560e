# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard-status upgrade check``: is Nova ready for the guard?

Reads the nova.conf of nova-api. Ends with the greatest of its results: 0 for
success, 1 for a warning, 2 for a failure; with 255 if a check itself fails.
"""

import functools
import os
import re
import sys

from keystoneauth1 import exceptions
from keystoneauth1 import loading
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
from nova_trove_guard.core.policy import rules
from nova_trove_guard.nova import surface

CONF = nova.conf.CONF

# Where Nova has credentials that can ask Keystone, best first.
CREDENTIALS = ('keystone', 'keystone_authtoken')
# Where the users of services are, in the usual deployments.
SERVICE_DOMAIN, SERVICE_PROJECT = 'default', 'service'
_ROLE = re.compile(r'\b(?:role|service_roles):([^\s()]+)')
_RULE = re.compile(r'\brule:([^\s()]+)')

_failure = functools.partial(upgradecheck.Result, upgradecheck.Code.FAILURE)
_warning = functools.partial(upgradecheck.Result, upgradecheck.Code.WARNING)
_success = functools.partial(upgradecheck.Result, upgradecheck.Code.SUCCESS)


class Checks(upgradecheck.UpgradeCommands):
    """The checks, on the configuration in nova.conf.CONF."""

    def check_pipelines(self):
        """Look for the guard in the pipelines that nova-api loads."""
        try:
            path = paste_path()
            _, findings = files.understood(pipelines.check, path)
        except (outcome.Refused, OSError) as error:
            return _failure(str(error))
        wrong = [f'{finding.place}: {finding.state}' for finding in findings
                 if finding.state is not pipelines.State.PRESENT]
        if wrong:
            return _failure(f'{path}: {"; ".join(wrong)}. Mend it with '
                            f'"nova-trove-guard paste insert".')
        return _success()

    def check_options(self):
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

    def check_policy(self):
        """Read Nova's policy file, as the guard does."""
        try:
            enforcement.Enforcer(CONF)
        except enforcement.PolicyUnreadable as error:
            return _failure(str(error))
        return _success()

    def check_trove_admin(self):
        """Look in Keystone for the role of the Trove admin."""
        enforcer = enforcement.get_enforcer()
        try:
            enforcer.load_rules()
        except Exception:
            return _warning('See above: the policy can\'t be read.')
        roles = named_roles(enforcer.rules, rules.TROVE_ADMIN)
        if not roles:
            return _warning(f'The policy rule {rules.TROVE_ADMIN} names no '
                            f'role: see yourself that Trove meets it.')
        holders = _asked_of_keystone(lambda keystone: [
            assignment
            for name in roles
            for role in keystone.roles(name=name)
            for assignment in keystone.role_assignments(role_id=role.id)])
        if isinstance(holders, upgradecheck.Result):
            return holders
        if not holders:
            return _failure(f'Nobody has the role {" or ".join(roles)}, so '
                            f'that not even Trove may do anything with its '
                            f'servers: see "nova-trove-guard bootstrap".')
        return _success()

    def check_services(self):
        """Look in Keystone for the role of the services that drive servers."""
        enforcer = enforcement.get_enforcer()
        try:
            enforcer.load_rules()
        except Exception:
            return _warning('See above: the policy can\'t be read.')
        roles = named_roles(enforcer.rules, rules.SERVICE_API)
        if not roles:
            return _warning(f'The policy rule {rules.SERVICE_API} names no '
                            f'role: see yourself that services meet it.')
        found = _asked_of_keystone(lambda keystone: accounts.lacking_role(
            keystone, accounts.SERVICE_USERS, SERVICE_DOMAIN, roles))
        if isinstance(found, upgradecheck.Result):
            return found
        lacking, missing = found
        if lacking:
            return _failure(
                f'{", ".join(lacking)} must have the role '
                f'{" or ".join(roles)} (policy rule {rules.SERVICE_API}), so '
                f'that services can drive managed servers: ' +
                accounts.grants(lacking, SERVICE_PROJECT, SERVICE_DOMAIN))
        if missing:
            return _warning(
                f'There is no user {" or ".join(missing)}: see yourself that '
                f'the users as whom Neutron and Cinder call Nova have the '
                f'role {" or ".join(roles)}.')
        return _success()

    def check_surface(self):
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


def paste_path():
    """Return the path of the api-paste.ini that nova-api loads.

    :raises outcome.Refused: if there is none
    """
    name = CONF.wsgi.api_paste_config
    # As nova.api.wsgi.Loader has it.
    path = name if os.path.isabs(name) else CONF.find_file(name)
    if not path:
        raise outcome.Refused(f'there is no {name}')
    return path


def _settings():
    """Return the options.Settings of the guard in nova-api.

    :raises outcome.Refused: for an api-paste.ini that is not understood
    :raises OSError: if it can't be read
    :raises ValueError: for an option that has no valid value
    """
    _, overrides = files.understood(pipelines.settings, paste_path())
    return options.settings(CONF, overrides)


def named_roles(rules, rule):
    """Return the names of the roles by which a rule knows a principal.

    :param rules: dict of oslo.policy check by rule name
    :param rule: the rule's name
    """
    roles, seen, ahead = set(), set(), {rule}
    while ahead:
        name = ahead.pop()
        seen.add(name)
        check = str(rules.get(name, ''))
        roles.update(_ROLE.findall(check))
        ahead.update(set(_RULE.findall(check)) - seen)
    return sorted(roles)


def _asked_of_keystone(question):
    """Return what Keystone answers, or a Result that says why it can't.

    :param question: function of openstacksdk's identity proxy (v3)
    """
    session = keystone_session()
    if session is None:
        return _warning('Keystone can\'t be asked: nova.conf has '
                        'credentials for it neither in '
                        f'[{"] nor in [".join(CREDENTIALS)}].')
    try:
        return question(openstack.connection.Connection(
            session=session, oslo_conf=CONF,
            service_types={'identity'}).identity)
    except (exceptions.ClientException,
            openstack_exceptions.SDKException) as error:
        return _warning(f'Keystone can\'t be asked: {error}')


def keystone_session():
    """Return a keystoneauth1 session with credentials of Nova's, or None."""
    for group in CREDENTIALS:
        loading.register_auth_conf_options(CONF, group)
        loading.register_session_conf_options(CONF, group)
        auth = loading.load_auth_from_conf_options(CONF, group)
        if auth is not None:
            return loading.load_session_from_conf_options(
                CONF, group, auth=auth)
    return None


def main():
    """Run the command line.

    :returns: the exit code
    """
    return upgradecheck.main(
        CONF, project='nova', upgrade_command=Checks(), argv=sys.argv[1:])
