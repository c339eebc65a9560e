# SPDX-License-Identifier: Apache-2.0
"""The audit trail: log lines and CADF events, and what is never in them."""

import dataclasses
import datetime
import json
import logging
import os
import queue
import re
import select
import signal
import subprocess
import sys
import threading

import hypothesis
from hypothesis import strategies as st
from oslo_config import cfg
import oslo_messaging
import pytest

from nova_trove_guard.core import decisions
from nova_trove_guard.core import faults
from nova_trove_guard.core import principals
from nova_trove_guard.core.reports import cadf
from nova_trove_guard.core.reports import log
from nova_trove_guard.core.reports import observers
from nova_trove_guard.nova import filter
from nova_trove_guard.nova import operations
from nova_trove_guard.nova import policies
from nova_trove_guard.nova import reader
from tests.unit import nova_api
from tests.unit import test_differential as differential
from tests.unit import test_filter as filters

MANAGED = f'/v2.1/servers/{nova_api.MANAGED}'
TENANT = ('member', 'reader')
NOW = datetime.datetime(2026, 11, 23, 1, 2, 3, tzinfo=datetime.UTC)
WAIT = 60  # seconds
BUS = filters.GUARDED + ('audit_transport_url = fake://\n'
                         'audit_topic = guard\n')
OPERATIONS = operations.operations()
OWNER = principals.Principal('owner', nova_api.PROJECT, ('member',))


def event(of):
    """Return the CADF event of a decision."""
    return cadf.event(of, NOW, filter.RESOURCE_TYPE)


def bus_to(notifier):
    """Return what sends events of servers."""
    return cadf.Bus(notifier, filter.RESOURCE_TYPE)


def decision(outcome=decisions.Outcome.REFUSED, **values):
    """Return a Decision."""
    return decisions.Decision(**{
        'operation': OPERATIONS['servers:resize'], 'request_id': 'req-1',
        'principal': OWNER, 'kind': policies.KIND,
        'resource_id': nova_api.MANAGED,
        'database_instance': nova_api.DATABASE_INSTANCE,
        'resource_project_id': nova_api.PROJECT,
        'resource_user_id': nova_api.USER, 'outcome': outcome,
        'rule': 'trove_guard:servers:resize', 'fault': faults.unreadable(),
    } | values)


def lines(caplog):
    """Return the audit trail in the log."""
    return [record.getMessage() for record in caplog.records
            if record.name == 'nova_trove_guard.reports']


# The log line.

def test_a_refusal_is_one_line(guarded, caplog):
    token = guarded.token(*TENANT, user_id='alice',
                          project_id=nova_api.PROJECT)
    answer = guarded.ask('POST', MANAGED + '/action', token=token,
                         json={'resize': {'flavorRef': 'swordfish'}})
    assert lines(caplog) == [
        'decision=refused '
        f'request_id={answer.headers["x-openstack-request-id"]} '
        f'user_id=alice project_id={nova_api.PROJECT} roles=member,reader '
        'service_user_id=- service_roles=- '
        f'operation=servers:resize server={nova_api.MANAGED} '
        f'server_project_id={nova_api.PROJECT} '
        f'server_user_id={nova_api.USER} '
        f'database_instance={nova_api.DATABASE_INSTANCE} '
        'rule=trove_guard:servers:resize status=403']
    assert caplog.records[-1].levelno == logging.WARNING


def test_the_service_user_is_told(guarded, caplog):
    answer = guarded.ask(
        'DELETE', MANAGED, token=guarded.token(*TENANT),
        service_token=guarded.token('service', user_id='cinder'))
    assert answer.status_int == 403
    line, = lines(caplog)
    assert ' service_user_id=cinder service_roles=service ' in line


@pytest.mark.parametrize('method, path, body, fields', [
    ('POST', '/v2.1/servers',
     {'server': {'metadata': {nova_api.METADATA_KEY: 'x'}}},
     'operation=servers:create server=- server_project_id=- '
     'server_user_id=- database_instance=- '
     'rule=trove_guard:trove_admin status=403'),
    ('DELETE', f'/v2.1/servers/{nova_api.BROKEN}', None,
     f'operation=servers:delete server={nova_api.BROKEN} '
     'server_project_id=- server_user_id=- database_instance=- rule=- '
     'status=503'),
    ('POST', MANAGED + '/action', {},
     f'operation=unknown server={nova_api.MANAGED} '
     f'server_project_id={nova_api.PROJECT} '
     f'server_user_id={nova_api.USER} '
     f'database_instance={nova_api.DATABASE_INSTANCE} rule=- status=400'),
    ('GET', f'/v2.1/os-console-auth-tokens/{nova_api.CONSOLE_TOKEN}', None,
     f'operation=os-console-auth-tokens server={nova_api.MANAGED} '
     f'server_project_id={nova_api.PROJECT} '
     f'server_user_id={nova_api.USER} '
     f'database_instance={nova_api.DATABASE_INSTANCE} '
     'rule=trove_guard:os-console-auth-tokens status=403')])
def test_what_is_not_known_is_a_dash(
        guarded, caplog, method, path, body, fields):
    guarded.ask(method, path, json=body, token=guarded.token(*TENANT))
    line, = lines(caplog)
    assert line.endswith(fields)


@pytest.mark.parametrize('method, path, roles', [
    ('DELETE', MANAGED, ['trove_admin']),
    ('DELETE', f'/v2.1/servers/{nova_api.FREE}', TENANT),
    ('GET', MANAGED, TENANT), ('POST', '/v2.1/servers', TENANT)])
def test_what_passes_leaves_no_line(guarded, caplog, method, path, roles):
    guarded.ask(method, path, token=guarded.token(*roles))
    assert lines(caplog) == []


def test_nobody_can_write_a_line_of_the_trail(caplog):
    log.report(decision(
        database_instance='x status=200\ndecision=break_glass a=b%'))
    line, = lines(caplog)
    assert ' database_instance=x%20status%3D200%0Adecision%3Dbreak_glass%20' \
        'a%3Db%25 ' in line
    assert '\n' not in line


def test_the_name_of_a_role_cannot_add_a_field_or_another_role(caplog):
    hostile = 'admin,trove_admin status=200\n'
    log.report(decision(principal=dataclasses.replace(
        OWNER, roles=('reader', hostile), service_roles=('-',))))
    line, = lines(caplog)
    assert (' roles=admin%2Ctrove_admin%20status%3D200%0A,reader '
            'service_user_id=- service_roles=%2D ') in line
    entry = log.read(line)
    assert (entry.roles, entry.service_roles) == ((hostile, 'reader'), ('-',))


TEXT = st.text(st.characters())
MAYBE = st.none() | TEXT
NAMES = st.lists(TEXT).map(sorted).map(tuple)
ANY = {
    'outcome': st.sampled_from(sorted(decisions.REPORTED)),
    'request_id': MAYBE, 'user_id': MAYBE, 'project_id': MAYBE,
    'roles': NAMES, 'service_user_id': MAYBE, 'service_roles': NAMES,
    'operation': TEXT,
    'kind': st.sampled_from(('server', 'volume', 'port', 'security_group')),
    'resource_id': MAYBE, 'resource_project_id': MAYBE,
    'resource_user_id': MAYBE, 'database_instance': MAYBE, 'rule': MAYBE,
    'status': st.none() | st.integers(100, 599)}


@hypothesis.given(**ANY)
def test_what_the_writer_writes_the_reader_reads(**values):
    written = log.Entry(**values)
    line = log.log_line(written)
    assert line.isascii() and line.isprintable()
    assert log.read(line) == written


@pytest.mark.parametrize('field', (
    name for name, strategy in ANY.items() if strategy in (TEXT, MAYBE)))
def test_text_that_is_no_unicode_is_read_as_it_was(field):
    """A JSON body can hold half a pair: Python reads it."""
    written = dataclasses.replace(log.read(PLAIN), **{field: '\ud800'})
    assert log.read(log.log_line(written)) == written


def test_a_line_of_a_release_without_roles_is_read():
    entry = log.read(
        'decision=refused request_id=req-1 user_id=u project_id=- '
        'service_user_id=- operation=servers:delete server=s '
        'database_instance=d rule=trove_guard:servers:delete status=403')
    assert (entry.kind, entry.resource_id, entry.status) == (
        'server', 's', 403)
    assert entry.roles is entry.service_roles is None


PLAIN = ('decision=refused request_id=req-1 user_id=u project_id=p roles=a,b '
         'service_user_id=- service_roles=- operation=servers:delete '
         'server=s server_project_id=p server_user_id=u '
         'database_instance=d rule=r status=403')


BROKEN = {
    'empty': '', 'cut short': 'decision=refused', 'no status': PLAIN[:-3],
    'a space behind': PLAIN + ' ', 'a line end behind': PLAIN + '\n',
    'a space in front': ' ' + PLAIN, 'a field twice': PLAIN + ' roles=c',
    'another form': PLAIN + ' x="y"', 'a status of letters': PLAIN[:-3] + 'x',
    'a decision that is not logged': PLAIN.replace('refused', 'allowed'),
    'an escape cut short': PLAIN.replace('roles=a', 'roles=%a'),
    'no UTF-8': PLAIN.replace('user_id=u', 'user_id=%FF'),
    'not ASCII': PLAIN.replace('=u', '=\xfc'),
    'no rule': PLAIN.replace(' rule=r', ''),
    'markup': PLAIN.replace('rule=r', 'rule=<r>')}


@pytest.mark.parametrize('line', BROKEN.values(), ids=BROKEN)
def test_what_is_no_line_of_the_guard_is_not_read(line):
    assert log.read(PLAIN).rule == 'r'
    with pytest.raises(ValueError):
        log.read(line)


@pytest.mark.parametrize('path, server_id', [
    (f'/servers/{nova_api.MISSING}', nova_api.MISSING),
    (f'/servers/{nova_api.MISSING}\n', nova_api.MISSING),
    ('/servers/S3cr3t', None),
    (f'/os-volumes/{nova_api.VOLUME}', None),
    (f'/os-floating-ips/{nova_api.FLOATING_IP}', None)])
def test_only_the_id_of_a_server_is_told_before_it_is_found(path, server_id):
    call = reader.read({
        'REQUEST_METHOD': 'DELETE', 'QUERY_STRING': '', 'PATH_INFO': path})
    assert call.resource_id(policies.KIND) == server_id


def test_a_console_token_is_not_told(guarded, monkeypatch, caplog):
    def fail(context, token):
        raise TimeoutError('cell1 does not respond')

    monkeypatch.setattr(nova_api, 'console_token', fail)
    answer = guarded.ask(
        'GET', f'/v2.1/os-console-auth-tokens/{nova_api.CONSOLE_TOKEN}',
        token=guarded.token(*TENANT))
    assert answer.status_int == 503
    assert nova_api.CONSOLE_TOKEN not in caplog.text


# The event.

def test_the_event_of_a_refusal():
    told = event(decision())
    assert told.pop('id')
    assert told == {
        'typeURI': 'http://schemas.dmtf.org/cloud/audit/1.0/event',
        'eventType': 'activity',
        'eventTime': '2026-11-23T01:02:03.000000+0000',
        'action': 'update/servers:resize', 'outcome': 'failure',
        'initiator': {
            'id': 'owner', 'typeURI': 'service/security/account/user',
            'project_id': nova_api.PROJECT, 'roles': ['member'],
            'service_user_id': None, 'service_roles': [],
            'request_id': 'req-1'},
        'target': {
            'id': nova_api.MANAGED, 'typeURI': 'compute/machine',
            'project_id': nova_api.PROJECT, 'user_id': nova_api.USER,
            'attachments': [{
                'typeURI': 'data/database/instance',
                'name': 'database_instance',
                'content': nova_api.DATABASE_INSTANCE}]},
        'observer': {
            'id': 'observer', 'typeURI': 'service/security/audit/filter',
            'name': 'nova-trove-guard'},
        'reason': {
            'reasonType': 'HTTP', 'reasonCode': '400',
            'policyType': 'oslo.policy',
            'policyId': 'trove_guard:servers:resize'},
        'tags': ['decision?value=refused']}
    json.dumps(told)


@pytest.mark.parametrize('values, differs', [
    ({'outcome': decisions.Outcome.WOULD_REFUSE},
     {'outcome': 'pending', 'tags': ['decision?value=would_refuse']}),
    ({'outcome': decisions.Outcome.BREAK_GLASS, 'fault': None},
     {'outcome': 'pending', 'tags': ['decision?value=break_glass'],
      'reason': {'policyType': 'oslo.policy',
                 'policyId': 'trove_guard:servers:resize'}}),
    ({'rule': None},
     {'reason': {'reasonType': 'HTTP', 'reasonCode': '400'}}),
    ({'operation': OPERATIONS['servers:delete']},
     {'action': 'delete/servers:delete'}),
    ({'operation': OPERATIONS['os-console-output']},
     {'action': 'read/os-console-output'}),
    ({'resource_id': None, 'database_instance': None,
      'resource_project_id': None, 'resource_user_id': None},
     {'target': {'id': 'unknown', 'typeURI': 'compute/machine',
                 'project_id': None, 'user_id': None}}),
    ({'principal': None},
     {'initiator': {
         'id': 'unknown', 'typeURI': 'service/security/account/user',
         'project_id': None, 'roles': [], 'service_user_id': None,
         'service_roles': [], 'request_id': 'req-1'}}),
    ({'principal': dataclasses.replace(
        OWNER, roles=('reader', 'member'), service_user_id='nova',
        service_roles=('service', 'admin'))},
     {'initiator': {
         'id': 'owner', 'typeURI': 'service/security/account/user',
         'project_id': nova_api.PROJECT, 'roles': ['member', 'reader'],
         'service_user_id': 'nova', 'service_roles': ['admin', 'service'],
         'request_id': 'req-1'}})])
def test_other_events(values, differs):
    plain, told = (event(decision(**each))
                   for each in ({}, values))
    plain['id'] = told['id']
    assert told == plain | differs


# The bus.

@pytest.fixture
def events(load_nova_api, guarded):
    """Return (NovaAPI, function that returns the next event)."""
    api = load_nova_api(filters.paste(guarded), BUS)
    received = queue.Queue()

    class Endpoint:
        def warn(self, context, publisher, event_type, payload, metadata):
            received.put((context, publisher, event_type, payload))

    listener = oslo_messaging.get_notification_listener(
        oslo_messaging.get_notification_transport(cfg.CONF, url='fake://'),
        [oslo_messaging.Target(topic='guard')], [Endpoint()],
        executor='threading')
    listener.start()
    yield api, lambda: received.get(timeout=WAIT)
    listener.stop()
    listener.wait()


def test_an_event_arrives(events, caplog):
    api, next_event = events
    answer = api.ask('DELETE', MANAGED, token=api.token(*TENANT))
    context, publisher, event_type, payload = next_event()
    assert context == {}
    assert publisher.startswith('trove_guard.')
    assert event_type == 'trove_guard.refused'
    assert payload['action'] == 'delete/servers:delete'
    assert payload['initiator']['request_id'] == (
        answer.headers['x-openstack-request-id'])
    assert payload['target']['id'] == nova_api.MANAGED
    # What passes, passes untold: the next event is another refusal's.
    api.ask('DELETE', MANAGED, token=api.token('trove_admin'))
    api.ask('POST', MANAGED + '/action', json={'lock': None},
            token=api.token(*TENANT))
    assert next_event()[-1]['action'] == 'update/os-lock-server:lock'


def test_a_bad_transport_keeps_nova_from_starting(load_nova_api, guarded):
    with pytest.raises(oslo_messaging.DriverLoadFailure, match='rabitt'):
        load_nova_api(filters.paste(guarded), filters.GUARDED +
                      'audit_transport_url = rabitt://host/\n')


class Notifier:
    """Stands in for oslo_messaging.Notifier on a bus that hangs.

    :ivar sent: the types of the events that the bus took
    """

    def __init__(self):
        self.sent = queue.Queue()
        self.bus_recovers = threading.Event()

    def warn(self, context, event_type, payload):
        """Hang, and then take an event."""
        assert self.bus_recovers.wait(WAIT)
        self.sent.put(event_type)


def test_a_bus_that_hangs_holds_up_nothing(monkeypatch, caplog):
    monkeypatch.setattr(cadf, 'CAPACITY', 3)
    notifier = Notifier()
    bus = bus_to(notifier)
    for _ in range(20):
        bus.report(decision())
    assert caplog.text.count('dropped') == 1
    notifier.bus_recovers.set()
    # Three that waited, and one that may have been under way.
    assert [notifier.sent.get(timeout=WAIT) for _ in range(3)] == [
        'trove_guard.refused'] * 3
    assert bus._dropped in (16, 17)


def test_the_number_of_dropped_events_is_told_once_a_minute(
        monkeypatch, caplog):
    monkeypatch.setattr(cadf, 'CAPACITY', 1)
    clock = iter((0, 30, 59.9, 60, 90, 121))
    monkeypatch.setattr(cadf.time, 'monotonic', lambda: next(clock))
    bus = bus_to(Notifier())
    for _ in range(6):
        bus._drop()
    assert [int(re.search(r'(\d+) dropped', line).group(1))
            for line in caplog.messages] == [1, 4, 6]


def test_a_refusal_does_not_wait_for_the_bus(load_nova_api, guarded,
                                             monkeypatch):
    notifier = Notifier()
    monkeypatch.setattr(cadf, 'notifier', lambda conf, settings: notifier)
    monkeypatch.setattr(cadf, 'CAPACITY', 2)
    api = load_nova_api(filters.paste(guarded), BUS)
    for _ in range(5):
        answer = api.ask('DELETE', MANAGED, token=api.token(*TENANT))
        assert answer.status_int == 403
    assert notifier.sent.empty()
    notifier.bus_recovers.set()


def test_a_bus_that_fails_is_tried_again(caplog):
    sent = queue.Queue()

    class Failing:
        def warn(self, context, event_type, payload):
            sent.put(event_type)
            raise OSError('the bus is down')

    bus = bus_to(Failing())
    for _ in range(2):
        bus.report(decision())
    for _ in range(2):
        sent.get(timeout=WAIT)
    assert 'An audit event could not be sent' in caplog.text


def test_the_thread_starts_with_the_first_event():
    notifier = Notifier()
    notifier.bus_recovers.set()
    bus = bus_to(notifier)
    bus.report(decision(decisions.Outcome.ALLOWED))
    assert bus._thread is None
    bus.report(decision())
    assert notifier.sent.get(timeout=WAIT)
    assert bus._thread.daemon


def test_a_forked_worker_has_a_thread_of_its_own():
    read, write = os.pipe()

    class Piped:
        def warn(self, context, event_type, payload):
            os.write(write, str(os.getpid()).encode())

    def sender():
        assert select.select([read], [], [], WAIT)[0]
        return int(os.read(read, 100))

    bus = bus_to(Piped())
    bus.report(decision())
    assert sender() == os.getpid()
    worker = os.fork()
    if worker == 0:
        bus.report(decision())
        bus._thread.join(WAIT)
        os._exit(0)
    try:
        assert sender() == worker
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        os.close(read)
        os.close(write)


def test_a_process_that_gets_no_more_threads_answers_on(monkeypatch, caplog):
    def fail(thread):
        raise RuntimeError('can\'t start new thread')

    notifier = Notifier()
    notifier.bus_recovers.set()
    bus = bus_to(notifier)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, 'start', fail)
        bus.report(decision())
    assert '1 dropped' in caplog.text
    bus.report(decision())
    assert notifier.sent.get(timeout=WAIT)


def test_without_a_transport_there_is_no_bus():
    """Not even its library, nor a thread."""
    code = '''
import sys, threading, types
from nova_trove_guard.core.reports import log, metrics, observers
settings = types.SimpleNamespace(audit_transport_url=None)
watch = observers.create(None, settings, metrics.Off(), '')
assert watch == [log.report], watch
assert 'oslo_messaging' not in sys.modules
assert threading.active_count() == 1
'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr


# What never appears.

SECRETS = st.text('abcdefghijklmnopqrstuvwxyz0123456789', min_size=12,
                  max_size=40).map('S3cr3t{}'.format)


@pytest.fixture(scope='module')
def watched(load_nova_api, guarded):
    """Return (NovaAPI, list to which each event's text is added)."""
    told = []

    def tell(one):
        if one.outcome in decisions.REPORTED:
            told.append(json.dumps(event(one)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observers, 'create', lambda *how: (log.report, tell))
        api = load_nova_api(filters.paste(guarded), filters.GUARDED)
    return api, told


@pytest.fixture(scope='module')
def guard_s_log():
    """Return the list of the guard's log records, of all levels."""
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(self.format(record))

    logger = logging.getLogger('nova_trove_guard')
    handler = Handler()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(level)


@differential.settings
@hypothesis.given(
    secret=SECRETS, call=st.sampled_from((
        ('POST', f'{MANAGED}/action?x={{0}}',
         '{{"changePassword": {{"adminPass": "{0}"}}}}'),
        ('POST', f'{MANAGED}/action', '{{"{0}": "{0}"}}'),
        ('POST', f'{MANAGED}/action', '{{"{0}'),
        ('POST', f'{MANAGED}/action', '{{"rebuild": {{"user_data": "{0}"}}}}'),
        ('GET', f'{MANAGED}?_method=DELETE&{{0}}={{0}}', ''),
        ('POST', '/v2.1/servers', '{{"server": {{"adminPass": "{0}", '
         '"metadata": {{"trove_instance_id": "{0}"}}}}}}'),
        ('POST', '/v2.1/os-snapshots', '{{"snapshot": "{0}"}}'),
        ('DELETE', '/v2.1/os-assisted-volume-snapshots/1?delete_info={0}',
         ''),
        ('DELETE', f'/v2.1/servers/{nova_api.BROKEN}?{{0}}', '{0}'),
        ('PATCH', f'{MANAGED}/{{0}}', '{0}'))),
    headers=st.dictionaries(st.sampled_from((
        'Authorization', 'Cookie', 'X-Anything', 'X-Openstack-Request-Id',
        'X-Subject-Token', 'User-Agent', 'X-Roles')), st.just('{0}')))
def test_secrets_never_appear(watched, guard_s_log, secret, call, headers):
    api, told = watched
    guard_s_log.clear()
    told.clear()
    method, path, body = (part.format(secret) for part in call)
    token = api.token(*TENANT)
    service_token = api.token('service')
    api.ask(method, path, params=body.encode() if body else '', token=token,
            service_token=service_token,
            headers={name: value.format(secret)
                     for name, value in headers.items()})
    assert guard_s_log and told
    for text in *guard_s_log, *told:
        for hidden in secret, token, service_token:
            assert hidden.lower() not in text.lower()
