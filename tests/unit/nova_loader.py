# SPDX-License-Identifier: Apache-2.0
"""Loads Nova's Compute API from paste, with the guard in its pipeline."""

# Nova 2025.1 patches whoever imports its API for eventlet; too late here.
import os; os.environ['OS_NOVA_DISABLE_EVENTLET_PATCHING'] = 'true'  # noqa

import contextlib
import unittest.mock

from keystonemiddleware import auth_token
from keystonemiddleware.auth_token import _exceptions
import nova.api.openstack.wsgi as nova_wsgi
import nova.api.wsgi
import nova.compute.api
import nova.conf
import nova.config
from nova.network import neutron
import nova.objects
from nova.volume import cinder

from nova_trove_guard.nova import lookup
from tests.cloud import recorder
from tests.unit import nova_api

NOVA_CONF = """
[DEFAULT]
transport_url = fake://
state_path = {directory}
[api_database]
connection = sqlite://
[database]
connection = sqlite://
[keystone_authtoken]
auth_type = password
auth_url = http://127.0.0.1:9/v3
www_authenticate_uri = http://127.0.0.1:9/v3
username = nova
password = secret
project_name = service
user_domain_id = default
project_domain_id = default
service_token_roles = service
service_token_roles_required = true
[oslo_policy]
policy_file = {directory}/policy.yaml
{trove_guard}
"""


def load(tmp_path_factory, paste, options, policy=''):
    """Return NovaAPI.

    :param tmp_path_factory: pytest's
    :param paste: the text of api-paste.ini
    :param options: the [trove_guard] of nova.conf
    :param policy: the text of the policy file
    """
    directory = tmp_path_factory.mktemp('nova')
    (directory / 'policy.yaml').write_text(policy)
    (directory / 'nova.conf').write_text(NOVA_CONF.format(
        directory=directory, trove_guard=options))
    (directory / 'api-paste.ini').write_text(paste)
    nova.objects.register_all()
    conf = nova.conf.CONF
    conf.reset()
    nova.config.parse_args(
        ['nova-api'], default_config_files=[str(directory / 'nova.conf')],
        configure_db=False)
    application = nova.api.wsgi.Loader(
        str(directory / 'api-paste.ini')).load_app('osapi_compute')
    tokens, dispatched = {}, []
    api = nova_api.NovaAPI(
        _Patched(application, tokens, dispatched), tokens, dispatched)
    api.directory = directory
    return api


@contextlib.contextmanager
def dispatching(api):
    """Yield a NovaAPI whose calls Nova's own controllers answer.

    Only tokens are stood in for.

    :param api: what load() returns
    """
    with unittest.mock.patch.object(
            auth_token.AuthProtocol, 'fetch_token',
            lambda self, token, **how: api.tokens[token]):
        yield nova_api.NovaAPI(api.app._application, api.tokens, [])


class _Patched:
    """Calls an application with what stands in for the rest of the cloud.

    :ivar has_databases: whether Nova has databases, so that nothing stands in
        for the look-up of servers
    """

    has_databases = False

    def __init__(self, application, tokens, dispatched):
        self._application = application
        self._tokens = tokens
        self._dispatched = dispatched

    def __call__(self, environ, start_response):
        stand_ins = [
            (auth_token.AuthProtocol, 'fetch_token', self._fetch_token),
            (nova_wsgi.Resource, 'dispatch', self._dispatch),
            (neutron.API, 'get_floating_ip', nova_api.floating_ip),
            (neutron.API, 'get_instance_id_by_floating_address',
             nova_api.server_of_address),
            (cinder, 'cinderclient', nova_api.cinder_client)]
        if not self.has_databases:
            stand_ins += [
                (lookup.NovaLookup, '_cells', nova_api.cells),
                (lookup.NovaLookup, '_rows', nova_api.rows),
                (lookup, '_each_cell', nova_api.each_cell),
                (nova.objects.ConsoleAuthToken, 'validate',
                 nova_api.console_token)]
        with contextlib.ExitStack() as stack:
            for stand_in in stand_ins:
                stack.enter_context(unittest.mock.patch.object(*stand_in))
            return self._application(environ, start_response)

    def _fetch_token(self, token, **kwargs):
        # auth_token itself looks whether it has expired.
        try:
            return self._tokens[token]
        except KeyError:
            raise _exceptions.InvalidToken() from None

    def _dispatch(self, method, request, action_args):
        dispatch = nova_api.Dispatch(*recorder.named(method), action_args)
        dispatch.refuse_as_nova_does(request, self.has_databases)
        self._dispatched.append(dispatch)
        return {}
