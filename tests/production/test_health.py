# SPDX-License-Identifier: Apache-2.0
"""The healthcheck back end in Nova, with its databases on MariaDB."""

import time

import pytest

from nova_trove_guard.health import backend
from tests.functional import apis
from tests.unit import test_health

load = test_health.load
check = test_health.check


@pytest.fixture
def api(load, databases):
    """Return NovaAPI with a healthcheck, on these databases."""
    api = load()
    api.app.has_databases = True
    return api


def test_a_server_that_hangs_is_unhealthy_in_time_and_until_it_goes_on(
        api, server):
    assert check(api)[:2] == (200, 'OK')
    with server.stopped():
        # A result counts for a second.
        assert apis.await_(lambda: check(api)[0] == 503)
        began = time.monotonic()
        for _ in range(3):
            status, reason, details = check(api)
            assert (status, reason) == (503, backend.Reason.DATABASE)
            assert details.endswith(': TimeoutError')
        assert time.monotonic() - began < 3 * backend.SECONDS + 5
    assert apis.await_(lambda: check(api)[0] == 200)
