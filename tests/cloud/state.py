# SPDX-License-Identifier: Apache-2.0
"""The running cloud, for tests: ``cloud = state.load()``."""

import dataclasses
import json
import pathlib
from urllib import parse

from keystoneauth1 import identity
from keystoneauth1 import service_token
from keystoneauth1 import session as keystone_session
import openstack
from troveclient.v1 import client as trove_client

from tests.cloud import faults
from tests.cloud import layout
from tests.cloud import people
from tests.cloud import processes
from tests.cloud import troves

GUARDED = 'RegionOne'
UNGUARDED = 'RegionUnguarded'
# Its Trove creates servers in the users' projects, with the guarded Nova.
USER = 'RegionUser'
# In each of these, only one service has the guard.
NOVA_GUARDED = 'RegionNovaGuarded'
CINDER_GUARDED = 'RegionCinderGuarded'
NEUTRON_GUARDED = 'RegionNeutronGuarded'
REGIONS = (GUARDED, UNGUARDED, USER, NOVA_GUARDED, CINDER_GUARDED,
           NEUTRON_GUARDED)
COMPUTE_API_VERSION = '2.96'


@dataclasses.dataclass(frozen=True)
class Cloud:
    """The endpoints, projects and users of a cloud.

    :ivar root: the state directory
    :ivar urls: a dict of service name to URL. nova, cinder and neutron are
        the guarded endpoints, nova-unguarded, cinder-unguarded and
        neutron-unguarded the stock ones; trove and trove-user are the Trove
        deployments. The URLs of Trove and Cinder do not include the project's
        id; Keystone's includes /v3
    :ivar projects: a dict of project name to id
    """

    root: pathlib.Path
    urls: dict[str, str]
    projects: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def auth_url(self):
        """Keystone's URL."""
        return self.urls['keystone']

    @property
    def guarded(self):
        """The URL of the Compute endpoint with the guard."""
        return self.urls['nova']

    @property
    def unguarded(self):
        """The URL of the Compute endpoint without the guard."""
        return self.urls['nova-unguarded']

    def environment(self, user):
        """Return the environment variables that a user's shell exports.

        :param user: a people.User
        :returns: a dict of environment variables
        """
        return {
            # openstacksdk accepts --os-region-name only if this file lists
            # several regions.
            'OS_CLIENT_CONFIG_FILE': str(
                layout.Layout(self.root).clouds_yaml),
            'OS_CLOUD': user.name,
            'OS_AUTH_URL': self.auth_url,
            'OS_IDENTITY_API_VERSION': '3',
            'OS_USERNAME': user.name,
            'OS_PASSWORD': people.password(user.name),
            'OS_USER_DOMAIN_NAME': 'Default',
            'OS_PROJECT_NAME': user.project,
            'OS_PROJECT_DOMAIN_NAME': 'Default',
            'OS_REGION_NAME': GUARDED,
            'OS_COMPUTE_API_VERSION': COMPUTE_API_VERSION,
        }

    def session(self, user, project=None, service=None):
        """Return a session of a user.

        :param user: the user's name
        :param project: a project's name; None for the user's default project
        :param service: the name of a user whose token is sent as the service
            token; None for none
        :returns: a keystoneauth1 Session
        """
        auth = self._password(user, project)
        if service:
            auth = _WithServiceToken(
                user_auth=auth, service_auth=self._password(service, None))
        return keystone_session.Session(auth=auth)

    def connection(self, user, region=GUARDED, **session):
        """Return an openstacksdk connection of a user.

        :param user: the user's name
        :param region: one of REGIONS
        :param session: more arguments of session()
        :returns: an openstack.connection.Connection
        """
        return openstack.connection.Connection(
            session=self.session(user, **session), region_name=region)

    def trove(self, user, region=GUARDED, url=None, **session):
        """Return a Trove client of a user.

        :param user: the user's name
        :param region: GUARDED, for servers in Trove's project, or USER, for
            servers in the user's
        :param url: the URL of one process, as start_trove() returned it; None
            for the region's
        :param session: more arguments of session()
        :returns: a troveclient.v1.client.Client
        """
        endpoint = url and f'{url}/%(project_id)s'
        return trove_client.Client(
            session=self.session(user, **session), region_name=region,
            endpoint_override=endpoint)

    def start_trove(self, deployment, host=troves.FIRST_HOST, **options):
        """Start a process of a Trove deployment.

        By default, restart the process that was killed, at its URL. With
        another host, start another process, which shares the deployment's
        database and has its own API, task manager, conductor and guests.

        :param deployment: 'trove' or 'trove-user'
        :param host: the name of the task manager's host, an address
        :param options: options of [trove_guard] that differ
        :returns: the URL of the process's API, without the project's id
        :raises processes.Failed: if it does not start
        """
        url = parse.urlsplit(self.urls[deployment])
        port = url.port
        if host != troves.FIRST_HOST:
            port, = processes.free_ports([host]).values()
        troves.start(layout.Layout(self.root), deployment, host, port,
                     options)
        return url._replace(netloc=f'127.0.0.1:{port}').geturl()

    def kill_trove(self, deployment, host=troves.FIRST_HOST):
        """Kill a process of a Trove deployment, as kill -9 does.

        :param deployment: 'trove' or 'trove-user'
        :param host: the host with which start_trove() was called
        """
        processes.kill(layout.Layout(self.root),
                       troves.process_name(deployment, host))

    def faults(self, **demanded):
        """Request faults while in the context.

        Contexts must not overlap.

        :param demanded: guest, nova, cinder, neutron, ...: see
            tests.cloud.faults
        :returns: a context manager that yields faults.Strikes
        """
        return faults.demand(layout.Layout(self.root), demanded)

    def _password(self, user, project):
        return identity.V3Password(
            auth_url=self.auth_url, username=user,
            password=people.password(user), user_domain_name='Default',
            project_name=project or people.named(user).project,
            project_domain_name='Default')


class _WithServiceToken(service_token.ServiceTokenAuthWrapper):
    """Find services as the user does, with any keystoneauth1.

    Before 2026.2, the base class does not return the versions of a service,
    and openstacksdk assumes that there are none.
    """

    def get_endpoint_data(self, session, **options):
        return self.user_auth.get_endpoint_data(session, **options)

    def get_api_major_version(self, session, **options):
        return self.user_auth.get_api_major_version(session, **options)


def load(root=None):
    """Return the running cloud.

    :param root: its state directory; None for that of the environment
    :returns: a Cloud
    :raises FileNotFoundError: if no cloud is up
    """
    files = (layout.Layout(pathlib.Path(root).resolve()) if root
             else layout.Layout.from_environment())
    state = json.loads(files.state.read_text())
    return Cloud(files.root, state['urls'], state['projects'])


def save(files, cloud, pids):
    """Write the state of the cloud atomically.

    :param files: the cloud's Layout
    :param cloud: a Cloud
    :param pids: a dict of process name to process id
    """
    text = json.dumps({'urls': cloud.urls, 'projects': cloud.projects,
                       'pids': pids}, indent=2)
    files.write_whole(files.state, text + '\n')
