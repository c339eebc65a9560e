# SPDX-License-Identifier: Apache-2.0
"""(5) Requests a second over HTTP, with and without the guard.

Two web servers (cheroot) in processes of their own, each with Nova's whole
pipeline and databases. Of ten calls, nine read a server and one changes it.
They take turns call by call, so that a machine which is faster now than then
is so for all.
"""

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import time

import cheroot.wsgi

from tests.bench import cloud
from tests.bench import measure

REQUESTS = 50
ROUNDS = 31
READS = 9
# What stands in nova.conf, by name.
OPTIONS = {
    'without the guard': '',
    'with the guard': '[trove_guard]\ntrove_managed_instances = true\n'}


def serve(options):
    """Serve Nova's API, and say where and what is there, in JSON."""
    with cloud.running(options) as here:
        # Connections stay while the other server is measured.
        server = cheroot.wsgi.Server(('127.0.0.1', 0), here.api.app,
                                     timeout=600)
        server.prepare()
        print(json.dumps([server.bind_addr[1], here.free, here.token()]),
              flush=True)
        server.serve()


@contextlib.contextmanager
def _client(options):
    """Yield a function that sends a request and returns the seconds it took.

    Its argument is the number of the request, which tells what it asks.
    """
    with subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c',
             'import sys; from tests.bench import throughput; '
             'throughput.serve(sys.argv[1])', options],
            text=True, stdout=subprocess.PIPE) as process:
        try:
            port, server_id, token = json.loads(process.stdout.readline())
            connection = http.client.HTTPConnection('127.0.0.1', port)
            headers = {'X-Auth-Token': token,
                       'Content-Type': 'application/json'}
            method, path, body = cloud.WRITE
            server = f'/v2.1/servers/{server_id}'
            content = json.dumps(body)

            def send(number):
                begin = time.perf_counter()
                if number % (READS + 1):
                    connection.request('GET', server + '/metadata',
                                       headers=headers)
                else:
                    connection.request(method, server + path, content,
                                       headers)
                answer = connection.getresponse()
                answer.read()
                seconds = time.perf_counter() - begin
                if answer.status != 200:
                    raise RuntimeError(f'answered {answer.status}')
                return seconds

            yield send
        finally:
            process.terminate()


def run():
    """Return the Result."""
    with contextlib.ExitStack() as stack:
        clients = {name: stack.enter_context(_client(options))
                   for name, options in OPTIONS.items()}
        for send in clients.values():
            for number in range(REQUESTS):
                send(number)
        rates = {name: [] for name in clients}
        for _ in range(ROUNDS):
            seconds = dict.fromkeys(clients, 0)
            for number in range(REQUESTS):
                # Neither always comes first.
                for name in sorted(clients, reverse=number // (READS + 1) % 2):
                    seconds[name] += clients[name](number)
            for name, taken in seconds.items():
                rates[name].append(REQUESTS / taken)
    without, guarded = rates.values()
    return measure.Result(
        'Throughput of the whole pipeline, over HTTP',
        [measure.Row(name, statistics.median(each), 'requests/s')
         for name, each in rates.items()],
        [measure.Aim('with / without', statistics.median(
            one / other for one, other in zip(guarded, without)),
            0.99, at_most=False)])
