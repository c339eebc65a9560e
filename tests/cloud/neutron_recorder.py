# SPDX-License-Identifier: Apache-2.0
"""Writes down which methods of its plugins Neutron's API calls.

This is the tests' witness, not a part of the guard: a request that was
refused in time leaves no line. Neutron has two routers, and controllers of
many kinds behind them; only in the plugins all of them meet.
"""

import functools
import inspect
import json
import re
import threading
import time

from neutron_lib import context as neutron_context

from tests.cloud import recorder

# What changes something. Plugins have more methods of these names: none is
# called by the API itself but those that a request asks for.
CHANGES = re.compile('(create|update|delete|add|remove|activate)(_|$)')


class Calls(threading.local):
    """How many calls of plugins are under way in a thread."""

    depth = 0


def record_to(path, plugins):
    """Write a line to a file before the API calls a method that changes.

    :param path: the file, one JSON object a line
    :param plugins: Neutron's plugins, the core plugin among them
    """
    lock = threading.Lock()
    calls = Calls()
    # Open as long as the process lives.
    lines = open(path, 'a')

    def record(plugin, name, arguments):
        line = json.dumps(_describe(plugin, name, arguments))
        with lock:
            lines.write(line + '\n')
            lines.flush()

    for plugin in plugins:
        # Plugins are proxies: their own type is no help.
        kind = plugin.__class__
        for name in filter(CHANGES.match, dir(kind)):
            if inspect.isroutine(getattr(kind, name)):
                setattr(plugin, name,
                        _recorded(plugin, name, calls, record))


def _recorded(plugin, name, calls, record):
    method = getattr(plugin, name)

    @functools.wraps(method)
    def recorded(*arguments, **options):
        # What a plugin then calls, of another plugin's too, is its own doing.
        if (calls.depth == 0 and arguments and isinstance(
                arguments[0], neutron_context.ContextBase)):
            record(plugin, name, arguments)
        calls.depth += 1
        try:
            return method(*arguments, **options)
        finally:
            calls.depth -= 1

    return recorded


def _describe(plugin, name, arguments):
    context, *others = arguments
    return {
        'request_id': context.request_id,
        'controller': plugin.__class__.__name__,
        'method': name,
        'time': time.time(),
        **{key: getattr(context, key, None) for key in recorder.WHO},
        'named': [one for one in others if isinstance(one, str)],
    }
