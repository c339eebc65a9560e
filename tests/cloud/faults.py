# SPDX-License-Identifier: Apache-2.0
"""Inject faults into guests, Nova's hypervisor and the services' APIs.

A test writes one file. Guests, Nova's hypervisor, the guarded APIs and those
of the other services, except Trove, read it at each call::

    {"guest": {"stop_db": "error"},
     "hypervisor": {"destroy": "error"},
     "nova": [{"method": "POST", "action": "resize", "effect": 500}],
     "cinder": [{"method": "GET", "path": "/volumes/", "effect": "wait"}]}

An entry selects a guest's calls by name; "heartbeat" is the status that the
guest sends by itself. It selects requests by method, by a regular expression
for the path, by action (a key of the JSON body), or by several of these. The
first entry that matches counts. The effect is one of:

* "error", for a guest or the hypervisor: the call raises an exception
* a number, for an API: the status of the response
* "wait": the call continues when the test removes the entry
* "hang", for a guest: the call never returns, and does nothing
"""

import contextlib
import json
import re
import time

import webob

PAUSE_SECONDS = 0.05
# How long a test waits for a fault that it has requested.
STRIKE_SECONDS = 90
LASTING = ('wait', 'hang')


class Faults:
    """The current faults, for the processes into which they are injected.

    :param files: the cloud's Layout
    """

    def __init__(self, files):
        self._demanded = files.faults
        self._struck = files.struck

    def strike_guest(self, instance_id, method):
        """Inject the requested fault into a guest's call.

        :param instance_id: the guest's database instance
        :param method: the call's name
        :raises RuntimeError: if the call must fail
        """
        effect = self._strike(
            {'service': 'guest', 'call': method, 'instance': instance_id},
            lambda demanded: demanded.get('guest', {}).get(method))
        if effect:
            raise RuntimeError(f'{method}: {effect}, as the tests demand')

    def strike_hypervisor(self, driver, method):
        """Inject the requested faults into a method of Nova's hypervisor.

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
        """Inject the requested faults into a WSGI application.

        :param service: the service's name, such as 'nova'
        :param application: the WSGI application
        :returns: a WSGI application in front of it
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
        """Record the fault of a call, wait for its end, and return its effect.

        :param call: the record's description of the call (dict)
        :param find: a function that finds the effect in the requested faults
        :returns: the effect; None if there is none, or if it has ended
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
    """Return the effect of the first entry that matches a request, or None."""
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
    """The faults that have struck so far, for the test that requested them.

    :param files: the cloud's Layout
    """

    def __init__(self, files):
        self._struck = files.struck

    def all(self):
        """Return the faults that have struck.

        :returns: a list of dicts with service, call, effect and, of a guest,
            instance
        """
        try:
            text = self._struck.read_text()
        except FileNotFoundError:
            return []
        # A service may still be writing the last line.
        whole = text[:text.rfind('\n') + 1]
        return [json.loads(line) for line in whole.splitlines()]

    def wait(self, count=1):
        """Wait until faults have struck.

        :param count: how many
        :returns: the result of all()
        :raises AssertionError: if they do not strike in time
        """
        deadline = time.monotonic() + STRIKE_SECONDS
        while len(struck := self.all()) < count:
            assert time.monotonic() < deadline, struck
            time.sleep(PAUSE_SECONDS)
        return struck


@contextlib.contextmanager
def demand(files, demanded):
    """Request faults while in the context.

    :param files: the cloud's Layout
    :param demanded: the content of the file, as a dict
    :returns: (yields) the Strikes since the beginning of the context
    """
    files.struck.unlink(missing_ok=True)
    files.write_whole(files.faults, json.dumps(demanded))
    try:
        yield Strikes(files)
    finally:
        files.faults.unlink(missing_ok=True)
