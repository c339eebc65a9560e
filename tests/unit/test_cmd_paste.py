# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard paste``: every layout of api-paste.ini, and none lost."""

import configparser
import importlib.metadata
import json
import logging
import os
import pathlib
import stat

import hypothesis
from hypothesis import strategies
import pytest

from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import ini
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import shell
from tests import examples
from tests.unit import nova_api
from tests.unit import pastes

TEXTS = pastes.texts()
EACH = pytest.mark.parametrize('name', TEXTS)
# How many pipelines of each need the guard.
PIPELINES = {'installed': 2, 'nova-23': 2, 'nova-27': 2, 'generated': 2,
             'rate-limits': 3, 'ec2-and-volumes': 3, 'debian-26': 2,
             'cinder': 2, 'neutron': 1}

SMALL = '''\
[composite:api]
use = call:nova.api.auth:pipeline_factory_v21
keystone = authtoken keystonecontext app

[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory

[filter:keystonecontext]
paste.filter_factory = nova.api.auth:NovaKeystoneContext.factory

[app:app]
paste.app_factory = nova.api.openstack.compute:APIRouterV21.factory
'''
GUARD = '''
[filter:trove_guard]
use = egg:nova-trove-guard#trove_guard
'''
CINDER = TEXTS['cinder']
CINDER_GUARD = GUARD.replace('#trove_guard', '#trove_guard_cinder')
NEUTRON = TEXTS['neutron']
NEUTRON_GUARD = GUARD.replace('#trove_guard', '#trove_guard_neutron')


def states(text):
    """Return the states that check() finds, of pipelines and section."""
    return [str(finding.state) for finding in pipelines.check(text)]


def parsed(text):
    """Return what paste.deploy reads: dict of dict."""
    parser = configparser.RawConfigParser(default_section='\n')
    parser.optionxform = str
    parser.read_string(text.replace('\r\n', '\n').replace('\r', '\n'))
    return {name: dict(parser[name]) for name in parser.sections()}


def variants(text):
    """Return texts that say the same, by what is different."""
    one_a_line = text.replace('keystonecontext ', '\n keystonecontext\n ')
    return {
        'as it is': text,
        'of a Windows editor': text.replace('\n', '\r\n'),
        'of an old Macintosh': text.replace('\n', '\r'),
        'without the last line end': text.rstrip(),
        'with blank lines after': f'{text}\n\n  \n',
        'with blanks after lines': text.replace('\n', ' \t\n'),
        'with tabs': text.replace('=', '\t=\t').replace(
            ' keystonecontext ', '\tkeystonecontext\t'),
        'with a filter a line': one_a_line,
        'with a filter a line, of a Windows editor':
            one_a_line.replace('\n', '\r\n'),
        'with comments between': one_a_line.replace(
            '\n keystonecontext\n',
            '\n# who\n keystonecontext\n  ; what now\n'),
        'with colons': text.replace(' = ', ': '),
    }


EACH_VARIANT = pytest.mark.parametrize('name, manner', [
    (name, manner) for name in TEXTS for manner in variants('')])


@EACH_VARIANT
def test_removing_undoes_inserting(name, manner):
    text = variants(TEXTS[name])[manner]
    inserted = pipelines.insert(text)
    assert inserted != text
    assert pipelines.remove(inserted) == text


@EACH_VARIANT
def test_inserting_again_changes_nothing(name, manner):
    inserted = pipelines.insert(variants(TEXTS[name])[manner])
    assert pipelines.insert(inserted) == inserted


@EACH_VARIANT
def test_what_is_inserted_is_found(name, manner):
    text = variants(TEXTS[name])[manner]
    assert states(text) == ['missing'] * (PIPELINES[name] + 1)
    assert states(pipelines.insert(text)) == (
        ['present'] * (PIPELINES[name] + 1))


@EACH_VARIANT
def test_line_ends_stay_of_one_kind(name, manner):
    text = variants(TEXTS[name])[manner]
    inserted = pipelines.insert(text)
    if 'Windows' in manner:
        assert inserted.count('\n') == inserted.count('\r\n')
    else:
        assert ('\r' in inserted) == ('\r' in text)


@EACH
def test_paste_loads_the_guard_right_after_keystonecontext(name, tmp_path):
    before = pastes.pipelines(TEXTS[name], tmp_path)
    after = pastes.pipelines(pipelines.insert(TEXTS[name]), tmp_path)
    context = 'context' if name == 'generated' else 'keystonecontext'
    guarded = [pipeline for pipeline in after if 'trove_guard' in pipeline]
    assert len(guarded) == PIPELINES[name]
    for pipeline in guarded:
        place = pipeline.index('trove_guard')
        assert pipeline[place - 1] == context
    assert before == [
        tuple(word for word in pipeline if word != 'trove_guard')
        for pipeline in after]
    assert all('trove_guard' in pipeline
               for pipeline in after if context in pipeline)


@EACH
def test_nothing_else_changes(name):
    text = TEXTS[name]
    inserted = pipelines.insert(text)
    left = iter(inserted.splitlines())
    # Every line is there in its order, comments and blanks too.
    for line in text.splitlines():
        assert any(new == line or new.replace(' trove_guard', '') == line
                   for new in left)
    assert parsed(inserted).keys() - parsed(text).keys() == {
        'filter:trove_guard'}


@pytest.mark.parametrize('name', ['installed', 'nova-27'])
@pytest.mark.parametrize('version', ['v2', 'v2.1'])
def test_nova_loads_it_and_is_guarded(load_nova_api, name, version):
    api = load_nova_api(pipelines.insert(TEXTS[name]),
                        '[trove_guard]\ntrove_managed_instances = true\n')
    answer = api.ask(
        'POST', f'/{version}/servers/{nova_api.MANAGED}/action',
        token=api.token('member'), json={'os-stop': None})
    assert answer.status_int == 403
    assert 'is managed by Trove' in answer.text


def test_the_sample_of_this_project_is_well():
    sample = pathlib.Path(__file__).parents[2] / 'paste/api-paste.ini'
    assert states(sample.read_text()) == ['present'] * 3
    assert pipelines.insert(sample.read_text()) == sample.read_text()


def test_it_reads_like_this():
    assert pipelines.insert(SMALL) == SMALL.replace(
        'keystonecontext app', 'keystonecontext trove_guard app').replace(
        'NovaKeystoneContext.factory\n',
        f'NovaKeystoneContext.factory\n{GUARD}')


def test_what_is_missing_of_it_is_completed():
    done = pipelines.insert(SMALL)
    assert pipelines.insert(SMALL + GUARD).count('trove_guard') == (
        done.count('trove_guard'))
    assert pipelines.insert(done.replace(GUARD, '')) == done


def test_a_guard_by_another_name_is_known():
    text = SMALL + GUARD.replace(':trove_guard]', ':dbaas]')
    inserted = pipelines.insert(text)
    assert 'keystonecontext dbaas app' in inserted
    assert states(inserted) == ['present'] * 2
    assert pipelines.remove(inserted) == SMALL


@pytest.mark.parametrize('api, text', [
    (pipelines.NOVA, SMALL), (pipelines.CINDER, CINDER),
    (pipelines.NEUTRON, NEUTRON)])
def test_a_guard_by_its_factory_is_known(api, text):
    factory, = importlib.metadata.entry_points(
        group='paste.filter_factory', name=api.factory.partition('#')[2])
    assert factory.value == api.entry_point
    inserted = pipelines.insert(text)
    text = inserted.replace(
        f'use = {api.factory}\n', f'paste.filter_factory = {factory.value}\n')
    assert text != inserted
    assert states(text) == states(inserted)


@pytest.mark.parametrize('name', TEXTS)
def test_a_file_is_known_by_its_content(name):
    assert pipelines.api_of(TEXTS[name]) is {
        'cinder': pipelines.CINDER, 'neutron': pipelines.NEUTRON}.get(
            name, pipelines.NOVA)


def test_cinder_gets_a_filter_of_its_own():
    inserted = pipelines.insert(CINDER)
    assert CINDER_GUARD in inserted
    for option in ('keystone', 'keystone_nolimit'):
        assert (f'\n{option} = request_id cors http_proxy_to_wsgi faultwrap '
                f'sizelimit osprofiler authtoken keystonecontext trove_guard '
                f'apiv3\n') in inserted
    assert [finding.place for finding in pipelines.check(inserted)] == [
        'composite:openstack_volume_api_v3 keystone',
        'composite:openstack_volume_api_v3 keystone_nolimit',
        'filter:trove_guard']


def test_neutron_gets_a_filter_of_its_own():
    """Its list of versions needs no authentication, and no guard."""
    inserted = pipelines.insert(NEUTRON)
    assert NEUTRON_GUARD in inserted
    assert ('\nkeystone = cors http_proxy_to_wsgi request_id catch_errors '
            'osprofiler authtoken keystonecontext trove_guard extensions '
            'neutronapiapp_v2_0\n') in inserted
    assert [finding.place for finding in pipelines.check(inserted)] == [
        'composite:neutronapi_v2_0 keystone', 'filter:trove_guard']


FOREIGN = {
    'Nova\'s in Cinder\'s file': (CINDER, CINDER_GUARD, GUARD),
    'Cinder\'s in Nova\'s file': (SMALL, GUARD, CINDER_GUARD),
    'Cinder\'s in Neutron\'s file': (NEUTRON, NEUTRON_GUARD, CINDER_GUARD),
    'Neutron\'s in Nova\'s file': (SMALL, GUARD, NEUTRON_GUARD)}


@pytest.mark.parametrize('text, own, foreign', FOREIGN.values(), ids=FOREIGN)
def test_the_filter_of_another_service_is_an_error(text, own, foreign):
    wrong = pipelines.insert(text).replace(own, foreign)
    *others, section = pipelines.check(wrong)
    assert {str(finding.state) for finding in others} == {'present'}
    assert (section.place, str(section.state)) == (
        'filter:trove_guard', 'filter of another service')
    assert not pipelines.are_ok([section])
    use = own.strip().splitlines()[1]
    with pytest.raises(outcome.Refused, match=f'needs {use}$'):
        pipelines.insert(wrong)
    assert pipelines.remove(wrong) == text


def test_without_authentication_cinder_needs_no_guard():
    text = CINDER.replace(' noauth apiv3', ' noauth trove_guard apiv3')
    assert [(finding.place, str(finding.state))
            for finding in pipelines.check(text + CINDER_GUARD)][0] == (
        'composite:openstack_volume_api_v3 noauth', 'wrong place')


def test_the_guard_s_own_options_are_told():
    text = pipelines.insert(SMALL)
    assert pipelines.settings(SMALL) == pipelines.settings(text) == {}
    assert pipelines.settings(text.replace(
        GUARD, f'{GUARD}metadata_key = mine\ntrove_managed_instances: on\n'
    )) == {'metadata_key': 'mine', 'trove_managed_instances': 'on'}


@pytest.mark.parametrize('line, words', [
    ('keystone = authtoken keystonecontext  trove_guard  app',
     'keystone = authtoken keystonecontext  app'),
    ('keystone = trove_guard authtoken keystonecontext app',
     'keystone = authtoken keystonecontext app'),
    ('keystone = authtoken keystonecontext app\nnoauth2 = trove_guard app',
     'keystone = authtoken keystonecontext app\nnoauth2 = app'),
    ('keystone = authtoken\n trove_guard trove_guard\n keystonecontext app',
     'keystone = authtoken\n keystonecontext app'),
    ('keystone = authtoken\n trove_guard keystonecontext\n app',
     'keystone = authtoken\n keystonecontext\n app')])
def test_it_is_removed_wherever_it_is(line, words):
    there = 'keystone = authtoken keystonecontext app'
    text = SMALL.replace(there, line) + GUARD
    assert pipelines.remove(text) == SMALL.replace(there, words)


def test_a_section_that_comes_first_is_removed():
    assert pipelines.remove(GUARD.lstrip() + '\n' + SMALL) == f'\n{SMALL}'


def test_removing_what_is_not_there_changes_nothing():
    assert pipelines.remove(SMALL) == SMALL


WRONG = {
    'before keystonecontext': 'authtoken trove_guard keystonecontext app',
    'not right after it': 'authtoken keystonecontext audit trove_guard app',
    'twice': 'authtoken keystonecontext trove_guard trove_guard app',
    'at the end': 'authtoken keystonecontext app trove_guard',
    'without keystonecontext': 'trove_guard app',
    'keystonecontext twice':
        'keystonecontext trove_guard keystonecontext app'}


@pytest.mark.parametrize('words', WRONG.values(), ids=WRONG)
def test_the_wrong_place_is_told_and_left_alone(words):
    text = SMALL.replace(
        '\n\n[filter:authtoken]', f'\nother = {words}\n\n[filter:authtoken]',
        1) + GUARD
    assert states(text) == ['missing', 'wrong place', 'present']
    with pytest.raises(outcome.Refused, match='line 4.*wrong place'):
        pipelines.insert(text)


def test_a_pipeline_that_makes_its_context_otherwise_is_told():
    text = SMALL.replace(
        'app\n', 'app\nother = authtoken mycontext app\n', 1)
    assert states(text)[1] == 'authtoken without keystonecontext'
    with pytest.raises(outcome.Refused, match='authtoken without'):
        pipelines.insert(text)


REFUSED = {
    'no section': (
        'keystone = app\n', 'line 1: text before the first section'),
    'no value': (
        SMALL + 'nothing\n', r'line \d+: neither a section nor an option'),
    'a section twice': (
        SMALL + SMALL, r'line \d+: the section \[\S+\] appears twice'),
    'an option twice': (
        SMALL + 'paste.app_factory = x\n', r'line \d+: the option '
        r'paste.app_factory appears twice in \[app:app\]'),
    'no pipeline': (
        SMALL.replace('keystonecontext app', 'app'), 'no pipeline'),
    'no keystonecontext': (
        SMALL.replace('NovaKeystoneContext', 'Other'), 'no pipeline'),
    'another filter of the name': (
        SMALL + GUARD.replace('#trove_guard', '#other'), 'no other'),
    'two guards': (
        SMALL + GUARD + GUARD.replace(':trove_guard]', ':more]'),
        'no more than one'),
    'a factory of somebody else\'s': (
        SMALL.replace('nova.api.auth:pipeline', 'my.auth:pipeline'),
        r'line 3, \[composite:api\] keystone: it names keystonecontext'),
    'a filter-app': (
        SMALL + '[filter-app:x]\nuse = keystonecontext\nnext = app\n',
        r'\[filter-app:x\] use'),
    'a filter-with': (
        SMALL + 'filter-with = trove_guard\n', r'\[app:app\] filter-with'),
    'keystonecontext of both services': (
        SMALL + '[filter:other]\npaste.filter_factory = '
        'cinder.api.middleware.auth:CinderKeystoneContext.factory\n',
        'keystonecontext of Nova and Cinder'),
    'a guard for each service': (
        SMALL + GUARD + CINDER_GUARD.replace(':trove_guard]', ':more]'),
        'no more than one'),
    'a filter made of what is not there': (
        SMALL + '[filter:x]\nuse = trove_guard\n', r'\[filter:x\] use'),
    'a default': (
        SMALL + '[DEFAULT]\nline = keystonecontext app\n', r'\[DEFAULT\]'),
    'interpolation': (
        SMALL.replace('authtoken key', '%(first)s key'), 'what filters'),
    'a value from the defaults': (
        SMALL.replace('keystone =', 'get keystone ='), 'what filters')}


@pytest.mark.parametrize('text, complaint', REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize('function', [
    pipelines.insert, pipelines.remove, pipelines.check,
    pipelines.settings])
def test_what_is_not_understood_is_refused(function, text, complaint):
    with pytest.raises(outcome.Refused, match=complaint):
        function(text)


def test_what_paste_reads_otherwise_is_refused(monkeypatch):
    # It is the judge, whatever release of Python it comes with.
    monkeypatch.setattr(ini, '_as_paste_reads', lambda text: {
        'composite:api': {'keystone': 'other words'}})
    with pytest.raises(outcome.Refused, match='ambiguous'):
        pipelines.insert(SMALL)


BLANKS = strategies.sampled_from(['', ' ', '  ', '\t'])
LINES = strategies.sampled_from([
    '', ' ', '# comment', '; [filter:no]', '  # keystonecontext',
    ' continued', '\tkeystonecontext', 'noauth2 = app', 'x: y = z',
    '[filter:other]', '[pipeline:keystonecontext]', 'use = trove_guard',
    'pipeline = keystonecontext app', '[DEFAULT]', 'set x = y', '\x0c', '=',
    '[filter:trove_guard]', '\x85[x]', 'keystone_nolimit = keystonecontext a',
    '   use = call:nova.api.auth:pipeline_factory'])
LINE_ENDS = strategies.sampled_from(['\n', '\r\n', '\r'])


@strategies.composite
def spoiled(draw):
    """Draw a text with lines, line ends and characters put in anywhere."""
    lines = draw(strategies.sampled_from([SMALL, *TEXTS.values()])).split(
        '\n')
    for _ in range(draw(strategies.integers(0, 4))):
        lines.insert(draw(strategies.integers(0, len(lines))), draw(LINES))
    end = draw(LINE_ENDS)
    text = ''.join(line + draw(BLANKS) + end for line in lines)
    for _ in range(draw(strategies.integers(0, 3))):
        place = draw(strategies.integers(0, len(text)))
        text = text[:place] + draw(
            strategies.text(max_size=3) | LINE_ENDS) + text[place:]
    return text


@hypothesis.settings(max_examples=examples.number(300), deadline=None,
                     suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(spoiled())
def test_any_text_is_refused_or_comes_back(text):
    try:
        before = states(text)
        inserted = pipelines.insert(text)
    except outcome.Refused:
        return
    assert set(states(inserted)) == {'present'}
    assert pipelines.insert(inserted) == inserted
    assert parsed(inserted).keys() - {'filter:trove_guard'} == (
        parsed(text).keys() - {'filter:trove_guard'})
    if 'present' not in before:
        assert pipelines.remove(inserted) == text


@pytest.fixture
def paste(tmp_path):
    """Return the path of an api-paste.ini, of mode 0640."""
    path = tmp_path / 'api-paste.ini'
    path.write_text(SMALL)
    path.chmod(0o640)
    return path


@pytest.fixture
def run(capsys):
    """Return f(*arguments): exit code, output and errors of the command."""
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level

    def run(*arguments):
        status = shell.main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return status, output.out, output.err

    yield run
    logger.handlers[:] = before[0]
    logger.setLevel(before[1])


def written(path):
    """Return what tells whether a file was written again."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def test_the_command_inserts_and_removes(run, paste):
    status, output, _ = run('paste', 'insert', paste)
    assert (status, paste.read_text()) == (0, pipelines.insert(SMALL))
    assert f'{paste}.bak' in output
    assert output.endswith('Restart nova-api.\n')
    status, output, _ = run('paste', 'remove', paste)
    assert (status, paste.read_text()) == (0, SMALL)


def test_the_command_tells_which_service_to_restart(run, paste):
    paste.write_text(CINDER)
    for command in ('insert', 'remove'):
        assert run('paste', command, paste)[1].endswith(
            'Restart cinder-api.\n')
    assert paste.read_text() == CINDER


def test_a_second_time_nothing_happens(run, paste):
    run('paste', 'insert', paste)
    before = written(paste)
    pathlib.Path(f'{paste}.bak').unlink()
    assert run('paste', 'insert', paste) == (
        0, f'{paste}: nothing to change\n', '')
    assert written(paste) == before
    assert os.listdir(paste.parent) == [paste.name]


def test_a_dry_run_shows_the_difference(run, paste):
    before = written(paste)
    status, output, _ = run('paste', 'insert', '--dry-run', paste)
    assert status == 0
    assert '\n-keystone = authtoken keystonecontext app\n' in output
    assert '\n+keystone = authtoken keystonecontext trove_guard app\n' in (
        output)
    assert written(paste) == before
    assert os.listdir(paste.parent) == [paste.name]


@pytest.mark.parametrize('command', ['insert', 'remove', 'check'])
def test_the_command_refuses(run, paste, command):
    paste.write_text('nothing\n')
    status, output, errors = run('paste', command, paste)
    assert (status, output, errors) == (
        2, '', f'{paste}: it can\'t be parsed: line 1: text before the '
        f'first section\n')
    assert os.listdir(paste.parent) == [paste.name]


def test_what_is_no_text_is_refused(run, paste):
    paste.write_bytes(SMALL.encode() + b'# \xff\n')
    status, _, errors = run('paste', 'insert', paste)
    assert (status, errors) == (
        2, f'{paste} is not text in UTF-8 (byte {len(SMALL) + 2})\n')


def test_a_directory_is_refused(run, tmp_path):
    status, _, errors = run('paste', 'insert', tmp_path)
    assert (status, errors) == (2, f'{tmp_path} is not a file\n')


def test_a_file_that_does_not_exist_is_named(run, tmp_path):
    path = tmp_path / 'missing'
    status, _, errors = run('paste', 'check', path)
    assert (status, errors) == (2, f'{path}: No such file or directory\n')


def test_usage_has_an_exit_code_of_its_own(run):
    with pytest.raises(SystemExit) as ended:
        run('paste', 'insert')
    assert ended.value.code == 2
    assert run('paste', 'exsert', 'x')[0] == 2


def test_check_says_what_is_missing(run, paste):
    status, output, _ = run('paste', 'check', '-f', 'json', paste)
    assert (status, json.loads(output)) == (1, [
        {'Place': 'composite:api keystone', 'Line': 3, 'Guard': 'missing'},
        {'Place': 'filter:trove_guard', 'Line': None, 'Guard': 'missing'}])
    run('paste', 'insert', paste)
    status, output, _ = run('paste', 'check', '-f', 'value', paste)
    assert (status, output) == (0, 'composite:api keystone 3 present\n'
                                   'filter:trove_guard 11 present\n')


def test_mode_and_owner_stay(run, paste):
    if os.geteuid() == 0:
        os.chown(paste, 12345, 54321)
    before = paste.stat()
    run('paste', 'insert', paste)
    for path in (paste, pathlib.Path(f'{paste}.bak')):
        after = path.stat()
        assert (after.st_mode, after.st_uid, after.st_gid) == (
            before.st_mode, before.st_uid, before.st_gid)


def test_the_backup_is_the_file_before_the_first_insert(run, paste):
    backup = pathlib.Path(f'{paste}.bak')
    run('paste', 'insert', paste)
    before = written(backup)
    for command in ('remove', 'insert', 'remove'):
        status, output, _ = run('paste', command, paste)
        assert status == 0
        assert f'kept as {backup}' in output
        assert backup.read_text() == SMALL
    assert written(backup) == before


def test_a_backup_that_is_a_broken_link_is_kept(run, paste):
    backup = pathlib.Path(f'{paste}.bak')
    backup.symlink_to('missing')
    run('paste', 'insert', paste)
    assert backup.is_symlink()


def test_a_symbolic_link_goes_on_leading_to_the_file(run, paste, tmp_path):
    link = tmp_path / 'elsewhere' / 'nova.ini'
    link.parent.mkdir()
    link.symlink_to('../api-paste.ini')
    assert run('paste', 'insert', link)[0] == 0
    assert os.readlink(link) == '../api-paste.ini'
    assert paste.read_text() == pipelines.insert(SMALL)
    assert os.listdir(link.parent) == ['nova.ini']


@pytest.mark.parametrize('call', ['fsync', 'replace', 'chown'])
def test_a_failure_leaves_the_file_as_it_is(run, paste, monkeypatch, call):
    def fail(*arguments):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, call, fail)
    status, _, errors = run('paste', 'insert', paste)
    assert (status, errors) == (2, 'No space left on device\n')
    assert paste.read_text() == SMALL
    assert os.listdir(paste.parent) == [paste.name]


def test_the_file_is_replaced_at_once(paste, monkeypatch):
    seen = []
    replace = os.replace

    def watch(source, target):
        seen.append((paste.read_text(), pathlib.Path(source).read_text()))
        replace(source, target)

    monkeypatch.setattr(os, 'replace', watch)
    files.rewrite(paste, 'new')
    assert seen == [(SMALL, SMALL), (SMALL, 'new')]
    assert stat.S_IMODE(paste.stat().st_mode) == 0o640
