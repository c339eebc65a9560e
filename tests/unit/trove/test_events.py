# SPDX-License-Identifier: Apache-2.0
"""What operators see of windows, and that nothing fails because of it."""

import types

import pytest

from nova_trove_guard.trove import events

SERVER = 'aa0c6a1e-6a5b-4a6c-8f0e-000000000001'
# By the method of Events: its arguments, and the notification.
EVENTS = {
    'opened': ((SERVER, 'reboot'), (
        'info', 'trove_guard.window.opened',
        {'server_id': SERVER, 'operation': 'reboot'})),
    'closed': ((SERVER, 'reboot', 1.23456), (
        'info', 'trove_guard.window.closed',
        {'server_id': SERVER, 'operation': 'reboot', 'seconds': 1.235})),
    'relocked': ((SERVER, 'instance', 'at_rest', 'it was unlocked'), (
        'warn', 'trove_guard.server.relocked',
        {'server_id': SERVER, 'database_instance': 'instance',
         'cause': 'at_rest'})),
    'lock_failed': ((SERVER, 'instance', 'reboot', 'HTTP 500'), (
        'error', 'trove_guard.lock.failed',
        {'server_id': SERVER, 'operation': 'reboot', 'error': 'HTTP 500'})),
}
EACH = pytest.mark.parametrize('method, arguments, notification', [
    (method, *values) for method, values in EVENTS.items()], ids=EVENTS)


@pytest.fixture
def notified(monkeypatch):
    """Return the list of what is sent: (priority, event, payload)."""
    sent = []

    def sender(priority):
        return lambda context, event, payload: sent.append(
            (priority, event, payload))

    notifier = types.SimpleNamespace(
        info=sender('info'), warn=sender('warn'), error=sender('error'))
    monkeypatch.setattr(
        events.rpc, 'get_notifier', lambda service: notifier)
    return sent


@EACH
def test_each_event_is_logged_and_sent(
        notified, caplog, method, arguments, notification):
    caplog.set_level('INFO', 'nova_trove_guard')
    getattr(events.Events(lambda *fault: None), method)(*arguments)
    assert notified == [notification]
    assert SERVER in caplog.text


@EACH
def test_a_bus_that_fails_fails_nothing(
        monkeypatch, caplog, method, arguments, notification):
    def fail(service):
        raise OSError('no bus')

    monkeypatch.setattr(events.rpc, 'get_notifier', fail)
    getattr(events.Events(lambda *fault: None), method)(*arguments)
    assert f'Could not send the notification {notification[1]}' in (
        caplog.text)


def test_a_lock_that_failed_is_the_instance_s_fault(notified):
    saved = []
    events.Events(lambda *fault: saved.append(fault)).lock_failed(
        SERVER, 'instance', 'reboot', 'HTTP 500')
    assert saved == [('instance', 'The server is not locked in Nova after '
                                  'reboot: HTTP 500')]


def test_without_an_instance_there_is_no_fault(notified):
    events.Events(None).lock_failed(SERVER, None, 'reboot', 'HTTP 500')
    assert len(notified) == 1


def test_a_fault_that_cannot_be_saved_fails_nothing(notified, caplog):
    def fail(*fault):
        raise OSError('no database')

    events.Events(fail).lock_failed(SERVER, 'instance', 'reboot', 'HTTP 500')
    assert 'Could not save the fault of database instance instance' in (
        caplog.text)
