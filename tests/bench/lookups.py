# SPDX-License-Identifier: Apache-2.0
"""Lookups of the guard, timed in the process of Nova's API."""

import time

import webob
import webob.dec

from nova_trove_guard.core import calls
from nova_trove_guard.core import deadline
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.nova import lookup
from tests.bench import cloud
from tests.bench import plans

PATH = '/lookups'


class Lookups:
    """A WSGI application that looks up what a request to PATH names.

    The body has the `kind` of the identifiers, and the `identifiers`, which
    are looked up one after the other. The response has the `seconds` that
    this took, how many of them are `managed`, and the tables that the first
    lookup `scans`.

    :param application: responds to all other requests
    """

    def __init__(self, application):
        self._application = application
        self._lookup = lookup.NovaLookup(
            cloud.MARKER, metrics.Off(), deadline.Deadline())

    @webob.dec.wsgify
    def __call__(self, request):
        """Respond to a request."""
        if request.path_info != PATH:
            return self._application
        target = calls.Target(request.json['kind'])
        named = [calls.Named(target, identifier)
                 for identifier in request.json['identifiers']]
        begin = time.perf_counter()
        managed = sum(map(self._found, named))
        seconds = time.perf_counter() - begin
        with plans.selects() as selects:
            self._found(named[0])
        return webob.Response(json={
            'seconds': seconds, 'managed': managed,
            'scans': [table for select in selects
                      for table in plans.scans(*select)]})

    def _found(self, named):
        """Return whether an identifier leads to a managed server."""
        return any(any(servers) for _, servers in self._lookup.find([named]))
