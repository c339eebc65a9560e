# SPDX-License-Identifier: Apache-2.0
"""The samples in paste/ say what the code says."""

from concurrent import futures
import multiprocessing
import pathlib
import sys

import nova
from oslo_config import cfg
from oslo_config import generator
from oslo_policy import generator as policy_generator
import pytest

PASTE = pathlib.Path(__file__).parents[2] / 'paste'
GUARD_SECTION = '''
[filter:trove_guard]
use = egg:nova-trove-guard#trove_guard
'''


def test_the_paste_sample_is_nova_s_own_with_the_guard_in_it():
    # The wheel has it as a data file of the environment.
    stock = pathlib.Path(sys.prefix, 'etc/nova/api-paste.ini').read_text()
    sample = (PASTE / 'api-paste.ini').read_text()
    assert GUARD_SECTION in sample
    assert sample.count('keystonecontext trove_guard ') == 2
    without = [line for line in sample.replace(GUARD_SECTION, '\n').replace(
        'keystonecontext trove_guard ', 'keystonecontext ').splitlines()
        if line and not line.startswith('#')]
    assert without == [line for line in stock.splitlines()
                       if line and not line.startswith('#')], (
        f'paste/api-paste.ini is not of nova {nova.__path__}')


def _options(path):
    generator.main(['--namespace', 'nova_trove_guard',
                    '--output-file', str(path)])


def _trove_options(path):
    generator.main(['--namespace', 'nova_trove_guard.trove',
                    '--output-file', str(path)])


def _policy(path, namespace='nova_trove_guard'):
    policy_generator.generate_sample(
        ['--namespace', namespace, '--output-file', str(path)],
        conf=cfg.ConfigOpts())


def _cinder_policy(path):
    _policy(path, 'nova_trove_guard_cinder')


def _neutron_policy(path):
    # Neutron changes oslo.policy for all others in its process.
    with futures.ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn')) as process:
        process.submit(_policy, path, 'nova_trove_guard_neutron').result()


@pytest.mark.parametrize('name, generate', [
    ('trove_guard.conf.sample', _options),
    ('trove.conf.sample', _trove_options),
    ('policy.yaml.sample', _policy),
    ('cinder-policy.yaml.sample', _cinder_policy),
    ('neutron-policy.yaml.sample', _neutron_policy)])
def test_a_generated_sample_is_fresh(tmp_path, name, generate):
    generate(tmp_path / name)
    assert (tmp_path / name).read_text() == (PASTE / name).read_text(), (
        'run: tox -e samples')
