# SPDX-License-Identifier: Apache-2.0
"""``report`` counts what the guard logged, in logs as oslo.log writes them."""

import dataclasses
import gzip
import html.parser
import io
import json
import logging as stdlib_logging
import re
import sys

import hypothesis
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_context import context
from oslo_log import formatters
from oslo_log import log as logging
import pytest

from nova_trove_guard.cmd.explain import from_log
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.report import judgements
from nova_trove_guard.cmd.report import logs
from nova_trove_guard.cmd.report import pages
from nova_trove_guard.cmd.report import plots
from nova_trove_guard.cmd.report import tally
from nova_trove_guard.cmd import shell
from nova_trove_guard.core import decisions
from nova_trove_guard.core.reports import log
from tests.unit import nova_api
from tests.unit import test_audit
from tests.unit import test_cmd_explain as explaining

Outcome = decisions.Outcome
Verdict = judgements.PolicyVerdict

HOSTILE = '</code><script>alert(1)</script>\x1b[2J"&\n\u202e'
FIRST = 1795000000  # 2026-11-18T11:06:40Z
HOUR = 3600


def entry(decision=Outcome.REFUSED, **values):
    """Return an Entry of Nova."""
    return log.Entry(**{
        'outcome': decision, 'request_id': 'req-1', 'user_id': 'alice',
        'project_id': 'sales', 'roles': ('member', 'reader'),
        'service_user_id': None, 'service_roles': (),
        'operation': 'servers:delete', 'kind': 'server', 'resource_id': 's1',
        'resource_project_id': 'sales', 'resource_user_id': 'alice',
        'database_instance': 'd1', 'rule': 'trove_guard:servers:delete',
        'status': 403} | values)


@pytest.fixture(scope='module')
def default_form():
    """Return oslo.log's formatter for a log file, with its defaults."""
    conf = cfg.ConfigOpts()
    logging.register_options(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    return formatters.ContextFormatter(
        config=conf, datefmt=conf.log_date_format)


@pytest.fixture(scope='module')
def write(default_form):
    """Return a function that returns a line of a log, as bytes."""
    def write(message, created=FIRST, logger=log.LOGGER, form=default_form):
        record = stdlib_logging.LogRecord(
            logger, stdlib_logging.WARNING, '', 0, message, None, None)
        record.created, record.msecs = created, 7.0
        return form.format(record).encode(errors='surrogateescape') + b'\n'

    return write


@pytest.fixture
def run(capsys):
    """Return a function that runs ``report``: (exit code, output, errors)."""
    def run(*arguments):
        try:
            status = shell.main(['report', *map(str, arguments)])
        except SystemExit as exit:
            status = exit.code
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def rows(run):
    """Return a function that runs ``report -f json`` and returns the rows."""
    def rows(*arguments):
        status, output, errors = run('-f', 'json', *arguments)
        assert (status, errors) == (outcome.OK, '')
        return json.loads(output)

    return rows


@pytest.fixture
def a_log(write, tmp_path):
    """Return a function that writes entries to a log: (hours, entry) each."""
    def a_log(*entries, name='nova-api.log', form=write):
        path = tmp_path / name
        path.write_bytes(b''.join(
            form(log.log_line(each), FIRST + hours * HOUR)
            for hours, each in entries))
        return path

    return a_log


# What is read.

def read(*lines):
    """Return (entries, number of unreadable lines) of lines, as bytes."""
    reader = logs.Reader()
    found = list(reader.read(['-'], io.BytesIO(b''.join(lines))))
    return found, reader.unreadable


def test_a_line_of_oslo_log_s_default_form_is_read(monkeypatch, write):
    # Other tests leave the context of a request behind.
    monkeypatch.setattr(context, 'get_current', lambda: None)
    line = write(log.log_line(entry()))
    assert b' WARNING nova_trove_guard.reports [-] decision=' in line
    (found,), unreadable = read(line)
    assert (found.entry, unreadable) == (entry(), 0)
    assert re.fullmatch(r'2026-11-1[789] \d\d:\d\d:40', found.time)


def test_a_line_with_a_request_context_is_read(write):
    who = context.RequestContext(
        user_id='alice', project_id='sales', request_id='req-1')
    try:
        line = write(log.log_line(entry()))
    finally:
        context._request_store.context = None
    assert who.request_id.encode() in line and b'[-]' not in line
    assert [each.entry for each in read(line)[0]] == [entry()]


def test_a_line_of_oslo_log_s_json_form_is_read(write):
    line = write(log.log_line(entry()), form=formatters.JSONFormatter())
    (found,), unreadable = read(line)
    assert (found.entry, unreadable) == (entry(), 0)
    assert re.fullmatch(r'2026-11-1[789] \d\d:\d\d:40', found.time)


LINE = log.log_line(entry())


@pytest.mark.parametrize('line, time', [
    # journald in front, DevStack's colours
    (f'Nov 18 11:06:40 host devstack@n-api.service[1]: \x1b[00;33mWARNING '
     f'nova_trove_guard.reports [\x1b[01;36mNone req-1 \x1b[00;36madmin '
     f'admin\x1b[00;33m] \x1b[01;35m\x1b[00;33m{LINE}\x1b[00m', None),
    # containerd in front
    (f'2026-11-18T12:06:40.7Z stdout F 2026-11-18 11:06:40.007 1 WARNING '
     f'nova_trove_guard.reports [-] {LINE}', '2026-11-18 11:06:40'),
    (f'2026-13-18 11:06:40.007 1 WARNING nova_trove_guard.reports [-] {LINE}',
     None)])
def test_what_collects_logs_may_add_something(line, time):
    (found,), unreadable = read(f'{line}\r\n'.encode())
    assert (found.entry, found.time, unreadable) == (entry(), time, 0)


def test_lines_of_other_loggers_do_not_count(write):
    forged = f'"GET / HTTP/1.1" WARNING nova_trove_guard.reports [-] {LINE}'
    as_json = formatters.JSONFormatter()
    assert read(
        write('Nothing', logger='nova.x'), write(forged, logger='nova.x'),
        write(forged, logger='nova.x', form=as_json), b'{"name": 1}\n',
        b'\xff\xfe\x00 Traceback\n', b'\n') == ([], 0)


BROKEN = {
    'cut short': f'2026-11-18 11:06:40.1 1 WARNING {log.LOGGER} [-] '
                 f'{LINE[:-20]}',
    'something behind': f'WARNING {log.LOGGER} [-] {LINE} and more',
    'no decision': f'WARNING {log.LOGGER} [-] Hello',
    'not UTF-8': f'WARNING {log.LOGGER} [-] {LINE}\udcff',
    'no logger': LINE,
    'JSON cut short': f'{{"name": "{log.LOGGER}", "message": "decision=',
    'JSON of something else': f'{{"log": "{LINE}"}}',
    'JSON that is too deep': f'{{"name": "{log.LOGGER}", "x": {"[" * 100000}',
    'JSON of no text': f'{{"name": "{log.LOGGER}", "message": [1]}}'}


@pytest.mark.parametrize('line', BROKEN.values(), ids=BROKEN)
def test_what_looks_like_the_guard_s_but_is_not_readable_is_counted(line):
    found, unreadable = read(
        f'{line}\n'.encode(errors='surrogateescape'),
        f'WARNING {log.LOGGER} [-] {LINE}\n'.encode())
    assert [each.entry for each in found] == [entry()]
    assert unreadable == 1


class Stream(io.BytesIO):
    """A log of which no more is read at once than the limit."""

    def readline(self, size=-1):
        assert 0 < size <= logs.LIMIT
        return super().readline(size)


@pytest.mark.parametrize('length', [999, 1000, 1001, 2000, 5000])
def test_a_line_of_any_length_is_read_in_pieces(monkeypatch, length):
    monkeypatch.setattr(logs, 'LIMIT', 1000)
    ours = f'WARNING {log.LOGGER} [-] {LINE}\n'.encode()
    reader = logs.Reader()
    stream = Stream(b'x' * length + b'\n' + ours +
                    ours.strip() + b'x' * length + b'\n' + ours)
    assert [each.entry for each in reader.read(['-'], stream)] == [
        entry(), entry()]
    assert reader.unreadable == 1


@hypothesis.given(text=st.binary(max_size=2000), values=st.fixed_dictionaries(
    test_audit.ANY))
def test_any_log_can_be_read_and_no_line_of_the_guard_is_lost(text, values):
    written = log.Entry(**values)
    found, _ = read(text, f'\n2026-11-18 11:06:40.1 1 WARNING {log.LOGGER} '
                          f'[-] {log.log_line(written)}'.encode())
    assert found[-1] == logs.LoggedEntry('2026-11-18 11:06:40', written)


# The list.

def test_groups_are_by_operation_and_principal(a_log, rows):
    path = a_log(
        (0, entry()), (1, entry(Outcome.WOULD_REFUSE)),
        (2, entry(Outcome.BREAK_GLASS, database_instance='d2', status=None)),
        (3, entry(user_id='bob')), (4, entry(service_user_id='nova')),
        (5, entry(operation='servers:stop')))
    found = rows(path)
    first = found[0]
    assert (first['operation'], first['user_id'], first['project_id'],
            first['service_user_id']) == (
                'servers:delete', 'alice', 'sales', '-')
    assert (first['refused'], first['would_refuse'], first['break_glass']) == (
        1, 1, 1)
    assert first['first'] < first['last']
    assert len(found) == 4


@pytest.mark.parametrize('by, values', [
    (('database_instance',), [('d1', 2), ('%3Cb%3E%1B', 1), ('-', 1)]),
    (('status',), [('403', 2), ('-', 1), ('503', 1)]),
    (('operation', 'status'), [
        ('servers:delete', 2), ('servers:delete', 1), ('servers:delete', 1)])])
def test_groups_are_by_what_is_asked_for(a_log, rows, by, values):
    path = a_log(
        (0, entry()), (0, entry(database_instance='<b>\x1b', status=None)),
        (1, entry()), (1, entry(database_instance=None, status=503)))
    found = rows(path, *(f'--by={each}' for each in by))
    assert sorted((row[by[0]], row['refused']) for row in found) == sorted(
        values)


def test_groups_can_be_by_hour(a_log, rows):
    path = a_log((0, entry()), (0.1, entry()), (2, entry()))
    found = rows(path, '--by', 'hour', '--sort-column', 'hour')
    assert [row['refused'] for row in found] == [2, 1]
    assert [row['hour'][13:] for row in found] == [':00', ':00']


def test_logs_are_read_one_after_the_other(
        a_log, rows, write, monkeypatch):
    plain, zipped = a_log((0, entry())), a_log((1, entry()), name='old.gz')
    zipped.write_bytes(gzip.compress(zipped.read_bytes()))
    monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(
        io.BytesIO(write(log.log_line(entry())))))
    assert [row['refused'] for row in rows(zipped, '-', plain)] == [3]


@pytest.mark.parametrize('form', ['table', 'csv', 'value', 'yaml', 'json'])
def test_nothing_in_a_log_controls_the_terminal(a_log, run, form):
    path = a_log((0, entry(database_instance=HOSTILE, user_id=HOSTILE,
                           operation=HOSTILE)))
    status, output, _ = run('-f', form, path, '--by', 'operation', '--by',
                            'principal', '--by', 'database_instance')
    assert status == outcome.OK
    assert 'script' in output
    assert output.replace('\n', '').isprintable() and output.isascii()


def test_unreadable_lines_are_reported(a_log, run):
    path = a_log((0, entry()))
    path.write_bytes(path.read_bytes() + LINE.encode())
    status, output, errors = run(path)
    assert status == outcome.OK
    assert 'servers:delete' in output
    assert 'can\'t be read: 1' in errors


def test_a_log_without_the_guard_makes_an_empty_list(tmp_path, rows):
    (tmp_path / 'empty').touch()
    assert rows(tmp_path / 'empty') == []


@pytest.mark.parametrize('make, why', [
    (lambda path: None, 'No such file or directory'),
    (lambda path: path.mkdir(), 'Is a directory'),
    (lambda path: path.write_bytes(b'no gzip'), 'Not a gzipped file'),
    (lambda path: path.write_bytes(gzip.compress(b'x' * 1000)[:-9]),
     'ended before')],
    ids=['missing', 'a directory', 'not compressed', 'cut short'])
def test_a_log_that_cannot_be_read_is_one_line(
        tmp_path, run, make, why):
    path = tmp_path / 'nova-api.log.gz'
    make(path)
    status, output, errors = run(path)
    assert (status, output) == (outcome.USAGE, '')
    assert errors.startswith(f'{path} can\'t be ') and why in errors
    assert errors.count('\n') == 1


# The page.

class Page(html.parser.HTMLParser):
    """An HTML page.

    :ivar tags: (name, attributes) of all elements
    :ivar text: what stands between them
    """

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], '', []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ('meta', 'br'):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def of(self, name):
        """Return the attributes of elements."""
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture
def page(run, a_log, tmp_path):
    """Return a function that returns the Page of entries."""
    def page(*entries):
        path = tmp_path / 'report.html'
        assert run(a_log(*entries), '--html', path)[0] == outcome.OK
        made = Page(path.read_text())
        assert made.open == []
        return made

    return page


def test_the_page_needs_nothing_else(page):
    made = page((0, entry()), (3, entry(Outcome.WOULD_REFUSE)))
    assert not {name for name, _ in made.tags} & {
        'script', 'link', 'img', 'iframe', 'object', 'image', 'use'}
    for _, attributes in made.tags:
        assert not attributes.keys() & {'src', 'href', 'style', 'onload'}
    assert 'url(' not in made.text and '@import' not in made.text


def test_the_page_is_for_light_and_dark_and_for_screen_readers(page):
    made = page((0, entry()), (3, entry(Outcome.WOULD_REFUSE)))
    assert 'prefers-color-scheme: dark' in made.text
    images = made.of('svg')
    # One by time, and one a row of the three others.
    assert len(images) == 4
    assert all(image['role'] == 'img' and (
        'aria-label' in image or 'aria-labelledby' in image)
        for image in images)
    ids = {attributes['id'] for _, attributes in made.tags
           if 'id' in attributes}
    assert {'time-title', 'time-text'} <= ids


def test_the_page_has_the_numbers(page):
    made = page(*((hour, entry()) for hour in range(3)),
                (1, entry(Outcome.WOULD_REFUSE, user_id='bob')),
                (1, entry(Outcome.BREAK_GLASS, database_instance='d2')))
    text = ' '.join(made.text.split())
    assert '3refused 1would be refused 1passed by break-glass' in text
    assert 'refused: 3, would be refused: 1, passed by break-glass: 1' in {
        image.get('aria-label') for image in made.of('svg')}
    assert {'alice', 'bob', 'd1', 'd2', 'servers:delete'} <= set(text.split())


def test_nothing_in_a_log_becomes_markup(page):
    made = page((0, entry(
        database_instance=HOSTILE, user_id=HOSTILE, project_id=HOSTILE,
        service_user_id=HOSTILE, operation=HOSTILE)))
    assert made.of('script') == []
    assert '%3Cscript%3Ealert%281%29' in made.text
    assert made.text.replace('\n', '').isprintable()


def test_the_template_escapes_by_itself():
    group = tally.Tally(['operation'])
    group.add(logs.LoggedEntry(None, entry()))
    of, = group.groups()
    of.values['operation'] = '<script>&"'
    made = Page(pages.page(of, {'hour': (), 'operation': [of]}, [of],
                           ('refused',), 0))
    assert made.of('script') == []
    assert '<script>&"' in made.text


def test_the_page_of_an_empty_log_says_so(page):
    made = page()
    assert 'The guard logged nothing.' in made.text
    assert made.of('svg') == []


def test_a_page_that_cannot_be_written_is_one_line(run, a_log, tmp_path):
    status, output, errors = run(
        a_log((0, entry())), '--html', tmp_path / 'missing' / 'report.html')
    assert (status, output) == (outcome.USAGE, '')
    assert errors == (f'{tmp_path}/missing/report.html can\'t be written: No '
                      f'such file or directory\n')


# The plots.

def hours(*counted):
    """Return groups by hour: (hours, number of lines) each."""
    counts = tally.Tally(['hour'])
    for hour, count in counted:
        day, hour = divmod(hour, 24)
        for _ in range(count):
            counts.add(logs.LoggedEntry(
                f'{2000 + day // 28:04}-01-{1 + day % 28:02} {hour:02}:30:00',
                entry()))
    return counts.groups()


def test_an_hour_without_lines_is_an_empty_bar():
    plot = plots.timeline(hours((0, 3), (3, 1)))
    assert plot.hours == 1
    assert [bar.label for bar in plot.bars] == [
        f'2000-01-01 0{hour}:00' for hour in range(4)]
    assert [sum(part.count for part in bar.segments)
            for bar in plot.bars] == [3, 0, 0, 1]


@pytest.mark.parametrize('last, width', [
    (119, 1), (120, 3), (360, 6), (667, 6)])
def test_bars_are_wider_where_a_log_is_longer(last, width):
    plot = plots.timeline(hours((0, 1), (last, 2)))
    assert plot.hours == width
    assert len(plot.bars) <= plots.MOST_BARS
    assert plot.bars[-1].segments[0].count == 2


@pytest.mark.parametrize('year', [2001, 2030, 9999])
def test_the_number_of_bars_is_bounded(year):
    counts = tally.Tally(['hour'])
    for each in (1970, year):
        counts.add(logs.LoggedEntry(f'{each}-01-01 00:00:00', entry()))
    assert len(plots.timeline(counts.groups()).bars) <= plots.MOST_BARS


@hypothesis.given(st.integers(1, 10**7))
def test_the_highest_bar_is_below_the_last_line_of_the_grid(highest):
    ticks = plots._ticks(highest)
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] >= highest > ticks[-2] - 1
    assert {b - a for a, b in zip(ticks, ticks[1:], strict=False)} == {
        ticks[1]}


def test_lines_without_a_time_are_in_no_plot_by_time():
    counts = tally.Tally(['hour'])
    counts.add(logs.LoggedEntry(None, entry()))
    assert plots.timeline(counts.groups()) is None


# A policy.

@pytest.fixture
def judge(tmp_path):
    """Return a function that returns the PolicyJudge of rules, by name."""
    def judge(**rules):
        path = tmp_path / 'policy.yaml'
        path.write_text(json.dumps({
            'context_is_admin' if name == 'context_is_admin' else
            f'trove_guard:{name}': check for name, check in rules.items()}))
        return judgements.create(str(path), 'compute')

    return judge


POLICIES = {
    'default': {},
    'members': dict.fromkeys((
        'servers:delete', 'servers:reboot', 'servers:create_image',
        'server-metadata:update', 'os-server-password:show', 'unknown'),
        'role:member'),
    'owners': dict.fromkeys(('servers:delete', 'servers:update'),
                            'project_id:%(project_id)s and user_id:the-user'),
    'admins': {'servers:delete': 'is_admin:True or role:trove_admin',
               'servers:reboot': 'rule:context_is_admin'},
    'everybody': {'trove_admin': '@'},
    'an emergency': {
        'break_glass': 'role:admin and until:3000-01-01T00:00:00Z'},
    'an emergency of one project': {
        'break_glass': f'project_id:{nova_api.PROJECT} and '
                       f'until:3000-01-01T00:00:00Z'},
    'an emergency that is over': {
        'break_glass': 'role:admin and until:2020-01-01T00:00:00Z'},
    'no services': {'service_api': '!'},
    'system scope': {'servers:delete': 'system_scope:all or role:member'},
}


@pytest.fixture(scope='module')
def logged_calls(guarded):
    """Return (who, environ, Entry) of each call that the guard logs."""
    enforcer = explaining.policies.enforcer(cfg.CONF)
    found = []
    for who in explaining.ROLES:
        for method, path, body in explaining.REQUESTS:
            for server in explaining.SERVERS:
                environ = explaining.environ(
                    method, '/v2.1' + path.format(server), body)
                decision = explaining.explained(
                    enforcer, dict(environ), who).decision
                if decision and decision.outcome in decisions.REPORTED:
                    found.append((who, environ, log.read(
                        log.log_line(log.entry(decision)))))
    return found


@pytest.mark.parametrize('policy', POLICIES.values(), ids=POLICIES)
def test_a_policy_makes_of_a_logged_call_what_the_guard_would(
        logged_calls, judge, policy):
    other = judge(**policy)
    judged = 0
    for who, environ, each in logged_calls:
        judgement = other.judge(each)
        if judgement.verdict is Verdict.NOT_JUDGED:
            assert judgement.why
            continue
        judged += 1
        decision = explaining.explained(
            other._enforcer, dict(environ), who).decision
        assert (judgement.verdict is Verdict.REFUSES) == (
            decision.outcome is Outcome.REFUSED), each
    assert judged > 50


@pytest.mark.parametrize('rules, values, verdict', [
    ({}, {}, Verdict.REFUSES),
    ({}, {'roles': ('trove_admin',)}, Verdict.PASSES),
    ({}, {'service_roles': ('trove_admin',)}, Verdict.PASSES),
    ({'servers:delete': 'role:member'}, {}, Verdict.PASSES),
    ({'servers:delete': 'project_id:%(project_id)s'}, {}, Verdict.PASSES),
    ({'servers:delete': 'project_id:%(project_id)s'},
     {'resource_project_id': 'other'}, Verdict.REFUSES),
    ({'servers:delete': "'d1':%(database_instance)s"}, {}, Verdict.PASSES),
    ({'servers:delete': 'user_id:%(user_id)s and user_id:alice'}, {},
     Verdict.PASSES),
    ({'servers:delete': 'role:member'}, {'status': 400, 'rule': None},
     Verdict.REFUSES),
    # Malformed, and the caller may not see the server.
    ({'servers:delete': 'role:member'}, {'status': 404, 'rule': None},
     Verdict.REFUSES),
    ({'servers:delete': 'role:member'}, {'user_id': None}, Verdict.REFUSES),
    ({'servers:create': 'role:member'},
     {'operation': 'servers:create', 'rule': 'trove_guard:trove_admin',
      'database_instance': None}, Verdict.REFUSES),
    ({'service_api': 'role:member'},
     {'operation': 'os-server-external-events:create', 'status': 503,
      'database_instance': None, 'rule': None}, Verdict.PASSES),
])
def test_what_the_line_has_is_enough_to_judge(judge, rules, values, verdict):
    known = [each for each in rules if each != 'servers:create']
    made = judge(**{each: rules[each] for each in known})
    assert made.judge(entry(**values)) == judgements.Judgement(verdict)


@pytest.mark.parametrize('rules, values, why', [
    ({}, {'roles': None, 'service_roles': None}, 'no roles in the line'),
    ({}, {'kind': 'volume'}, 'not a call to Nova'),
    ({}, {'operation': 'servers:fly'}, 'does not know'),
    ({}, {'status': 503, 'database_instance': None, 'rule': None},
     'whether the server is managed'),
    ({'servers:delete': 'role:member or system_scope:all'}, {},
     'trove_guard:servers:delete depends on system_scope, which'),
    ({'trove_admin': 'domain_id:x or is_admin_project:True'}, {},
     'trove_guard:trove_admin depends on domain_id, is_admin_project, which'),
    ({'servers:delete': 'is_admin:True',
      'context_is_admin': 'role:admin and user_domain_id:default'}, {},
     'depends on user_domain_id, which'),
    ({'servers:delete': 'http://127.0.0.1:1/judge'}, {},
     'depends on http://127.0.0.1:1/judge'),
    ({'break_glass': 'system_scope:all and until:3000-01-01T00:00:00Z'}, {},
     'trove_guard:break_glass depends on system_scope'),
    ({'server-metadata:update': 'role:member'},
     {'operation': 'server-metadata:update'}, 'changes the marker'),
    ({'os-volumes-attachments:create': 'project_id:%(project_id)s'},
     {'operation': 'os-volumes-attachments:create'},
     'more than the line shows'),
])
def test_what_the_line_lacks_is_not_guessed(judge, rules, values, why):
    judgement = judge(**rules).judge(entry(**values))
    assert judgement.verdict is Verdict.NOT_JUDGED
    assert why in judgement.why


@pytest.mark.parametrize('break_glass, verdict', [
    ('!', Verdict.NOT_JUDGED),
    ('role:member and until:3000-01-01T00:00:00Z', Verdict.PASSES)])
def test_what_the_service_must_confirm_is_not_guessed(
        judge, break_glass, verdict):
    made = judge(**{'servers:delete': 'role:member',
                    'break_glass': break_glass})
    delete = dataclasses.replace(
        explaining.WING.operations()['servers:delete'], needs_proof=True)
    made._operations = {'servers:delete': delete}
    assert made.judge(entry()).verdict is verdict


def test_the_list_has_the_verdicts_of_a_policy(a_log, rows, tmp_path):
    path = a_log(
        (0, entry()), (0, entry(Outcome.WOULD_REFUSE, roles=('reader',))),
        (0, entry(roles=None, service_roles=None)), (0, entry(kind='port')))
    path.write_bytes(path.read_bytes().replace(
        b'project_id=sales roles=- service_user_id=- service_roles=-',
        b'project_id=sales service_user_id=-'))
    policy = tmp_path / 'policy.yaml'
    policy.write_text('"trove_guard:servers:delete": "role:member"')
    row, = rows('--policy', policy, path)
    assert (row['policy_passes'], row['policy_refuses'],
            row['not_judged']) == (1, 1, 2)
    assert row['why_not_judged'] == (
        'no roles in the line: an earlier release wrote it; '
        'not a call to Nova')


def test_the_page_has_the_verdicts_of_a_policy(run, a_log, tmp_path):
    policy, made = tmp_path / 'p&l.yaml', tmp_path / 'report.html'
    policy.write_text('"trove_guard:servers:delete": "system_scope:all"')
    assert run(a_log((0, entry())), '--policy', policy, '--html', made)[0] == (
        outcome.OK)
    text = ' '.join(Page(made.read_text()).text.split())
    assert (f'The policy in {policy} lets 0 of these calls pass and refuses '
            f'0.') in text
    assert 'Not judged: trove_guard:servers:delete depends on' in text


@pytest.mark.parametrize('policy, why', [
    ('"trove_guard:servers:delet": "@"',
     'there is no rule trove_guard:servers:delet; '
     'trove_guard:servers:delete?'),
    ('"trove_guard:servers:delete": "role:member or"', 'can\'t be parsed'),
    ('"trove_guard:servers:delete": "rule:nowhere"', 'does not exist'),
    ('}', ''), ('\xff', 'UTF-8'), (None, 'No such file or directory')])
def test_a_mistake_in_the_policy_file_is_a_usage_error(
        a_log, run, tmp_path, policy, why):
    path = tmp_path / 'policy.yaml'
    if policy is not None:
        path.write_bytes(policy.encode('latin-1'))
    status, output, errors = run(a_log((0, entry())), '--policy', path)
    assert (status, output) == (outcome.USAGE, '')
    assert errors.startswith(str(path)) and why in errors
    assert 'Traceback' not in errors and 'policy_dirs' not in errors


# A request.

@pytest.fixture
def explain(monkeypatch, capsys):
    """Return a function that runs ``explain``: (exit code, dict, errors)."""
    monkeypatch.setattr(cfg, 'CONF', cfg.ConfigOpts())

    def explain(*arguments):
        status = shell.main(['explain', '-f', 'json', *map(str, arguments)])
        output, errors = capsys.readouterr()
        return status, json.loads(output) if output else None, errors

    return explain


def test_a_request_in_a_log_is_explained(a_log, explain, tmp_path):
    path = a_log((0, entry(request_id='req-0')), (1, entry()),
                 (2, entry(request_id='req-2')))
    before = path.read_bytes()
    status, told, errors = explain('--request-id', 'req-1', '--log', path)
    assert status == 0, errors
    assert told == told | {
        'request_id': 'req-1', 'operation': 'servers:delete',
        'rule': 'trove_guard:servers:delete', 'decision': 'refused',
        'roles': 'member,reader', 'service_roles': '-', 'server': 's1',
        'database_instance': 'd1', 'status': 403,
        'why': 'the rule does not let the principal pass',
        'policy_now': 'refuses it, too'}
    assert told['check'].startswith(
        'trove_guard:servers:delete: rule:trove_guard:trove_admin')
    assert 'trove_guard:servers:delete in the policy file of Nova' in (
        told['passes_if'])
    assert 'openstack database instance delete' in told['passes_if']
    # cliff would have taken --log for its --log-file, and written there.
    assert path.read_bytes() == before


def test_a_request_is_judged_by_the_policy_as_it_is_now(
        a_log, explain, tmp_path):
    (tmp_path / 'policy.yaml').write_text(
        '"trove_guard:servers:delete": "role:member"')
    (tmp_path / 'nova.conf').write_text(
        f'[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n')
    status, told, errors = explain(
        '--request-id', 'req-1', '--log', a_log((0, entry())),
        '--config-file', tmp_path / 'nova.conf')
    assert status == 0, errors
    assert told['policy_now'] == 'lets it pass'
    assert told['check'] == 'trove_guard:servers:delete: role:member'


@pytest.mark.parametrize('values, why, passes_if', [
    ({'rule': 'trove_guard:trove_admin', 'operation': 'servers:create'},
     'only the Trove admin can', 'no other rule lets anyone'),
    ({'status': 400, 'rule': None}, 'does not say what to do',
     'in a form that Nova accepts'),
    ({'status': 503, 'rule': None, 'database_instance': None},
     'could not check whether the server is managed', 'has a traceback'),
    ({'status': 404, 'rule': None}, 'does not say what to do',
     'in a form that Nova accepts'),
    ({'status': 404}, 'responds as if it did not exist',
     'the Trove admin, or'),
    ({'user_id': None, 'rule': None}, 'the caller is not verified',
     'paste check'),
    ({'outcome': Outcome.BREAK_GLASS, 'status': None,
      'rule': 'trove_guard:break_glass'}, 'only break-glass',
     'the Trove admin, or trove_guard:servers:delete in'),
    ({'operation': HOSTILE}, 'the rule does not', '%3Cscript%3E'),
    ({'roles': None, 'service_roles': None}, 'the rule does not',
     'the Trove admin, or')])
def test_why_and_what_lets_a_request_pass(
        a_log, explain, values, why, passes_if):
    status, told, errors = explain(
        '--request-id', 'req-1', '--log', a_log((0, entry(**values))))
    assert status == 0, errors
    assert why in told['why'] and passes_if in told['passes_if']
    assert all(str(value).replace('\n', '').isprintable()
               for value in told.values())


def test_a_request_that_is_not_in_the_log_is_one_line(a_log, explain):
    path = a_log((0, entry()))
    status, told, errors = explain('--request-id', 'req-9', '--log', path)
    assert (status, told) == (outcome.USAGE, None)
    assert errors.startswith(
        f'the guard has logged nothing about req-9 in {path}. ')
    assert errors.count('\n') == 1


@pytest.mark.parametrize('arguments, why', [
    (('--request-id', 'req-1'), 'needs --log'),
    ((), 'give METHOD and PATH'), (('GET',), 'give METHOD and PATH')])
def test_explain_names_the_options_that_it_lacks(explain, arguments, why):
    status, told, errors = explain(*arguments)
    assert (status, told) == (outcome.USAGE, None)
    assert why in errors


def test_an_entry_is_of_the_service_that_has_its_kind():
    assert explaining.WING.shown.find.keys() == {
        kind for kind, service in from_log.SERVICES.items()
        if service == 'compute'}
    assert {from_log.service_of(entry(kind=kind))
            for kind in ('volume', 'port', 'security_group')} == {
                'volume', 'network'}
    with pytest.raises(outcome.Refused, match='does not know'):
        from_log.service_of(entry(kind='share'))
