# SPDX-License-Identifier: Apache-2.0
"""How the benchmark finds that a process grows."""

import os
import socket
import threading

import psutil
import pytest

from tests.bench import growth
from tests.cloud import layout
from tests.cloud import processes

# Has two workers.
SERVER = 'sleep 60 & sleep 60 & wait'


def samples(memory=(100,) * 90, threads=(8,) * 90):
    """Return Samples, one a minute."""
    return [growth.Sample(60 * number, *both, 0)
            for number, both in enumerate(zip(memory, (5,) * 90, threads))]


def test_growth_of_memory_is_that_after_warming_up():
    warm = [min(50 + number, 80) for number in range(90)]
    assert growth.memory_growth(samples(memory=warm)) == pytest.approx(0)
    # A hundredth an hour.
    leaking = [10_000 + number * 100 / 60 for number in range(90)]
    assert growth.memory_growth(samples(memory=leaking)) == pytest.approx(
        1, abs=0.02)


def test_growth_of_a_count_is_that_which_lasts():
    spike = [8] * 85 + [20] * 2 + [8] * 3
    assert growth.count_growth(samples(threads=spike), 'threads') == 0
    leaking = [8 + number // 30 for number in range(90)]
    assert growth.count_growth(samples(threads=leaking), 'threads') == 1


def test_workers_are_the_processes_that_have_no_children(tmp_path):
    files = layout.Layout(tmp_path)
    parent = processes.spawn(files, 'server', ['sh', '-c', SERVER])
    processes.spawn(files, 'single', ['sleep', '60'])
    try:
        processes.wait_until(files, 'server', parent, lambda: len(
            processes.running(files)) == 4, 10)
        found = growth.workers(files, ['server', 'single'])
    finally:
        processes.stop(files)
        parent.wait()
    assert list(found) == ['server 1', 'server 2', 'single 1']
    assert parent.pid not in [one.pid for one in found.values()]


def test_a_sample_has_what_a_process_has():
    with socket.create_server(('127.0.0.1', 0)) as database:
        port = database.getsockname()[1]
        sampler = growth.Sampler({'this': psutil.Process(os.getpid())}, port)
        sampler.take()
        event = threading.Event()
        thread = threading.Thread(target=event.wait)
        thread.start()
        with socket.create_connection(('127.0.0.1', port)):
            sampler.take()
        event.set()
        thread.join()
    before, after = sampler.samples['this']
    assert (after.files, after.threads, after.connections) == (
        before.files + 1, before.threads + 1, 1)
    assert after.memory > growth.MB
