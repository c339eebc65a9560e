# SPDX-License-Identifier: Apache-2.0
"""paste/cinder-api-paste.ini is Cinder's own file and the guard."""

import configparser
import pathlib
import sys

SAMPLE = pathlib.Path(__file__).parents[3] / 'paste/cinder-api-paste.ini'
INSTALLED = pathlib.Path(sys.prefix, 'etc/cinder/api-paste.ini')
API = 'composite:openstack_volume_api_v3'
GUARD = {'use': 'egg:nova-trove-guard#trove_guard_cinder'}


def parsed(path):
    """Return what stands in an api-paste.ini (dict of dict)."""
    parser = configparser.RawConfigParser()
    parser.read_string(path.read_text())
    return {section: dict(parser[section]) for section in parser.sections()}


def test_the_guard_is_all_that_the_sample_adds():
    sample, installed = parsed(SAMPLE), parsed(INSTALLED)
    assert sample.pop('filter:trove_guard') == GUARD
    for pipeline in 'keystone', 'keystone_nolimit':
        assert ' keystonecontext trove_guard apiv3' in sample[API][pipeline]
        sample[API][pipeline] = sample[API][pipeline].replace(
            ' trove_guard', '')
    assert sample == installed
