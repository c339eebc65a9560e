# SPDX-License-Identifier: Apache-2.0
"""Fixtures: Cinder's API."""

from unittest import mock

from oslo_config import cfg
import pytest

from tests.unit.cinder import loading


@pytest.fixture(scope='session')
def cinder(tmp_path_factory):
    """Return CinderAPI with the guard on."""
    with mock.patch.object(cfg, 'CONF', loading.conf):
        return loading.cinder_api.CinderAPI(
            loading.conf, tmp_path_factory.mktemp('cinder'))
