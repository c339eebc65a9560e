# SPDX-License-Identifier: Apache-2.0
"""Who uses the cloud: projects, users and their roles."""

import dataclasses

PROJECTS = ('demo', 'trove', 'service', 'other')
# Keystone's bootstrap makes admin, manager, member, reader and service.
ROLES = ('trove_admin',)


@dataclasses.dataclass(frozen=True)
class User:
    """A user, the home project, and the roles in each project."""

    name: str
    project: str
    roles: dict[str, tuple[str, ...]]


def password(user):
    """Tell a user's password, which is no secret.

    :param user: the user's name
    :returns: the password
    """
    return f'{user}-password'


# Made by Keystone's bootstrap.
ADMIN = User('admin', 'admin', {'admin': ('admin',)})

PEOPLE = (
    User('owner', 'demo', {'demo': ('member',)}),
    User('reader', 'demo', {'demo': ('reader',)}),
    User('manager', 'demo', {'demo': ('manager',)}),
    User('stranger', 'other', {'other': ('member',)}),
    # The Trove admin: at home in Trove's own project, and able to make
    # servers in the tenant's.
    User('trove', 'trove', {'trove': ('admin', 'service', 'trove_admin'),
                            'demo': ('member', 'trove_admin')}),
)

SERVICES = tuple(
    User(name, 'service', {'service': ('service', 'admin')})
    for name in ('nova', 'neutron', 'cinder', 'glance', 'placement'))

EVERYBODY = (ADMIN, *PEOPLE, *SERVICES)


def named(name):
    """Find a user.

    :param name: the user's name
    :returns: a User
    :raises KeyError: if there is none
    """
    return {user.name: user for user in EVERYBODY}[name]
