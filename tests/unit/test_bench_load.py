# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of load and attack do without a cloud."""

import collections
import contextlib
import http.server
import itertools
import threading
import time
from xml.etree import ElementTree

import pytest

from tests.bench import attack
from tests.bench import clients
from tests.bench import load
from tests.bench import measure
from tests.bench import plot


def answers(*milliseconds, kind=load.READS, unexpected=()):
    """Return Answers with some latencies, in a slice of a second."""
    return clients.Answers(
        {kind: [each / 1e3 for each in milliseconds]},
        {kind: len(milliseconds)}, collections.Counter(unexpected))


def all_kinds(milliseconds):
    """Return Answers with requests of each kind of the load's."""
    return clients.together(
        [answers(*milliseconds, kind=kind) for kind in load.SHARES])


def test_sides_take_turns_and_each_begins_as_often():
    assert list(itertools.islice(clients.turns(3), 6)) == [
        (0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 1)]


def test_each_side_is_measured_as_long_as_asked_after_a_warm_up():
    asked = []

    def measure_slice(side, pair, seconds):
        asked.append((side, pair, seconds))
        return side, pair

    assert clients.compare(measure_slice, 30) == (
        [(0, 0), (0, 1), (0, 2)], [(1, 0), (1, 1), (1, 2)])
    assert sum(seconds for side, pair, seconds in asked
               if side == 0 and pair >= 0) == 30
    assert asked[:2] == [(0, -1, 10), (1, -1, 10)]


def test_percentiles_are_those_of_all_slices_together():
    slices = [answers(*range(50)), answers(*range(50, 101))]
    assert clients.percentile(slices, 99) == pytest.approx(0.099)
    assert clients.percentile(slices, 50) == pytest.approx(0.050)
    assert clients.rate(slices) == 50.5


def test_percentiles_of_a_kind_leave_out_other_kinds():
    both = clients.together([
        answers(1, 1), answers(9, 9, kind=load.MANAGED)])
    assert clients.percentile([both], 50, load.READS) == 0.001
    assert clients.rate([both], load.MANAGED) == 2
    assert clients.rate([both]) == 4


def test_the_spread_of_equal_slices_is_their_ratio():
    sides = [answers(1, 1)] * 4, [answers(2, 2)] * 4
    assert clients.spread(
        lambda slices: clients.percentile(slices, 50), sides) == (2, 2)


def test_the_spread_contains_the_ratio_of_noisy_slices():
    sides = ([answers(*[1] * each) for each in (90, 100, 110, 95)],
             [answers(*[1] * each) for each in (100, 95, 105, 100)])
    lowest, highest = clients.spread(clients.rate, sides)
    assert lowest < clients.ratio(clients.rate, sides) < highest


def test_a_client_s_mix_has_the_shares_of_the_load():
    weights = collections.Counter()
    for ask in load.mix(['a', 'b', 'c'], ['d', 'e']):
        weights[ask.kind] += ask.weight
    assert weights == pytest.approx(load.SHARES)


class _Server(http.server.BaseHTTPRequestHandler):
    """Answers, and closes the connection without saying so."""

    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.server.paths.append(self.path)
        self.send_response(404 if 'missing' in self.path else 200)
        self.send_header('Content-Length', '0')
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served():
    """Yield a server, which notes paths."""
    with http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), _Server) as server:
        server.paths = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_clients_send_their_requests_and_count_unexpected_answers():
    with served() as server, clients.Crew(2) as crew:
        url = f'http://127.0.0.1:{server.server_address[1]}/v2'
        first, second = crew.drive([
            clients.Client(url, {}, (clients.Ask(
                'kind', 1, 'GET', path),), 'seed')
            for path in ('/{unknown}', '/missing')], 0.3)
        paths = set(server.paths)
    number = len(first.latencies['kind'])
    assert number > 1
    assert not first.unexpected
    assert second.unexpected == {
        'kind: GET /missing: 404': len(second.latencies['kind'])}
    # Each with another id.
    assert len(paths) == number + 1
    assert '/v2/missing' in paths


def test_a_request_without_an_answer_is_unexpected():
    with served() as server:
        url = f'http://127.0.0.1:{server.server_address[1]}'
    answers = clients.drive(clients.Client(url, {}, (clients.Ask(
        'kind', 1, 'GET', '/x'),), 'seed'), time.monotonic(), 0.1)
    assert set(answers.unexpected) == {'kind: GET /x: 0'}


def test_what_is_slower_with_the_guard_than_twice_without_misses_the_aims():
    usual, slow = (all_kinds([10] * number) for number in (100, 90))
    aims = {aim.name: aim.is_met for aim in load.result(
        ([usual] * 4, [usual] * 4), ([usual] * 4, [slow] * 4)).aims}
    assert aims == {
        'throughput: guard / Nova': False,
        'throughput: within that of the same twice': False,
        '99th percentile: guard / Nova': True,
        '99th percentile: within that of the same twice': True,
        'unexpected answers': True}


def test_an_unexpected_answer_misses_an_aim_and_is_named():
    usual = all_kinds([10, 20])
    strange = clients.together([usual, answers(
        10, unexpected={'GET /x: 500': 1})])
    result = load.result(
        ([usual] * 4, [usual] * 4), ([usual] * 4, [strange] * 4))
    assert [aim.name for aim in result.aims if not aim.is_met] == [
        'unexpected answers']
    assert result.rows[-1] == measure.Row(
        'unexpected answers: GET /x: 500', 4, '')


def test_each_attack_fits_into_the_body_that_the_service_takes():
    for each in attack.attacks(['managed'], 'flavor'):
        most = (attack.NETWORK_BODY_BYTES if each.service == 'neutron'
                else attack.BODY_BYTES)
        assert each.asks
        for ask in each.asks:
            assert len(ask.body or '') <= most
            if each.name.startswith('thousands'):
                assert ask.body.count(',') > 1000
            if each.name == 'largest bodies':
                assert len(ask.body) > 0.9 * most


def test_an_attack_that_the_guard_makes_dearer_misses_its_aim():
    def sides(*milliseconds):
        return [[answers(each, each, kind=attack.VICTIM)] * 2
                for each in milliseconds]

    usual, dearer = attack.attacks(['managed'], 'flavor')[:2]
    aims = attack.result({usual: sides(10, 10), dearer: sides(10, 12)}).aims
    assert [aim.name for aim in aims if not aim.is_met] == [
        'nova, unknown ids: median, guard / alone',
        '99th percentile, guard / alone, geometric mean of all']


def test_the_lines_of_a_plot_are_the_series():
    svg = ElementTree.fromstring(plot.lines(measure.Result(
        'title', [], [], {'guard': [1, 2, 4], 'Nova alone': [4, 4, 4]})))
    paths = [each for each in svg if each.tag.endswith('path')]
    assert [(path.get('class'), path.get('d')) for path in paths] == [
        ('guard', 'M0.0 280.0 L300.0 200.0 L600.0 40.0'),
        ('other', 'M0.0 40.0 L300.0 40.0 L600.0 40.0')]
