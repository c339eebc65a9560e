# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: what tests want to go wrong, and where.

Tests write one file, whole; guests, Nova's hypervisor, the guarded APIs and
those of the other services but Trove read it at each call::

    {"guest": {"stop_db": "error"},
     "hypervisor": {"destroy": "error"},
     "nova": [{"method": "POST", "action": "resize", "effect": 500}],
     "cinder": [{"method": "GET", "path": "/volumes/", "effect": "wait"}]}

A guest's calls are told by their names; "heartbeat" is what it sends of its
own accord. Requests are told by any of their method, a regular expression in
their path, and their action, a key of the JSON body; the first entry that
fits counts. The effect is one of:

* "error", of a guest or the hypervisor: it raises; a number, of an API: the
  answer's status
* "wait": the call goes on when the entry is gone
* "hang", of a guest: it never answers, and does nothing
"""

import contextlib
import json
import re
import time

import webob

PAUSE_SECONDS = 0.05
# How long a test waits for a fault that it has demanded.
STRIKE_SECONDS = 90
LASTING = ('wait', 'hang')


class Faults:
    """The faults of the moment, as those see it who have to suffer them.

    :param files: the cloud's Layout
    """

    def __init__(self, files):
        self._demanded = files.faults
        self._struck = files.struck

    def strike_guest(self, instance_id, method):
        """Have a guest's call suffer what is demanded.

        :param instance_id: the guest's database instance
        :param method: the call's name
        :raises RuntimeError: if it must not be carried out
        """
        effect = self._strike(
            {'service': 'guest', 'call': method, 'instance': instance_id},
            lambda demanded: demanded.get('guest', {}).get(method))
        if effect:
            raise RuntimeError(f'{method}: {effect}, as the tests demand')

    def strike_hypervisor(self, driver, method):
        """Have a call of Nova's hypervisor suffer what is demanded.

        :param driver: a subclass of nova.virt.driver.ComputeDriver
        :param method: the name of its method
        """
        call = getattr(driver, method)

        def stricken(hypervisor, context, instance, *args, **kwargs):
            effect = self._strike(
                {'service': 'hypervisor', 'call': method,
                 'server': instance.uuid},
                lambda demanded: demanded.get('hypervisor', {}).get(method))
            if effect:
                raise RuntimeError(f'{method}: {effect}, as the tests demand')
            return call(hypervisor, context, instance, *args, **kwargs)

        setattr(driver, method, stricken)

    def strike_api(self, service, application):
        """Make an application whose requests suffer what is demanded.

        :param service: the service's name, such as 'nova'
        :param application: a WSGI application
        :returns: a WSGI application
        """
        def stricken(environ, start_response):
            request = webob.Request(environ)
            status = self._strike(
                {'service': service,
                 'call': f'{request.method} {request.path}'},
                lambda demanded: _effect(demanded.get(service, ()), request))
            if status is None:
                return application(environ, start_response)
            fault = {'code': status, 'message': 'As the tests demand.'}
            return webob.Response(status=status, json={'fault': fault})(
                environ, start_response)

        return stricken

    def _strike(self, call, find):
        """Note and suffer the effect of a call, and return it.

        :param call: what to note
        :param find: a function that finds the effect in what is demanded
        :returns: the effect; None if there is none, or if it is over
        """
        effect = find(self._read())
        if effect is None:
            return None
        with self._struck.open('a') as struck:
            struck.write(json.dumps({**call, 'effect': effect}) + '\n')
        while effect in LASTING and find(self._read()) == effect:
            time.sleep(PAUSE_SECONDS)
        return None if effect == 'wait' else effect

    def _read(self):
        try:
            return json.loads(self._demanded.read_text())
        except FileNotFoundError:
            return {}


def _effect(entries, request):
    """Find the effect of the first entry that fits a request, or None."""
    for entry in entries:
        if (entry.get('method', request.method) == request.method and
                re.search(entry.get('path', ''), request.path) and
                ('action' not in entry or
                 entry['action'] in _actions(request))):
            return entry['effect']
    return None


def _actions(request):
    try:
        return request.json
    except ValueError:
        return ()


class Strikes:
    """The faults that have struck so far, as the demanding test sees it.

    :param files: the cloud's Layout
    """

    def __init__(self, files):
        self._struck = files.struck

    def all(self):
        """Return what has struck.

        :returns: a list of dicts with service, call, effect and, of a guest,
            instance
        """
        try:
            text = self._struck.read_text()
        except FileNotFoundError:
            return []
        # A service may be in the midst of the last line.
        whole = text[:text.rfind('\n') + 1]
        return [json.loads(line) for line in whole.splitlines()]

    def wait(self, count=1):
        """Wait until faults have struck.

        :param count: how many
        :returns: what all() returns then
        :raises AssertionError: if they don't
        """
        deadline = time.monotonic() + STRIKE_SECONDS
        while len(struck := self.all()) < count:
            assert time.monotonic() < deadline, struck
            time.sleep(PAUSE_SECONDS)
        return struck


@contextlib.contextmanager
def demand(files, demanded):
    """Have things go wrong while in the context.

    :param files: the cloud's Layout
    :param demanded: a dict, as the file says it
    :returns: (yields) the Strikes since the beginning of the context
    """
    files.struck.unlink(missing_ok=True)
    files.write_whole(files.faults, json.dumps(demanded))
    try:
        yield Strikes(files)
    finally:
        files.faults.unlink(missing_ok=True)
