# SPDX-License-Identifier: Apache-2.0
"""``report`` counts what the guard logged, in logs as oslo.log writes them."""

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

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.report import logs
from nova_trove_guard.cmd.report import pages
from nova_trove_guard.cmd.report import plots
from nova_trove_guard.cmd.report import tally
from nova_trove_guard.cmd import shell
from nova_trove_guard.core import decisions
from nova_trove_guard.core.reports import log
from tests.unit import test_audit

Outcome = decisions.Outcome

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


def test_a_line_of_oslo_log_s_default_form_is_read(write):
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


@pytest.mark.parametrize('make, status, why', [
    (lambda path: None, outcome.USAGE, 'No such file or directory'),
    (lambda path: path.mkdir(), outcome.USAGE, 'Is a directory'),
    (lambda path: path.write_bytes(b'no gzip'), outcome.FAILED,
     'Not a gzipped file'),
    (lambda path: path.write_bytes(gzip.compress(b'x' * 1000)[:-9]),
     outcome.FAILED, 'ended before')],
    ids=['missing', 'a directory', 'not compressed', 'cut short'])
def test_a_log_that_cannot_be_read_is_one_line(
        tmp_path, run, make, status, why):
    path = tmp_path / 'nova-api.log.gz'
    make(path)
    exit_code, output, errors = run(path)
    assert (exit_code, output) == (status, '')
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
