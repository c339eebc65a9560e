# SPDX-License-Identifier: Apache-2.0
"""The Trove admin in Keystone: project, user, roles and assignments.

Read all of it first, and determine what is missing. Only then change anything.
"""

from collections import abc
import dataclasses
import typing

from keystoneauth1 import exceptions
from keystoneauth1 import identity as plugins
from openstack import exceptions as openstack_exceptions

from nova_trove_guard.cmd import clouds
from nova_trove_guard.cmd import outcome


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """A role that the Trove admin needs in its project.

    :ivar role: the role's name
    :ivar why: what needs the role
    :ivar is_ours: whether to create the role if Keystone does not have it
    """

    role: str
    why: str
    is_ours: bool = True


TROVE_ADMIN = Grant(
    'trove_admin', 'the guard lets it change managed servers, volumes, ports '
    'and security groups (policy rule trove_guard:trove_admin)')
ADMIN = Grant(
    'admin', 'Nova, Neutron and Cinder let Trove work for all projects: only '
    'admins can remove its locks, and it lists servers and creates ports '
    'in any project',
    is_ours=False)
SERVICE = Grant(
    'service', 'Nova, Cinder and Neutron accept its token as a service token '
    'with a user\'s token ([keystone_authtoken] service_token_roles)')

# The roles that the Trove admin needs, by server_owner in [trove_guard] of
# trove.conf.
GRANTS = {
    'trove': (TROVE_ADMIN, ADMIN),
    'user': (TROVE_ADMIN, ADMIN, SERVICE),
}


# The usual names of the users with which Nova, Neutron and Cinder call each
# other. Nova's user for Neutron ([neutron] of nova.conf) is one of them.
SERVICE_USERS = ('nova', 'neutron', 'cinder')
SERVICE_ROLE = SERVICE.role


def lacking_role(
        keystone: typing.Any, names: abc.Iterable[str], domain_id: str,
        roles: abc.Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the names of the users that have none of the given roles.

    A role counts in any scope.

    :param keystone: openstacksdk's identity proxy (v3)
    :param names: the users' names
    :param domain_id: the id of their domain
    :param roles: the roles' names
    :returns: the users that lack the roles, and those that do not exist
    """
    wanted = {role.id for name in roles for role in keystone.roles(name=name)}
    lacking: list[str] = []
    missing: list[str] = []
    for name in names:
        user = _first(keystone.users(name=name, domain_id=domain_id))
        if user is None:
            missing.append(name)
        elif not wanted & {
                assignment.role['id'] for assignment in
                keystone.role_assignments(user_id=user.id, effective=True)}:
            lacking.append(name)
    return lacking, missing


def grants(names: abc.Iterable[str], project: str, domain: str) -> str:
    """Return the commands that grant the role of services to users.

    :param names: the users' names
    :param project: the name of the services' project
    :param domain: the name or id of the domain of both
    """
    return '; '.join(
        f'openstack role add --user {name} --user-domain {domain} '
        f'--project {project} --project-domain {domain} {SERVICE_ROLE}'
        for name in names)


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """An object that Keystone must have.

    :ivar what: ``role``, ``project``, ``user`` or ``assignment``
    :ivar name: its name; for an assignment, the name of the role
    :ivar is_there: whether it existed before
    :ivar why: what needs it
    """

    what: str
    name: str
    is_there: bool
    why: str = ''


class Accounts:
    """The Trove admin's accounts in Keystone.

    All methods raise openstack.exceptions.SDKException if Keystone refuses,
    and keystoneauth1.exceptions.ClientException if it fails.

    :param keystone: openstacksdk's identity proxy (v3)
    :param domain: the name or id of the domain of project and user
    :param project: the project's name
    :param user: the user's name
    :param grants: the roles that the user needs
    :raises outcome.Refused: if an existing object can't be used
    :ivar project: the project, None while it is missing
    :ivar user: the user, None while it is missing
    """

    def __init__(self, keystone: typing.Any, domain: str, project: str,
                 user: str, grants: abc.Sequence[Grant]) -> None:
        self._keystone = keystone
        self._names = {'project': project, 'user': user}
        self._grants = grants
        self.domain = keystone.find_domain(domain)
        if self.domain is None:
            raise outcome.Refused(f'there is no domain {domain}')
        self._roles = {grant.role: _first(keystone.roles(name=grant.role))
                       for grant in grants}
        self.project = _first(keystone.projects(
            name=project, domain_id=self.domain.id))
        self.user = _first(keystone.users(
            name=user, domain_id=self.domain.id))
        self._refuse_unusable()
        held: set[str] = set()
        if self.user and self.project:
            held = {assignment.role['id']
                    for assignment in keystone.role_assignments(
                        user_id=self.user.id,
                        scope_project_id=self.project.id, effective=True)}
        self._held = {name for name, role in self._roles.items()
                      if role and role.id in held}

    def _refuse_unusable(self) -> None:
        for grant in self._grants:
            if not (grant.is_ours or self._roles[grant.role]):
                raise outcome.Refused(f'there is no role {grant.role}')
        for found in (self.domain, self.project, self.user):
            if found and not found.is_enabled:
                raise outcome.Refused(f'{found.name} is disabled')

    @property
    def steps(self) -> list[Step]:
        """All that Keystone must have, in the order of creation."""
        return [
            *(Step('role', grant.role, self._roles[grant.role] is not None)
              for grant in self._grants if grant.is_ours),
            Step('project', self._names['project'], self.project is not None),
            Step('user', self._names['user'], self.user is not None),
            *(Step('assignment', grant.role, grant.role in self._held,
                   grant.why) for grant in self._grants)]

    def refuse_to_widen(self) -> None:
        """Refuse to grant more roles to a user who existed before.

        :raises outcome.Refused: if the user lacks a role
        """
        lacking = [step.name for step in self.steps
                   if step.what == 'assignment' and not step.is_there]
        if self.user and lacking:
            raise outcome.Refused(
                f'the user {self._names["user"]} exists, and lacks the role '
                f'{", ".join(lacking)} in the project '
                f'{self._names["project"]}. If this is the Trove admin, '
                f'grant it with --grant-existing.')

    def make(self, *whats: str, password: str | None = None) -> None:
        """Create what is missing.

        :param whats: the kinds to create, as Step.what; users after projects,
            and assignments after all others
        :param password: the user's password
        """
        for step in self.steps:
            if step.what in whats and not step.is_there:
                self._MAKE[step.what](self, step.name, password)

    def _make_role(self, name: str, _: str | None) -> None:
        self._roles[name] = self._keystone.create_role(name=name)

    def _make_project(self, name: str, _: str | None) -> None:
        self.project = self._keystone.create_project(
            name=name, domain_id=self.domain.id,
            description='Trove\'s own')

    def _make_user(self, name: str, password: str | None) -> None:
        self._send('post', '/users', {
            'name': name, 'domain_id': self.domain.id,
            'default_project_id': self.project.id,
            'description': 'The Trove admin', 'password': password})
        self.user = _first(self._keystone.users(
            name=name, domain_id=self.domain.id))

    def _make_assignment(self, name: str, _: str | None) -> None:
        self._keystone.assign_project_role_to_user(
            self.project, self.user, self._roles[name])

    _MAKE = {'role': _make_role, 'project': _make_project,
             'user': _make_user, 'assignment': _make_assignment}

    def set_password(self, password: str | None) -> None:
        """Change the user's password, which revokes its tokens."""
        self._send('patch', f'/users/{self.user.id}', {'password': password})

    def _send(self, method: str, path: str,
              user: dict[str, str | None]) -> None:
        """Send a request with a password, without logging it.

        openstacksdk's own methods for users would log it.
        """
        answer = getattr(self._keystone, method)(
            path, json={'user': user}, log=False)
        openstack_exceptions.raise_from_response(answer)

    def is_password(self, password: str, auth_url: str) -> bool:
        """Return whether a password is the user's.

        :param auth_url: Keystone's URL
        """
        admin = self._keystone.session
        session = clouds.Session(
            auth=plugins.V3Password(
                auth_url=auth_url, user_id=self.user.id, password=password,
                unscoped=True),
            verify=admin.verify, cert=admin.cert)
        try:
            session.get_token()
        except exceptions.Unauthorized:
            return False
        return True


def _first(found: abc.Iterable[typing.Any]) -> typing.Any:
    return next(iter(found), None)
