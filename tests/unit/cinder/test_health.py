# SPDX-License-Identifier: Apache-2.0
"""The healthcheck back end, in a process of Cinder's."""

import pathlib
from unittest import mock

from oslo_config import cfg

from nova_trove_guard.health import backend
from tests.unit.cinder import cinder_api
from tests.unit.cinder import loading

SAMPLE = pathlib.Path(__file__).parents[3] / 'paste/cinder-api-paste.ini'
USE = 'use = egg:nova-trove-guard#trove_guard_cinder\n'


def test_a_check_takes_one_statement_and_shows_the_mode(cinder, tmp_path):
    paste = tmp_path / 'api-paste.ini'
    text = SAMPLE.read_text()
    assert USE in text
    paste.write_text(text.replace(
        USE, f'{USE}trove_managed_instances = true\nmode = audit\n'))
    with mock.patch.object(cfg, 'CONF', loading.conf):
        health = backend.TroveGuardHealthcheck(
            loading.conf, {'__file__': str(paste)})
    with cinder_api.selects() as selects:
        result = health.healthcheck(8776)
    assert (result.available, result.reason) == (True, 'OK')
    assert ', Cinder, mode audit, process ' in result.details
    assert ': ' not in result.details
    assert len(selects) == 1
