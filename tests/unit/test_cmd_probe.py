# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard probe``: which answers count, and what is sent.

The requests go to Nova with the guard in front, and in tests/unit/cinder and
tests/unit/neutron to Cinder and Neutron; in tests/functional/test_probe.py to
all that is real. What none of these answers comes from a simulated service.
"""

import collections
import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading

from keystoneauth1.access import service_catalog
from keystoneauth1 import session as sessions
from keystoneauth1 import token_endpoint
import pytest

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.probe import endpoints
from nova_trove_guard.cmd.probe import requested
from nova_trove_guard.cmd.probe import responses
from nova_trove_guard.cmd.probe import sending
from nova_trove_guard.cmd import shell
from nova_trove_guard.core import faults
from tests.unit import nova_api
from tests.unit import test_filter as filters

KEY = 'trove_instance_id'
# Bytes: more than sockets hold.
ENDLESS = 64 * 1024 * 1024
NOVA, CINDER, NEUTRON = SERVICES = tuple(requested.SERVICES.values())
# Exit codes.
REFUSED, DOWN = outcome.USAGE, outcome.UNAVAILABLE
PROJECT = '70000000000000000000000000000002'


def fault(service, status, message, keys):
    """Return a fault as a service has it."""
    name, last = keys
    return json.dumps({name: {'code': status, last: message}}).encode()


def refusal(service, key=KEY):
    """Return (status, body) of the guard's answer."""
    return 403, fault(service, 403, service.refusal_message(key),
                      service.refusal)


def rejection(service):
    """Return (status, body) of a service's own answer."""
    return 400, fault(service, 400, 'Invalid input', service.rejection)


# Which answers count.

EACH_SERVICE = pytest.mark.parametrize(
    'service', SERVICES, ids=lambda each: each.name)


@EACH_SERVICE
def test_the_guards_own_words_are_guarded(service):
    assert responses.classify(
        service, KEY, *refusal(service)) == responses.GUARDED


@EACH_SERVICE
def test_the_services_own_rejection_is_not_guarded(service):
    assert responses.classify(
        service, KEY, *rejection(service)) == responses.NOT_GUARDED


@EACH_SERVICE
def test_a_guard_with_another_marker_is_not_known(service):
    assert responses.classify(
        service, KEY, *refusal(service, 'other_key')) == '403'


@EACH_SERVICE
def test_the_guards_words_count_with_no_other_status(service):
    for status in 200, 400, 404, 503:
        _, body = refusal(service)
        assert responses.classify(
            service, KEY, status, body) != responses.GUARDED


@EACH_SERVICE
def test_the_guards_words_outside_of_a_fault_are_a_proxys(service):
    message = service.refusal_message(KEY)
    for body in (message.encode(), f'<p>{message}</p>'.encode(),
                 json.dumps(message).encode(),
                 json.dumps([message]).encode(),
                 json.dumps({'error': {'message': message}}).encode(),
                 fault(service, 403, [message], service.refusal)):
        assert responses.classify(service, KEY, 403, body) == '403'


@EACH_SERVICE
def test_other_refusals_are_not_the_guards(service):
    for other in ('Policy doesn\'t allow it to be performed.', '',
                  faults.unidentified().explanation):
        body = fault(service, 403, other, service.refusal)
        assert responses.classify(service, KEY, 403, body) == '403'


@EACH_SERVICE
def test_a_guard_that_cannot_judge_is_unknown(service):
    body = fault(service, 503, faults.unavailable(
        service.kind).explanation, service.refusal)
    assert responses.classify(service, KEY, 503, body) == '503'


@pytest.mark.parametrize('status', [200, 302, 400, 401, 403, 404, 500])
@pytest.mark.parametrize('body', [
    b'', b'null', b'{}', b'[]', b'"forbidden"', b'<html>', b'\xff\xfe',
    b'[' * 16384, b'{"forbidden": null}', b'{"NeutronError": "text"}',
    b'{"badRequest": {"message": null}}', b'1' * 16384])
@EACH_SERVICE
def test_what_is_no_fault_is_unknown(service, status, body):
    assert responses.classify(service, KEY, status, body) == str(status)


def test_another_services_refusal_is_unknown():
    """Such as Cinder's at a URL that is given as Nova's."""
    assert responses.classify(NOVA, KEY, *refusal(CINDER)) == '403'
    assert responses.classify(NEUTRON, KEY, *refusal(NOVA)) == '403'


@pytest.mark.parametrize('counts, result', [
    ({'guarded': 5}, 'guarded'),
    ({'not guarded': 5}, 'not guarded'),
    ({'guarded': 4, 'not guarded': 1}, 'partly guarded'),
    ({'guarded': 4, '403': 1}, 'unknown'),
    ({'403': 1, '503': 4}, 'unknown'),
    ({'302': 1}, 'unknown'),
    ({'not guarded': 1, '403': 1, '503': 4}, 'not guarded'),
    ({'guarded': 4, '503': 1}, 'down'),
    ({'guarded': 4, 'timeout': 1}, 'down'),
    ({'no connection': 4}, 'down'),
    ({'TLS error': 4}, 'down'),
])
def test_the_worst_answer_is_the_result(counts, result):
    assert responses.ResponseCounts(counts).result == result


# What is sent, and what the guard in each service does with it.

def ask_nova(api, token, key=KEY, **how):
    """Send the request to NovaAPI, and return the answer."""
    return api.ask(NOVA.method, f'/v2.1{NOVA.path}', json=NOVA.body(key),
                   token=token, **how)


@pytest.mark.parametrize('roles', [
    ('reader',), ('member', 'reader'), ('admin', 'member', 'reader'),
    ('service',)], ids=' '.join)
@pytest.mark.parametrize('version', ['2.1', 'latest'])
def test_the_guard_in_nova_refuses_whoever_asks(guarded, roles, version):
    answer = ask_nova(guarded, guarded.token(*roles), headers={
        'OpenStack-API-Version': f'compute {version}'})
    assert guarded.dispatched == []
    assert responses.classify(
        NOVA, KEY, answer.status_int, answer.body) == responses.GUARDED


@pytest.mark.parametrize('options', [
    '', '[trove_guard]\ntrove_managed_instances = true\nmode = audit\n',
    '[trove_guard]\ntrove_managed_instances = true\nmetadata_key = other\n'],
    ids=['off', 'audit', 'another key'])
def test_a_guard_that_does_not_enforce_does_not_answer(
        load_nova_api, guarded, options):
    api = load_nova_api(filters.paste(guarded), options)
    answer = ask_nova(api, api.token('member', 'reader'))
    assert responses.classify(
        NOVA, KEY, answer.status_int, answer.body) != responses.GUARDED


def test_a_guard_with_another_key_is_probed_with_that_key(
        load_nova_api, guarded):
    api = load_nova_api(
        filters.paste(guarded), filters.GUARDED + 'metadata_key = other\n')
    answer = ask_nova(api, api.token('member', 'reader'), 'other')
    assert responses.classify(
        NOVA, 'other', answer.status_int, answer.body) == responses.GUARDED


def test_the_guard_lets_the_trove_admin_pass(guarded):
    """So such credentials find out nothing."""
    answer = ask_nova(guarded, guarded.token('trove_admin'))
    assert responses.classify(
        NOVA, KEY, answer.status_int, answer.body) != responses.GUARDED


def test_the_guards_log_line_has_the_id_by_which_probes_are_known(
        guarded, caplog):
    ask_nova(guarded, guarded.token('member', 'reader'))
    line, = [record.getMessage() for record in caplog.records
             if record.name == 'nova_trove_guard.reports']
    assert f' server={requested.PROBE_ID} ' in line


def test_no_service_makes_the_id_that_is_probed_with():
    assert bytes.fromhex(requested.PROBE_ID.replace('-', '')) == (
        b'trove_guardprobe')
    assert requested.PROBE_ID[14] != '4'  # random UUIDs have it there
    assert not nova_api.SERVERS.count(requested.PROBE_ID)


# What services and balancers may answer.

class Balancer:
    """A simulated Keystone, and services whose answers take turns.

    :ivar turns: what to do with a request to a service, a function of the
        handler each: the first with the first, and so on, again and again
    :ivar asked: list of (method, path, headers) of requests to services
    :ivar connections: how many connections these came over
    :ivar roles: the names of the roles of each token
    :ivar urls: list of (type, region, interface, path) of the catalog
    :ivar read_to_the_end: whether a client has taken all of an endless answer
    :ivar stop: set when nobody waits any more
    """

    def __init__(self):
        self.turns = []
        self.asked = []
        self.connections = set()
        self.roles = ['member']
        self.urls = [
            (each.service_type, 'One', 'public', f'/{each.service_type}')
            for each in SERVICES]
        self.read_to_the_end = False
        self.stop = threading.Event()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def served(self):
        """Serve it over HTTP; return the URL."""
        handler = type('Bound', (_Handler,), {'balancer': self})
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.url = f'http://127.0.0.1:{server.server_port}'
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def token(self):
        """Return the token (dict) of whoever asks."""
        catalog = collections.defaultdict(list)
        for number, (type_, region, interface, path) in enumerate(self.urls):
            catalog[type_].append({
                'id': str(number), 'interface': interface, 'region': region,
                'region_id': region, 'url': self.url + path})
        return {'token': {
            'expires_at': '2999-01-01T00:00:00.000000Z',
            'issued_at': '2020-01-01T00:00:00.000000Z',
            'methods': ['password'],
            'roles': [{'id': name, 'name': name} for name in self.roles],
            'user': {'id': 'u', 'name': 'operator',
                     'domain': {'id': 'default', 'name': 'Default'}},
            'project': {'id': PROJECT, 'name': 'demo',
                        'domain': {'id': 'default', 'name': 'Default'}},
            'catalog': [{'type': type_, 'id': type_, 'name': type_,
                         'endpoints': found}
                        for type_, found in catalog.items()]}}

    def answer(self, handler):
        """Answer a request to a service."""
        handler.rfile.read(int(handler.headers['Content-Length']))
        with self._lock:
            turn = self.turns[len(self.asked) % len(self.turns)]
            self.asked.append(
                (handler.command, handler.path, dict(handler.headers)))
            self.connections.add(handler.client_address)
        turn(handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        if self.path != '/identity/v3/auth/tokens':
            self.balancer.answer(self)
            return
        self.rfile.read(int(self.headers['Content-Length']))
        send(self, 201, json.dumps(self.balancer.token()).encode(),
             {'X-Subject-Token': 'swordfish'})

    def do_PUT(self):
        self.balancer.answer(self)

    def log_message(self, *arguments):
        pass


def send(handler, status, body, headers=()):
    """Send an answer."""
    handler.send_response(status)
    for name, value in dict(headers).items():
        handler.send_header(name, value)
    handler.send_header('Content-Length', str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def service_of(handler):
    """Return the service that a request is for."""
    return next(each for each in SERVICES
                if handler.path.endswith(each.path))


def with_guard(handler):
    """Answer as a guard does."""
    send(handler, *refusal(service_of(handler)))


def without_guard(handler):
    """Answer as a service without a guard does."""
    send(handler, *rejection(service_of(handler)))


def with_status(status, headers=()):
    """Return what answers with a status."""
    def answer(handler):
        send(handler, status, b'<html>', headers)

    return answer


def endless(status, headers=()):
    """Return what answers with a status, and more than anyone wants."""
    def answer(handler):
        handler.send_response(status)
        for name, value in dict(headers).items():
            handler.send_header(name, value)
        handler.send_header('Content-Length', str(ENDLESS))
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(ENDLESS // 65536):
                handler.wfile.write(b' ' * 65536)
            handler.balancer.read_to_the_end = True

    return answer


def too_long(handler):
    """Answer as a guard does, with more space behind it than is read."""
    status, body = refusal(service_of(handler))
    send(handler, status, body + b' ' * sending.LIMIT)


def trickle(handler):
    """Send the last bytes one by one, for longer than the client waits."""
    status, body = refusal(service_of(handler))
    handler.send_response(status)
    handler.send_header('Content-Length', str(len(body) + 40))
    handler.end_headers()
    handler.wfile.write(body)
    with contextlib.suppress(OSError):
        for _ in range(40):
            handler.balancer.stop.wait(0.05)
            handler.wfile.write(b' ')


def broken_off(handler):
    """Promise more than there is."""
    status, body = refusal(service_of(handler))
    handler.send_response(status)
    handler.send_header('Content-Length', str(len(body) + 1))
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = True


def hang(handler):
    """Do not answer."""
    handler.balancer.stop.wait()
    handler.close_connection = True


def hang_up(handler):
    """Close the connection without an answer."""
    handler.close_connection = True


@pytest.fixture
def balancer(monkeypatch):
    """Return a Balancer, with the environment of its operator."""
    for name in list(os.environ):
        if name.startswith('OS_'):
            monkeypatch.delenv(name)
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with Balancer().served() as balancer:
        for name, value in {
                'AUTH_TYPE': 'v3password', 'USERNAME': 'operator',
                'AUTH_URL': f'{balancer.url}/identity/v3',
                'PASSWORD': 'passw0rd', 'PROJECT_NAME': 'demo',
                'USER_DOMAIN_NAME': 'Default', 'PROJECT_DOMAIN_NAME':
                    'Default', 'CLIENT_CONFIG_FILE': os.devnull}.items():
            monkeypatch.setenv(f'OS_{name}', value)
        yield balancer
        balancer.stop.set()


@pytest.fixture
def sent(balancer):
    """Return f(turns, count, timeout): what Nova has responded."""
    def sent(*turns, count=8, timeout=None, url=None):
        balancer.turns = turns
        session = sessions.Session(
            auth=token_endpoint.Token('http://unused', 'swordfish'),
            timeout=timeout)
        return sending.Sender(session, KEY).probe(
            endpoints.Endpoint(NOVA, '', url or balancer.url), count)

    return sent


def test_each_request_has_a_connection_of_its_own(sent, balancer):
    assert sent(with_guard, count=12).counts == {'guarded': 12}
    assert len(balancer.connections) == len(balancer.asked) == 12


def test_one_host_without_a_guard_behind_a_balancer_is_found(sent):
    tally = sent(*[with_guard] * 7, without_guard, count=16)
    assert tally.counts == {'guarded': 14, 'not guarded': 2}
    assert tally.result == responses.Result.PARTLY_GUARDED


@pytest.mark.parametrize('turn, answer', [
    (endless(200), '200'),
    (endless(403), '403'),
    (endless(400), '400'),
    (endless(302, {'Location': '/elsewhere'}), '302'),
    (with_status(301, {'Location': 'http://192.0.2.1/'}), '301'),
    (with_status(307, {'Location': 'http://['}), '307'),
    (with_status(403, {'Content-Encoding': 'gzip'}), '403'),
    (with_status(401), '401'),
    (broken_off, '403'),
    (too_long, '403'),
])
def test_a_hostile_answer_is_unknown(sent, balancer, turn, answer):
    tally = sent(turn, count=2)
    assert tally.counts == {answer: 2}
    assert tally.result == responses.Result.UNKNOWN
    assert not balancer.read_to_the_end


@pytest.mark.parametrize('turn, answer', [
    (hang, responses.TIMEOUT), (hang_up, responses.NO_CONNECTION),
    (with_status(503), '503'), (with_status(504), '504')])
def test_an_endpoint_that_does_not_respond_is_soon_given_up(
        sent, balancer, turn, answer):
    tally = sent(turn, count=1000, timeout=0.2)
    assert tally.counts == {answer: sending.GIVE_UP}
    assert len(balancer.asked) == sending.GIVE_UP
    assert tally.result == responses.Result.DOWN


def test_an_answer_that_trickles_is_read_for_a_limited_time(sent):
    tally = sent(trickle, count=1, timeout=0.3)
    assert tally.counts == {'403': 1}


def test_a_host_without_tls_is_down(sent, balancer):
    tally = sent(with_guard, count=1,
                 url=balancer.url.replace('http:', 'https:'))
    assert tally.counts == {responses.TLS_ERROR: 1}
    assert tally.result == responses.Result.DOWN


def test_an_endpoint_that_responds_at_times_is_probed_to_the_end(sent):
    tally = sent(*[with_guard] * 19, with_status(502), count=40)
    assert tally.counts == {'guarded': 38, '502': 2}
    assert tally.result == responses.Result.DOWN


def test_the_default_meets_a_process_that_gets_one_request_in_sixteen():
    assert (15 / 16) ** sending.REQUESTS < 1 / 1000
    assert (15 / 16) ** (sending.REQUESTS - 1) > 1 / 1000
    assert sending.share(sending.REQUESTS) == 16
    assert sending.share(sending.REQUESTS - 1) == 15
    assert sending.share(1) == 1


# Endpoints.

def usage_error(capsys, argument):
    """Run the command, which refuses an argument; return what it says."""
    with pytest.raises(SystemExit) as end:
        shell.main(['probe', argument])
    assert end.value.code == outcome.USAGE
    return capsys.readouterr().err


@pytest.mark.parametrize('argument, url', [
    ('compute=http://host:8774', 'http://host:8774/v2.1'),
    ('compute=http://host:8774/', 'http://host:8774/v2.1'),
    ('compute=https://host/compute/v2.1', 'https://host/compute/v2.1'),
    ('compute=http://host:8774/v2', 'http://host:8774/v2'),
    ('compute=http://v2.1/', 'http://v2.1/v2.1'),
    ('volume=http://host:8776', 'http://host:8776/v3'),
    ('volume=http://host:8776/v3/7000', 'http://host:8776/v3/7000'),
    ('network=http://[2001:db8::1]:9696', 'http://[2001:db8::1]:9696/v2.0'),
])
def test_a_url_is_that_of_an_api(argument, url):
    assert endpoints.from_argument(argument).url == url


@pytest.mark.parametrize('argument', [
    '', 'compute', 'compute=', 'compute=host:8774', 'compute=http://',
    'compute=ftp://host', 'compute=http://[', 'compute=http://host:port',
    'compute=http://user:secret@host', 'compute=http://host?x=secret',
    'compute=http://host#x', 'volume=http://host/v2', 'nova=http://host',
    'image=http://host', '--url'])
def test_what_is_no_url_of_a_service_is_a_usage_error(argument, capsys):
    said = usage_error(capsys, f'--url={argument}')
    assert 'error: argument --url:' in said
    assert 'secret' not in said and 'Traceback' not in said


def listed(service, *entries, region=None, interface='public'):
    """Return (region, URL) of what is found in a catalog of entries."""
    catalog = service_catalog.ServiceCatalogV3([
        {'type': type_, 'name': type_, 'id': type_, 'endpoints': [
            {'id': url, 'interface': of, 'region': where,
             'region_id': where, 'url': url}]}
        for type_, where, of, url in entries])
    return [(each.region, each.url) for each in endpoints.from_catalog(
        catalog, service, interface, region)]


def test_the_catalog_names_each_endpoint_once():
    """Cinder is often in it by two types, and with the project's id."""
    url = 'http://host/v3/7000'
    assert listed(
        CINDER, ('volumev3', 'One', 'public', url),
        ('block-storage', 'One', 'public', url),
        ('volumev2', 'One', 'public', 'http://host/v2/7000'),
        ('volume', 'One', 'public', 'http://host/v1/7000'),
        ('compute', 'One', 'public', 'http://nova/v2.1'),
    ) == [('One', url)]


def test_regions_and_interfaces_are_told_apart():
    entries = [
        ('network', region, interface, f'http://{interface}.{region}')
        for region in ('two', 'one') for interface in ('public', 'internal')]
    assert listed(NEUTRON, *entries) == [
        ('one', 'http://public.one/v2.0'), ('two', 'http://public.two/v2.0')]
    assert listed(NEUTRON, *entries, region='two', interface='internal') == [
        ('two', 'http://internal.two/v2.0')]


# The command.

def probe(capsys, *arguments):
    """Run the command; return exit code, rows and standard error."""
    status = shell.main(['probe', '-f', 'json', *arguments])
    printed = capsys.readouterr()
    assert 'Traceback' not in printed.err
    assert 'swordfish' not in printed.out + printed.err
    return status, json.loads(printed.out or '[]'), printed.err


@pytest.mark.parametrize('url', [
    'host:8774', 'ftp://host', '//', '/v2.1', 'http://[', 'http://host:port',
    'http://user:secret@host'])
def test_a_catalog_without_a_url_is_reported(balancer, capsys, url):
    balancer.urls = [('compute', 'One', 'public', url)]
    balancer.url = ''
    status, rows, said = probe(capsys)
    assert (status, rows) == (REFUSED, [])
    assert said == ('the catalog has an endpoint of Nova with a URL that is '
                    'not the URL of an API\n')


def test_all_that_is_guarded_is_ok(balancer, capsys):
    balancer.turns = [with_guard]
    status, rows, said = probe(capsys)
    assert status == outcome.OK
    assert rows == [
        {'Service': each.name, 'Region': 'One', 'Result': 'guarded',
         'Endpoint': f'{balancer.url}/{each.service_type}/{each.versions[0]}',
         'Guarded': sending.REQUESTS, 'Not Guarded': 0, 'Other': {}}
        for each in SERVICES]
    assert said == (
        '108 requests to each endpoint: a process that gets 1 in 16 of them '
        'is missed in less than 1 of 1000 runs.\n')


def test_what_is_not_guarded_is_a_finding(balancer, capsys):
    balancer.turns = [without_guard]
    status, rows, said = probe(capsys, '--service', 'volume', '--requests',
                               '3')
    assert status == outcome.NOT_OK
    row, = rows
    assert (row['Service'], row['Result'], row['Not Guarded']) == (
        'Cinder', 'not guarded', 3)
    assert 'off, in audit mode or has another metadata_key' in said


@pytest.mark.parametrize('turns, status', [
    ([with_status(403)], outcome.NOT_OK),
    ([with_guard, with_status(404)], outcome.NOT_OK),
    ([with_status(503)], DOWN),
    ([with_guard, with_status(503)], DOWN),
    ([without_guard, with_status(503)], outcome.NOT_OK),
])
def test_the_exit_code_tells_findings_from_a_service_that_is_down(
        balancer, capsys, turns, status):
    balancer.turns = turns
    found, rows, said = probe(capsys, '--service', 'network', '--requests',
                              '4')
    assert found == status
    assert sum(rows[0]['Other'].values()) >= 2


def test_a_finding_counts_more_than_an_endpoint_that_is_down(
        balancer, capsys):
    balancer.turns = [without_guard]
    status, rows, _ = probe(
        capsys, '--requests', '1', '--url', 'volume=http://127.0.0.1:1',
        '--url', f'compute={balancer.url}')
    assert status == outcome.NOT_OK
    assert [row['Result'] for row in rows] == ['down', 'not guarded']


def test_other_answers_are_in_the_table_with_their_number(balancer, capsys):
    balancer.turns = [with_guard, with_status(302), with_status(404)]
    shell.main(['probe', '--service', 'compute', '--requests', '6'])
    row = capsys.readouterr().out.splitlines()[3]
    assert [cell.strip() for cell in row.split('|')[4:-1]] == [
        'unknown', '2', '0', '302 (2), 404 (2)']


def test_each_request_names_itself_and_nothing_real(balancer, capsys):
    balancer.turns = [with_guard]
    probe(capsys, '--requests', '1')
    assert [(method, path) for method, path, _ in balancer.asked] == [
        ('POST', f'/compute/v2.1/servers/{requested.PROBE_ID}/metadata'),
        ('POST', f'/block-storage/v3/volumes/{requested.PROBE_ID}/metadata'),
        ('PUT', f'/network/v2.0/ports/{requested.PROBE_ID}/tags')]
    for _, _, headers in balancer.asked:
        assert headers['X-OpenStack-Request-ID'] == (
            f'req-{requested.PROBE_ID}')


def test_the_marker_is_the_one_that_is_given(balancer, capsys):
    balancer.turns = [
        lambda handler: send(handler, *refusal(NOVA, 'other_key'))]
    of_nova = '--service', 'compute', '--requests', '1'
    assert probe(capsys, *of_nova)[0] == outcome.NOT_OK
    assert probe(capsys, *of_nova, '--metadata-key', 'other_key')[0] == (
        outcome.OK)


def test_the_trove_admins_credentials_are_refused(balancer, capsys):
    balancer.roles = ['admin', 'trove_admin']
    status, rows, said = probe(capsys)
    assert (status, rows, balancer.asked) == (REFUSED, [], [])
    assert said == ('these credentials have the role trove_admin, which the '
                    'guard lets pass: use any others\n')


@pytest.mark.parametrize('arguments, regions', [
    (('--os-region-name', 'Two'), ['Two']),
    (('--os-region-name', 'Two', '--all-regions'), ['One', 'Two']),
    ((), ['One', 'Two'])])
def test_regions_are_those_of_the_credentials_or_all(
        balancer, capsys, arguments, regions):
    balancer.turns = [with_guard]
    balancer.urls += [(each, 'Two', interface, f'/two{path}')
                      for each, _, interface, path in balancer.urls]
    _, rows, _ = probe(capsys, '--requests', '1', *arguments)
    assert [(row['Region'], row['Service']) for row in rows] == [
        (region, each.name) for region in regions for each in SERVICES]


def test_the_interface_is_that_of_the_clients_options(balancer, capsys):
    balancer.turns = [with_guard]
    balancer.urls = [('compute', 'One', 'public', '/public'),
                     ('compute', 'One', 'internal', '/internal')]
    _, rows, _ = probe(capsys, '--requests', '1', '--service', 'compute',
                       '--os-interface', 'internal')
    assert [row['Endpoint'] for row in rows] == [
        f'{balancer.url}/internal/v2.1']


def test_a_service_that_is_not_in_the_catalog_is_named(balancer, capsys):
    balancer.turns = [with_guard]
    del balancer.urls[1]
    status, rows, said = probe(capsys, '--requests', '1', '--os-region-name',
                               'One')
    assert status == outcome.OK
    assert [row['Service'] for row in rows] == ['Nova', 'Neutron']
    assert said.startswith('Cinder is not probed: the catalog has no '
                           'endpoint of Cinder in region One.\n')


@pytest.mark.parametrize('arguments, message', [
    (('--service', 'volume'), 'the catalog has no endpoint of Cinder\n'),
    (('--os-region-name', 'None'),
     'the catalog has no endpoint to probe\n')])
def test_nothing_probed_is_not_ok(balancer, capsys, arguments, message):
    del balancer.urls[1]
    status, rows, said = probe(capsys, *arguments)
    assert (status, rows) == (REFUSED, [])
    assert said.endswith(message)


def test_single_hosts_are_probed_in_place_of_the_catalogs(balancer, capsys):
    balancer.turns = [with_guard]
    status, rows, _ = probe(
        capsys, '--requests', '2', '--url', f'compute={balancer.url}/1',
        '--url', f'network={balancer.url}/2')
    assert status == outcome.OK
    assert [(row['Service'], row['Region'], row['Endpoint'])
            for row in rows] == [
        ('Nova', '', f'{balancer.url}/1/v2.1'),
        ('Neutron', '', f'{balancer.url}/2/v2.0')]


@pytest.mark.parametrize('more', [
    ('--service', 'compute'), ('--all-regions',)])
def test_single_hosts_are_not_chosen_twice(balancer, capsys, more):
    status, rows, said = probe(
        capsys, '--url', 'compute=http://127.0.0.1', *more)
    assert (status, rows, balancer.asked) == (REFUSED, [], [])
    assert '--url names what to probe' in said


@pytest.mark.parametrize('number', ['0', '-1', 'many', '1.5', ''])
def test_no_requests_are_a_usage_error(number, capsys):
    assert 'is not a positive number' in usage_error(
        capsys, f'--requests={number}')


def test_a_host_without_any_of_the_services_can_probe():
    done = subprocess.run(
        [sys.executable, '-c', 'import sys\n'
         'from nova_trove_guard.cmd import shell\n'
         'assert shell.main(["probe", "--help"]) == 0\n'
         'print([name for name in ("nova", "cinder", "neutron", "trove") '
         'if name in sys.modules])'], text=True, capture_output=True)
    assert done.stdout.splitlines()[-1] == '[]', done.stderr
