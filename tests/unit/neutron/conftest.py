# SPDX-License-Identifier: Apache-2.0
"""Fixtures: Neutron's API, in a process of its own."""

from concurrent import futures
import contextlib
import json
import multiprocessing

import pytest

from tests.unit.neutron import questions


class Neutron:
    """A client of Neutron's API.

    :param run: calls functions of tests.unit.neutron.neutron_api
    """

    def __init__(self, run):
        self.run = run

    def ask(self, method, path, body=None, who=questions.OWNER, headers=(),
            is_guarded=True):
        """Send a request, and return a questions.Answer.

        :param path: percent-encoded, with the query
        :param body: bytes, or what is to be sent as JSON; None for no body
        """
        if body is None:
            body = b''
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.run('send', method, path, body, dict(headers), who,
                        is_guarded)


@contextlib.contextmanager
def running(directory, url=None):
    """Yield Neutron with the guard on.

    :param directory: for its files
    :param url: of an empty database; None for one of SQLite
    """
    with futures.ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn')) as process:
        def run(name, *arguments):
            return process.submit(
                in_process, name, (str(directory), url), *arguments).result()
        yield Neutron(run)


@pytest.fixture(scope='session')
def neutron(tmp_path_factory):
    """Return Neutron with the guard on."""
    with running(tmp_path_factory.mktemp('neutron')) as neutron:
        yield neutron


def in_process(name, *arguments):
    """Call a function of neutron_api in the process of Neutron."""
    from tests.unit.neutron import neutron_api
    return getattr(neutron_api, name)(*arguments)
