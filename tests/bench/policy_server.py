# SPDX-License-Identifier: Apache-2.0
"""(4) Next to oslo.policy's http: check, which asks a policy server.

The policy server is on loopback, in a process of its own, and says True to
everything. A real one would have to look up the server, as the guard does.
"""

import contextlib
import subprocess
import sys

from oslo_config import cfg
from oslo_policy import opts as policy_opts
from oslo_policy import policy

from tests.bench import cloud
from tests.bench import measure

CALLS = 20

SERVER = '''
import cheroot.wsgi

def application(environ, start_response):
    environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Type', 'application/json'),
                              ('Content-Length', '4')])
    return [b'True']

server = cheroot.wsgi.Server(('127.0.0.1', 0), application)
server.prepare()
print(server.bind_addr[1], flush=True)
server.serve()
'''


@contextlib.contextmanager
def _listening():
    """Yield the port of a policy server."""
    with subprocess.Popen([sys.executable, '-c', SERVER], text=True,
                          stdout=subprocess.PIPE) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _check(port):
    """Return a function that asks the policy server."""
    conf = cfg.ConfigOpts()
    conf([])
    policy_opts._register(conf)
    enforcer = policy.Enforcer(conf, use_conf=False)
    enforcer.set_rules(policy.Rules.from_dict(
        {'stop': f'http://127.0.0.1:{port}/%(server_id)s'}), use_conf=False)
    credentials = {'user_id': 'user', 'project_id': 'project',
                   'roles': ['member', 'reader']}
    target = {'server_id': '0c1d2a3b-1111-4111-8111-000000000001'}

    def ask():
        if not enforcer.enforce('stop', target, credentials):
            raise RuntimeError('the policy server refuses')

    return ask


def run():
    """Return the Result."""
    with cloud.running() as here, _listening() as port:
        _, fresh = here.call(cloud.WRITE, here.free)
        guarding = cloud.guarding(cloud.answer)
        times = measure.medians({
            'guard': lambda: cloud.status(guarding, fresh()),
            'http: check of oslo.policy': _check(port)}, CALLS)
    guard, check = times.values()
    return measure.Result(
        'Next to a policy server',
        [measure.Row(*row) for row in times.items()],
        [measure.Aim('http: check / guard', check / guard, 1,
                     at_most=False)])
