# SPDX-License-Identifier: Apache-2.0
"""A Nova that accepts connections and never responds."""

import socket
import time

from keystoneauth1 import exceptions
from keystoneauth1 import token_endpoint
import pytest

from nova_trove_guard.trove import client
from nova_trove_guard.trove import compute
from nova_trove_guard.trove import sessions
from nova_trove_guard.trove import windows
from tests.unit.trove import made_up_nova
from tests.unit.trove.made_up_nova import SERVER

LOCK_TIMEOUT = 2


@pytest.fixture
def nova():
    """Return Compute with a Nova whose connections wait for good."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        url = 'http://{}:{}'.format(*server.getsockname())
        yield compute.Compute(
            sessions.ServiceSession(
                insecure=False, auth=token_endpoint.Token(url, 'secret'),
                timeout=LOCK_TIMEOUT / client.CALLS_IN_LOCK_TIMEOUT),
            everywhere=False, metadata_key='trove_instance_id',
            service_type='compute')


@pytest.fixture
def events():
    return made_up_nova.Events()


@pytest.fixture
def here(nova, events):
    return windows.Windows(nova, events, LOCK_TIMEOUT, unlock_timeout=60)


def test_a_lock_is_given_up_within_its_time_out(here, events):
    began = time.monotonic()
    here.lock(SERVER, 'instance', windows.TroveOperation('reboot'))
    assert time.monotonic() - began < LOCK_TIMEOUT * 1.5
    (_, server, instance, operation, error), = events.seen
    assert (server, instance, operation) == (SERVER, 'instance', 'reboot')
    assert isinstance(error, exceptions.ConnectTimeout)


def test_an_operation_fails_within_it_and_holds_up_no_other(here):
    began = time.monotonic()
    with pytest.raises(exceptions.ConnectTimeout):
        with windows.TroveOperation('reboot') as operation:
            operation.open(here, SERVER)
    assert time.monotonic() - began < LOCK_TIMEOUT
