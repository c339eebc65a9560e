# SPDX-License-Identifier: Apache-2.0
"""The time that a caller waits for what may hang."""

import contextlib
import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest

from nova_trove_guard.core import deadline


@contextlib.contextmanager
def hanging(bounded, count=1):
    """Have some calls under way that end with this context."""
    given_up = threading.Event()
    try:
        for _ in range(count):
            with pytest.raises(TimeoutError):
                bounded.call(given_up.wait, 60)
        yield
    finally:
        given_up.set()


def test_a_call_returns_what_the_function_returns():
    assert deadline.Deadline().call(divmod, 7, 2) == (3, 1)


def test_a_call_raises_what_the_function_raises():
    with pytest.raises(ZeroDivisionError):
        deadline.Deadline().call(divmod, 7, 0)


class Failure(Exception):
    """What a function raises; unlike Python's own, it can be watched."""


def fail():
    raise Failure


def test_a_failure_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        try:
            deadline.Deadline().call(fail)
        except Failure as error:
            failure = weakref.ref(error)
        # The thread lets go of it a moment later.
        end = time.monotonic() + 10
        while failure() is not None and time.monotonic() < end:
            time.sleep(0.001)
        assert failure() is None
    finally:
        gc.enable()


def test_others_do_not_wait_for_a_call_that_hangs():
    bounded = deadline.Deadline(0.05, threads=2)
    with hanging(bounded):
        for _ in range(5):
            assert bounded.call(divmod, 7, 2) == (3, 1)


def test_where_all_hang_a_caller_waits_no_longer_than_for_one():
    bounded = deadline.Deadline(0.05, threads=2)
    with hanging(bounded, count=2), pytest.raises(
            TimeoutError, match='all lookups hang'):
        bounded.call(divmod, 7, 2)


def test_where_all_hang_others_wait_only_for_what_does_not():
    bounded = deadline.Deadline(0.2, threads=2)
    with hanging(bounded, count=2):
        for _ in range(5):
            assert bounded.start().call('cell1', divmod, 7, 2) == (3, 1)


def test_functions_that_run_together_have_one_deadline():
    running = deadline.Deadline(0.5).start()
    given_up = threading.Event()
    began = time.monotonic()
    assert not running.call('cell1', given_up.wait, 0.3)
    try:
        with pytest.raises(TimeoutError):
            running.call('cell2', given_up.wait, 60)
    finally:
        given_up.set()
    assert time.monotonic() - began < 0.75


def test_a_call_that_ends_late_makes_room_for_another():
    bounded = deadline.Deadline(0.5, threads=1)
    ended = threading.Event()
    with pytest.raises(TimeoutError):
        bounded.call(ended.wait, 60)
    threading.Timer(0.05, ended.set).start()
    assert bounded.call(divmod, 7, 2) == (3, 1)


def test_callers_side_by_side_all_get_their_results():
    bounded = deadline.Deadline(threads=3)
    results = []
    callers = [threading.Thread(
        target=lambda number=number: results.append(
            bounded.call(lambda: number * 2)))
        for number in range(50)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(results) == [number * 2 for number in range(50)]


GREEN = """
import eventlet
eventlet.monkey_patch()
import time
from nova_trove_guard.core import deadline

bounded = deadline.Deadline(0.3, threads=2)
assert bounded.call(divmod, 7, 2) == (3, 1)
ticks = []
ticking = eventlet.spawn(
    lambda: [(ticks.append(each), time.sleep(0.01)) for each in range(20)])
try:
    bounded.call(time.sleep, 60)
except TimeoutError:
    pass
else:
    raise AssertionError('it waits')
# Other requests go on meanwhile: they are green threads of this thread.
assert len(ticks) > 5, ticks
assert bounded.call(divmod, 7, 2) == (3, 1)
"""


def test_green_threads_are_threads_to_it():
    """As in a nova-api of Nova before 34 that runs on eventlet."""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', GREEN],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
