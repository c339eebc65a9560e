# SPDX-License-Identifier: Apache-2.0
"""What the guard decided, for those who watch it: a log line, a CADF event.

Each refusal, each call that would be refused but for the mode, and each use of
break-glass is told, in the log by one line and on the message bus by one
event. Neither has room for tokens, bodies or query strings: they are made of a
Decision, which has none.
"""

import dataclasses
import datetime
import enum
import queue
import socket
import threading
import time
import urllib.parse

from oslo_log import log as logging
from pycadf import attachment
from pycadf import cadftaxonomy
from pycadf import event as cadf
from pycadf import reason
from pycadf import resource
from pycadf import timestamp
import webob.exc

from nova_trove_guard.core import principals
from nova_trove_guard.nova import operations

LOG = logging.getLogger(__name__)

CAPACITY = 1000
SECONDS_BETWEEN_COMPLAINTS = 60


class Outcome(enum.StrEnum):
    """What becomes of a request."""

    NOT_MANAGED = enum.auto()
    NOT_FOUND = enum.auto()
    NOVA_REFUSES = enum.auto()
    ALLOWED = enum.auto()
    BREAK_GLASS = enum.auto()
    REFUSED = enum.auto()
    WOULD_REFUSE = enum.auto()


# How a request ends that is to be refused, by the guard's mode.
REFUSALS = {'enforce': Outcome.REFUSED, 'audit': Outcome.WOULD_REFUSE}

# How a request ends that is passed on, by the guard's mode.
_PASSING = frozenset(Outcome) - {Outcome.REFUSED}
PASSING = {'enforce': _PASSING - {Outcome.NOT_FOUND}, 'audit': _PASSING}

TOLD = frozenset((Outcome.BREAK_GLASS, Outcome.REFUSED, Outcome.WOULD_REFUSE))


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What the guard decided about a request.

    :ivar operation: the name of the Operation
    :ivar request_id: Nova's id of the request, None where it has none
    :ivar principal: the Principal, None where nobody is verified
    :ivar server_id: the id of the server, None where that is not known
    :ivar database_instance: the marker's value, None where no managed server
        was found
    :ivar outcome: what becomes of the request
    :ivar rule: the name of the policy rule that decided, None for none
    :ivar fault: the answer of a refusal
    :ivar absent: the operations.Target of the request that is to look as if
        it did not exist, None for none (nova_trove_guard.core.absence)
    """

    operation: str
    request_id: str | None
    principal: principals.Principal | None
    server_id: str | None
    database_instance: str | None = None
    outcome: Outcome = Outcome.NOT_MANAGED
    rule: str | None = None
    fault: webob.exc.HTTPException | None = None
    absent: operations.Target | None = None

    def about(self, server):
        """Return this, about a ManagedServer."""
        return dataclasses.replace(
            self, server_id=server.uuid,
            database_instance=server.database_instance)

    def ends(self, outcome, rule=None, fault=None, absent=None):
        """Return this, with an outcome."""
        return dataclasses.replace(
            self, outcome=outcome, rule=rule, fault=fault, absent=absent)


def observers(conf, settings):
    """Return whom to tell each Decision: functions, which never raise.

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :param settings: nova_trove_guard.core.options.Settings
    :raises Exception: where audit_transport_url means nothing to
        oslo.messaging
    """
    if settings.audit_transport_url is None:
        return (log,)
    return log, Bus(_notifier(conf, settings)).tell


def log(decision):
    """Write the log line of a Decision."""
    if decision.outcome not in TOLD:
        return
    principal, fault = decision.principal, decision.fault
    fields = {
        'decision': decision.outcome,
        'request_id': decision.request_id,
        'user_id': principal and principal.user_id,
        'project_id': principal and principal.project_id,
        'service_user_id': principal and principal.service_user_id,
        'operation': decision.operation,
        'server': decision.server_id,
        'database_instance': decision.database_instance,
        'rule': decision.rule,
        'status': fault and str(fault.status_int),
    }
    LOG.warning(' '.join(f'{key}={_one_word(value)}'
                         for key, value in fields.items()))


def _one_word(value):
    # A marker from before the guard may hold anything: a line break and
    # another decision, for example.
    return urllib.parse.quote(value, safe=':-') if value else '-'


# What is asked of the server, in CADF's taxonomy; the rest updates it.
ACTIONS = dict.fromkeys(
    ('servers:delete', 'os-deferred-delete:force'), 'delete') | dict.fromkeys(
    ('os-console-output', 'os-consoles:index', 'os-consoles:show',
     'os-console-auth-tokens', 'os-server-password:show'), 'read')

OUTCOMES = {Outcome.REFUSED: cadftaxonomy.OUTCOME_FAILURE,
            Outcome.WOULD_REFUSE: cadftaxonomy.OUTCOME_PENDING,
            Outcome.BREAK_GLASS: cadftaxonomy.OUTCOME_PENDING}


def event(decision, moment):
    """Return the CADF event (dict) of a Decision.

    :param moment: when it was taken (datetime with a time zone)
    """
    who, fault = decision.principal, decision.fault
    initiator = resource.Resource(
        id=who and who.user_id or cadftaxonomy.UNKNOWN,
        typeURI=cadftaxonomy.ACCOUNT_USER)
    # Beyond CADF, as in keystonemiddleware.audit._api.ClientResource.
    initiator.project_id = who and who.project_id
    initiator.service_user_id = who and who.service_user_id
    initiator.request_id = decision.request_id
    target = resource.Resource(
        id=decision.server_id or cadftaxonomy.UNKNOWN,
        typeURI='compute/machine')
    if decision.database_instance:
        target.add_attachment(attachment.Attachment(
            typeURI='data/database/instance', name='database_instance',
            content=decision.database_instance))
    action = ACTIONS.get(decision.operation, cadftaxonomy.ACTION_UPDATE)
    told = cadf.Event(
        eventTime=moment.strftime(timestamp.TIME_FORMAT),
        action=f'{action}/{decision.operation}',
        outcome=OUTCOMES[decision.outcome],
        initiator=initiator, target=target,
        observer=resource.Resource(
            id='observer', typeURI=cadftaxonomy.CADF_AUDIT_FILTER,
            name='nova-trove-guard'),
        reason=reason.Reason(
            reasonType='HTTP' if fault else None,
            reasonCode=str(fault.status_int) if fault else None,
            policyType='oslo.policy' if decision.rule else None,
            policyId=decision.rule))
    told.add_tag(f'decision?value={decision.outcome}')
    return told.as_dict()


class Bus:
    """Sends events to a message bus, in a thread of its own.

    A bus that is down or slow must not hold up an API call: what waits is
    bounded, and what is too much for it is dropped, counted and complained
    of. The thread starts with the first event, so that each process that
    Nova forks has its own.

    :param notifier: oslo_messaging.Notifier
    """

    def __init__(self, notifier):
        self._notifier = notifier
        self._lock = threading.Lock()
        self._thread = None
        self._waiting = None
        self._dropped = 0
        self._complained = -SECONDS_BETWEEN_COMPLAINTS

    def tell(self, decision):
        """Have the event of a Decision sent, some time."""
        if decision.outcome not in TOLD:
            return
        with self._lock:
            try:
                # None is alive in a process that was forked just now.
                if self._thread is None or not self._thread.is_alive():
                    self._start()
                self._waiting.put_nowait(
                    (decision, datetime.datetime.now(datetime.UTC)))
            except (queue.Full, RuntimeError):  # or no more threads
                self._drop()

    def _start(self):
        self._waiting = queue.Queue(CAPACITY)
        self._thread = threading.Thread(
            target=self._send_all, args=(self._waiting,), daemon=True,
            name='nova-trove-guard-audit')
        self._thread.start()

    def _drop(self):
        self._dropped += 1
        now = time.monotonic()
        if now - self._complained >= SECONDS_BETWEEN_COMPLAINTS:
            self._complained = now
            LOG.error('The message bus of audit_transport_url does not take '
                      'events in time: %d dropped since this process '
                      'started.', self._dropped)

    def _send_all(self, waiting):
        while True:
            decision, moment = waiting.get()
            try:
                self._notifier.warn({}, f'trove_guard.{decision.outcome}',
                                    event(decision, moment))
            except Exception:
                LOG.exception('An audit event could not be sent.')


def _notifier(conf, settings):
    # Not where no events are wanted: it is large.
    import oslo_messaging
    transport = oslo_messaging.get_notification_transport(
        conf, url=settings.audit_transport_url)
    return oslo_messaging.Notifier(
        transport, publisher_id=f'trove_guard.{socket.gethostname()}',
        driver='messagingv2', topics=[settings.audit_topic])
