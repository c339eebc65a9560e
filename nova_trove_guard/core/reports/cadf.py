# SPDX-License-Identifier: Apache-2.0
"""Send one CADF event for each refusal, would-be refusal and break-glass.

It has no room for tokens, bodies or query strings: it is made of a Decision,
which has none.
"""

import datetime
import queue
import socket
import threading
import time
import typing

from oslo_config import cfg
from oslo_log import log as logging
from pycadf import attachment
from pycadf import cadftaxonomy
from pycadf import event as cadf
from pycadf import reason
from pycadf import resource
from pycadf import timestamp

from nova_trove_guard.core import decisions
from nova_trove_guard.core import options

LOG = logging.getLogger(__name__)

CAPACITY = 1000
SECONDS_BETWEEN_COMPLAINTS = 60

_Waiting: typing.TypeAlias = (
    'queue.Queue[tuple[decisions.Decision, datetime.datetime]]')


def event(decision: decisions.Decision, moment: datetime.datetime,
          resource_type: str) -> dict[str, typing.Any]:
    """Return the CADF event of a decision.

    :param moment: when it was taken, with a time zone
    :param resource_type: what the resource is, in CADF's taxonomy
    """
    who, fault = decision.principal, decision.fault
    initiator = resource.Resource(
        id=who and who.user_id or cadftaxonomy.UNKNOWN,
        typeURI=cadftaxonomy.ACCOUNT_USER)
    # Beyond CADF, as in keystonemiddleware.audit._api.ClientResource.
    initiator.project_id = who and who.project_id
    initiator.roles = sorted(who.roles) if who else []
    initiator.service_user_id = who and who.service_user_id
    initiator.service_roles = sorted(who.service_roles) if who else []
    initiator.request_id = decision.request_id
    target = resource.Resource(
        id=decision.resource_id or cadftaxonomy.UNKNOWN,
        typeURI=resource_type)
    target.project_id = decision.resource_project_id
    target.user_id = decision.resource_user_id
    if decision.database_instance:
        target.add_attachment(attachment.Attachment(
            typeURI='data/database/instance', name='database_instance',
            content=decision.database_instance))
    operation = decision.operation
    made = cadf.Event(
        eventTime=moment.strftime(timestamp.TIME_FORMAT),
        action=f'{operation.action}/{operation.name}',
        outcome=(cadftaxonomy.OUTCOME_FAILURE
                 if decision.outcome is decisions.Outcome.REFUSED
                 else cadftaxonomy.OUTCOME_PENDING),
        initiator=initiator, target=target,
        observer=resource.Resource(
            id='observer', typeURI=cadftaxonomy.CADF_AUDIT_FILTER,
            name='nova-trove-guard'),
        reason=reason.Reason(
            reasonType='HTTP' if fault else None,
            reasonCode=str(fault.status_int) if fault else None,
            policyType='oslo.policy' if decision.rule else None,
            policyId=decision.rule))
    made.add_tag(f'decision?value={decision.outcome}')
    event_data: dict[str, typing.Any] = made.as_dict()
    return event_data


class Notifier(typing.Protocol):
    """Put a notification on the message bus: oslo_messaging.Notifier."""

    def warn(self, ctxt: dict[str, typing.Any], event_type: str,
             payload: dict[str, typing.Any]) -> None:
        """Send it with the priority warn."""


class Bus:
    """Send events to a message bus, in a thread of its own.

    A bus that is down or slow must not hold up an API call: what waits is
    bounded, and what is too much for it is dropped, counted and complained
    of. The thread starts with the first event, so that each process that the
    service forks has its own.

    :param notifier: sends them
    :param resource_type: what the resources are, in CADF's taxonomy
    """

    def __init__(self, notifier: Notifier, resource_type: str) -> None:
        self._notifier = notifier
        self._resource_type = resource_type
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waiting: _Waiting = queue.Queue(CAPACITY)
        self._dropped = 0
        self._complained = float(-SECONDS_BETWEEN_COMPLAINTS)

    def report(self, decision: decisions.Decision) -> None:
        """Have the event of a decision sent, some time."""
        if decision.outcome not in decisions.REPORTED:
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

    def _start(self) -> None:
        self._waiting = queue.Queue(CAPACITY)
        self._thread = threading.Thread(
            target=self._send_all, args=(self._waiting,), daemon=True,
            name='nova-trove-guard-events')
        self._thread.start()

    def _drop(self) -> None:
        self._dropped += 1
        now = time.monotonic()
        if now - self._complained >= SECONDS_BETWEEN_COMPLAINTS:
            self._complained = now
            LOG.error('The message bus of audit_transport_url does not take '
                      'events in time: %d dropped since this process '
                      'started.', self._dropped)

    def _send_all(self, waiting: _Waiting) -> None:
        while True:
            decision, moment = waiting.get()
            try:
                self._notifier.warn(
                    {}, f'trove_guard.{decision.outcome}',
                    event(decision, moment, self._resource_type))
            except Exception:
                LOG.exception('An audit event could not be sent.')


def notifier(conf: cfg.ConfigOpts, settings: options.Settings) -> Notifier:
    """Return what sends to audit_transport_url.

    :raises Exception: where that means nothing to oslo.messaging
    """
    # Not where no events are wanted: it is large.
    import oslo_messaging
    transport = oslo_messaging.get_notification_transport(
        conf, url=settings.audit_transport_url)
    made: Notifier = oslo_messaging.Notifier(
        transport, publisher_id=f'trove_guard.{socket.gethostname()}',
        driver='messagingv2', topics=[settings.audit_topic])
    return made
