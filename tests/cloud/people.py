# SPDX-License-Identifier: Apache-2.0
"""The projects and users of the cloud, and the users' roles."""

import dataclasses

PROJECTS = ('demo', 'trove', 'service', 'other')
# Keystone's bootstrap creates admin, manager, member, reader and service.
ROLES = ('trove_admin',)


@dataclasses.dataclass(frozen=True)
class User:
    """A user, its default project, and its roles in each project."""

    name: str
    project: str
    roles: dict[str, tuple[str, ...]]


def password(user):
    """Return a user's password, which is no secret.

    :param user: the user's name
    :returns: the password
    """
    return f'{user}-password'


# Keystone's bootstrap creates this user.
ADMIN = User('admin', 'admin', {'admin': ('admin',)})

PEOPLE = (
    User('owner', 'demo', {'demo': ('member',)}),
    User('reader', 'demo', {'demo': ('reader',)}),
    User('manager', 'demo', {'demo': ('manager',)}),
    User('stranger', 'other', {'other': ('member',)}),
    # The Trove admin: creates servers in Trove's own project, and in the
    # tenant's.
    User('trove', 'trove', {'trove': ('admin', 'service', 'trove_admin'),
                            'demo': ('member', 'trove_admin')}),
)

SERVICES = tuple(
    User(name, 'service', {'service': ('service', 'admin')})
    for name in ('nova', 'neutron', 'cinder', 'glance', 'placement'))

EVERYBODY = (ADMIN, *PEOPLE, *SERVICES)


def named(name):
    """Return the user with a name.

    :param name: the user's name
    :returns: a User
    :raises KeyError: if there is none
    """
    return {user.name: user for user in EVERYBODY}[name]
