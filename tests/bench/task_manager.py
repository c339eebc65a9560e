# SPDX-License-Identifier: Apache-2.0
"""A reconciler of Trove's task manager, and Trove's database.

In a process of its own: Trove and Nova register options of the same names.
"""

import collections
import json
import logging
import re
import time

from keystoneauth1 import token_endpoint
from oslo_db.sqlalchemy import enginefacade
import oslo_messaging
from trove.db import get_db_api
from trove.db.sqlalchemy import session as trove_session
from trove.instance import models
from trove.instance import tasks
from trove import rpc

from nova_trove_guard.trove import compute
from nova_trove_guard.trove import events
from nova_trove_guard.trove import instances
from nova_trove_guard.trove import opts
from nova_trove_guard.trove import reconciler
from nova_trove_guard.trove import sessions
from nova_trove_guard.trove import windows
from tests.bench import fleet

SERVER = '0c1d2a3b-cccc-4ccc-8ccc-00000000000c'
# Calls to Nova, by what the path ends in.
KINDS = {'/servers/detail': 'list', '/os-instance-actions': 'actions',
         '/tags/[^/]+': 'tag', '/servers/[^/]+': 'show'}


class Session(sessions.ServiceSession):
    """Counts calls to Nova.

    :ivar calls: their number by kind
    :ivar seconds: how long they took, by kind
    """

    def __init__(self, **arguments):
        super().__init__(insecure=False, **arguments)
        self.calls = collections.Counter()
        self.seconds = collections.Counter()

    def request(self, url, method, **kwargs):
        """Send a request, and count it."""
        kind = next((kind for end, kind in KINDS.items()
                     if re.search(f'{end}$', url)), None)
        if kind is None:
            kind, = kwargs['json']
        begin = time.perf_counter()
        try:
            return super().request(url, method, **kwargs)
        finally:
            self.calls[kind] += 1
            self.seconds[kind] += time.perf_counter() - begin


class LastLine(logging.Handler):
    """Keeps what was logged last.

    :ivar text: without time and level
    """

    text = None

    def emit(self, record):
        """Keep a record."""
        self.text = record.getMessage()


def create(url, count):
    """Fill an empty database of Trove's; print the codes of tasks by name."""
    _connect(url)
    get_db_api().db_sync({'database': {'connection': url}})
    trove_session.configure_db()
    row = models.DBInstance.create(
        name='database', task_status=tasks.InstanceTasks.NONE,
        tenant_id='project', compute_instance_id=SERVER, hostname='database',
        flavor_id='trove', volume_size=1, region_id='One')
    fleet.copy(url, SERVER, row.id, range(count))
    row.delete()
    print(json.dumps({task.action: task.code for task in (
        tasks.InstanceTasks.NONE, tasks.InstanceTasks.RESIZING)}))


def reconcile(nova, token, url, log, run_seconds, page):
    """Run a reconciler until it locks no more; print what each run takes.

    :param nova: the URL of the Compute API
    :param url: of Trove's database
    :param log: the path of the log
    :param run_seconds: after how many seconds a run ends
    :param page: how many servers to list in one call
    """
    compute.PAGE = page
    last_line = _log_to(log)
    conf = opts.register(models.CONF)
    _connect(url)
    trove_session.configure_db()
    # A message bus in this process would keep each notification.
    rpc.NOTIFIER = oslo_messaging.Notifier(
        oslo_messaging.get_notification_transport(models.CONF, url='fake:/'),
        driver='noop')
    session = Session(auth=token_endpoint.Token(nova, token),
                      timeout=conf.lock_timeout)
    region = compute.Compute(session, False, conf.metadata_key,
                             service_type='compute')
    reports = events.Events(instances.save_fault)
    one = reconciler.Reconciler(
        region, windows.Windows(region, reports, conf.lock_timeout,
                                conf.unlock_timeout),
        reports, conf.unlock_timeout, run_seconds)
    before = _resident('VmRSS')
    with open('/proc/self/clear_refs', 'w') as file:
        # So that VmHWM begins again (proc(5)).
        file.write('5')
    while True:
        begin, own = time.perf_counter(), time.process_time()
        one.run()
        print(json.dumps({
            'seconds': time.perf_counter() - begin,
            'own_seconds': time.process_time() - own,
            'calls': session.calls, 'in_nova': session.seconds,
            'log': last_line.text,
            'memory': _resident('VmHWM') - before}), flush=True)
        if not session.calls['lock']:
            return
        session.calls.clear()
        session.seconds.clear()
        last_line.text = None


def _connect(url):
    """Connect Trove's code to a database."""
    database = enginefacade.transaction_context()
    database.configure(connection=url)
    trove_session._FACADE = database.writer


def _log_to(path):
    """Log as a task manager does; return the LastLine of the reconciler."""
    logging.basicConfig(
        filename=path, level=logging.INFO, force=True,
        format='%(asctime)s %(levelname)s %(name)s %(message)s')
    line = LastLine(logging.INFO)
    logger = logging.getLogger(reconciler.__name__)
    logger.addHandler(line)
    return line


def _resident(name):
    """Return a value of /proc/self/status, in bytes."""
    with open('/proc/self/status') as file:
        return 1024 * int(re.search(rf'{name}:\s+(\d+)', file.read())[1])
