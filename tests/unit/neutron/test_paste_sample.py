# SPDX-License-Identifier: Apache-2.0
"""paste/neutron-api-paste.ini is Neutron's own file and the guard."""

import configparser
import pathlib
import sys

SAMPLE = pathlib.Path(__file__).parents[3] / 'paste/neutron-api-paste.ini'
INSTALLED = pathlib.Path(sys.prefix, 'etc/neutron/api-paste.ini')
API = 'composite:neutronapi_v2_0'
GUARD = {'use': 'egg:nova-trove-guard#trove_guard_neutron'}


def parsed(path):
    """Return what stands in an api-paste.ini (dict of dict)."""
    parser = configparser.RawConfigParser()
    parser.read_string(path.read_text())
    return {section: dict(parser[section]) for section in parser.sections()}


def test_the_guard_is_all_that_the_sample_adds():
    sample, installed = parsed(SAMPLE), parsed(INSTALLED)
    assert sample.pop('filter:trove_guard') == GUARD
    pipeline = sample[API]['keystone']
    assert ' keystonecontext trove_guard extensions ' in pipeline
    sample[API]['keystone'] = pipeline.replace(' trove_guard', '')
    assert sample == installed
