# SPDX-License-Identifier: Apache-2.0
"""Record the methods of plugins that Neutron's API calls.

The tests use the record as their witness: a request that the guard refused in
time leaves no line. Plugins are recorded because all calls meet only there:
Neutron has two routers, with controllers of many kinds.
"""

import functools
import inspect
import json
import re
import threading
import time

from neutron_lib import context as neutron_context

from tests.cloud import recorder

# Names of methods that change something. Plugins have more methods with such
# names, but the API itself calls only those of a request.
CHANGES = re.compile('(create|update|delete|add|remove|activate)(_|$)')


class Calls(threading.local):
    """The number of nested plugin calls in a thread."""

    depth = 0


def record_to(path, plugins):
    """Write a line to a file before the API calls a method that changes data.

    :param path: the file, with one JSON object a line
    :param plugins: Neutron's plugins, including the core plugin
    """
    lock = threading.Lock()
    calls = Calls()
    # The file stays open until the process ends.
    lines = open(path, 'a')

    def record(plugin, name, arguments):
        line = json.dumps(_describe(plugin, name, arguments))
        with lock:
            lines.write(line + '\n')
            lines.flush()

    for plugin in plugins:
        # Plugins are proxies: type() would return the proxy's class.
        kind = plugin.__class__
        for name in filter(CHANGES.match, dir(kind)):
            if inspect.isroutine(getattr(kind, name)):
                setattr(plugin, name,
                        _recorded(plugin, name, calls, record))


def _recorded(plugin, name, calls, record):
    method = getattr(plugin, name)

    @functools.wraps(method)
    def recorded(*arguments, **options):
        # Do not record nested calls, which a plugin makes by itself.
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
