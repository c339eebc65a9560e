# SPDX-License-Identifier: Apache-2.0
"""Options of nova.conf, and values of the paste section over them."""

import dataclasses

from oslo_config import cfg
import pytest

from nova_trove_guard.core import options

DEFAULTS = options.Settings(
    trove_managed_instances=False, metadata_key='trove_instance_id',
    mode='enforce', audit_transport_url=None, audit_topic='notifications',
    statsd_host=None, statsd_port=8125, statsd_prefix='nova.trove_guard')


@pytest.fixture
def conf():
    """Return a ConfigOpts of its own, without files."""
    conf = cfg.ConfigOpts()
    conf([])
    return conf


def test_the_guard_is_off_by_default(conf):
    assert options.settings(conf, {}, 'nova') == DEFAULTS


def test_nova_conf_turns_it_on(conf):
    conf.register_opts(options.GUARD_OPTS, options.GROUP)
    conf.set_override('trove_managed_instances', True, options.GROUP)
    assert options.settings(conf, {}, 'nova').trove_managed_instances


@pytest.mark.parametrize('text', ['true', 'True', '1', 'yes', 'on'])
def test_the_paste_section_takes_precedence(conf, text):
    settings = options.settings(
        conf, {'trove_managed_instances': text, 'metadata_key': 'owner'},
        'nova')
    assert settings == dataclasses.replace(
        DEFAULTS, trove_managed_instances=True, metadata_key='owner')


@pytest.mark.parametrize('overrides, complaint', [
    ({'trove_managed_instance': 'true'}, 'no such option'),
    ({'trove_managed_instances': 'ture'}, "'ture'"),
    ({'metadata_key': 'two words, and a comma'}, 'metadata_key'),
    ({'mode': 'off'}, "'off'"),
    ({'statsd_port': '99999'}, 'statsd_port')])
def test_a_typing_error_keeps_nova_from_starting(conf, overrides, complaint):
    with pytest.raises(ValueError, match=complaint):
        options.settings(conf, overrides, 'nova')


def test_metrics_have_the_name_of_the_service(conf):
    assert options.settings(conf, {}, 'cinder').statsd_prefix == (
        'cinder.trove_guard')
    assert options.settings(
        conf, {'statsd_prefix': ''}, 'cinder').statsd_prefix == ''


def test_options_are_listed_for_the_sample():
    (group, listed), = options.list_opts()
    assert group == 'trove_guard'
    assert all(opt.help for opt in listed)


def test_the_password_of_the_message_bus_is_not_shown(conf):
    url = 'rabbit://guard:swordfish@host/'
    settings = options.settings(
        conf, {'audit_transport_url': url}, 'nova')
    assert settings.audit_transport_url == url
    assert 'swordfish' not in repr(settings)
