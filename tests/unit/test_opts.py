# SPDX-License-Identifier: Apache-2.0
"""Options of nova.conf, and values of the paste section over them."""

import dataclasses
import logging

from oslo_config import cfg
import pytest

from nova_trove_guard.core import filters
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
    ({'trove_managed_instance': 'true'},
     'no such option, did you mean trove_managed_instances?'),
    ({'what': 'true'}, 'no such option; it has trove_managed_instances'),
    ({'trove_managed_instances': 'ture'}, "'ture'"),
    ({'metadata_key': 'two words, and a comma'}, 'metadata_key'),
    ({'mode': 'off'}, "'off'"),
    ({'statsd_port': '99999'}, 'statsd_port')])
def test_a_typing_error_keeps_nova_from_starting(conf, overrides, complaint):
    with pytest.raises(ValueError, match=complaint):
        options.settings(conf, overrides, 'nova')


def test_a_value_that_is_not_valid_is_reported_with_its_file(tmp_path):
    path = tmp_path / 'nova.conf'
    path.write_text('[trove_guard]\nmode = adit\n')
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    with pytest.raises(ValueError) as raised:
        options.settings(conf, {}, 'nova')
    assert str(raised.value) == (
        f"{path}: [trove_guard] mode is not valid: Valid values are "
        f"[enforce, audit], but found 'adit'")


# Options that the configuration files have and the guard does not.

NO_OPTION = '[trove_guard] has no option {}'
UNKNOWN = [
    ('[trove_guard]\nmoode = audit', NO_OPTION.format(
        'moode, did you mean mode?')),
    ('[trove_guard]\nMode = audit', NO_OPTION.format(
        'Mode, did you mean mode?')),
    ('[trove_guard]\nxyz = s3cret', NO_OPTION.format('xyz')),
    ('[TROVE_GUARD]\nmoode = audit', NO_OPTION.format(
        'moode, did you mean mode?')),
    ('[trove-gaurd]\nmode = audit', '[trove-gaurd] is no section that the '
                                    'guard reads, did you mean trove_guard?'),
]


@pytest.mark.parametrize('where', ['nova.conf', 'nova.conf.d/x.conf'])
@pytest.mark.parametrize('by', ['default', 'command line'])
@pytest.mark.parametrize('text, complaint', UNKNOWN)
def test_an_unknown_option_is_named_with_a_guess(
        tmp_path, where, by, text, complaint):
    (tmp_path / 'nova.conf.d').mkdir()
    (tmp_path / 'nova.conf').touch()
    (tmp_path / where).write_text(f'{text}\n')
    conf = cfg.ConfigOpts()
    files = str(tmp_path / 'nova.conf'), str(tmp_path / 'nova.conf.d')
    if by == 'default':
        conf([], default_config_files=[files[0]],
             default_config_dirs=[files[1]])
    else:
        conf(['--config-file', files[0], '--config-dir', files[1],
              '--config-dir', str(tmp_path)])
    found = list(options.unknown(conf))
    # The directory itself is on the command line, and has nova.conf in it.
    assert found[0] == f'{tmp_path / where}: {complaint}'
    assert set(found) == {found[0]}


def test_what_is_known_is_no_unknown_option(tmp_path):
    path = tmp_path / 'nova.conf'
    path.write_text('[trove]\nx = y\n[guard]\nx = y\n[trove_guard]\n' + (
        ''.join(f'{opt.name} = {opt.default}\n'
                for opt in options.GUARD_OPTS)))
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    assert list(options.unknown(conf)) == []


def test_a_file_that_is_gone_is_not_read_again(tmp_path):
    path = tmp_path / 'nova.conf'
    path.write_text('[trove_guard]\nmoode = audit\n')
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    path.write_text('[trove_guard')
    assert list(options.unknown(conf)) == []
    path.unlink()
    assert list(options.unknown(conf)) == []


def test_the_guard_logs_an_unknown_option_and_starts(tmp_path, caplog):
    path = tmp_path / 'nova.conf'
    path.write_text('[trove_guard]\nmoode = audit\nmode = enforce\n')
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    wrap = filters.create(conf, {}, 'nova', lambda *arguments: None)
    assert wrap('the application') == 'the application'
    line, = caplog.records
    assert (line.levelno, line.getMessage()) == (
        logging.WARNING, f'The guard ignores an option. {path}: '
                         f'[trove_guard] has no option moode, did you mean '
                         f'mode?')


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
