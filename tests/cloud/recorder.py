# SPDX-License-Identifier: Apache-2.0
"""Writes down which methods Nova's API dispatches.

This is the tests' witness, not a part of the guard: a request that was
refused in time leaves no line.
"""

import inspect
import json
import threading
import time

from nova.api.openstack import wsgi

IDS = ('id', 'server_id')
# What OpenStack 2025.1 and 2025.2 have by another name.
RENAMED = {
    '_action_confirm_resize': '_confirm_resize',
    '_action_create_image': '_create_image',
    '_action_reboot': '_reboot',
    '_action_rebuild': '_rebuild',
    '_action_resize': '_resize',
    '_action_revert_resize': '_revert_resize',
    '_action_trigger_crash_dump': '_trigger_crash_dump',
    '_start_server': '_start',
    '_stop_server': '_stop',
}
WHO = ('user_id', 'project_id', 'service_user_id')


def record_to(path):
    """Write a line to a file before each controller method is dispatched.

    :param path: the file, one JSON object a line
    """
    dispatch = wsgi.Resource.dispatch
    lock = threading.Lock()
    # Open as long as the process lives.
    lines = open(path, 'a')

    def recorded_dispatch(self, method, request, action_args):
        line = json.dumps(_describe(method, request, action_args))
        with lock:
            lines.write(line + '\n')
            lines.flush()
        return dispatch(self, method, request, action_args)

    wsgi.Resource.dispatch = recorded_dispatch


def named(method):
    """Name what Nova dispatches.

    :param method: as nova.api.openstack.wsgi.Resource.dispatch has it
    :returns: (name of the controller's class, name of its method)
    """
    if hasattr(method, '__self__'):
        controller = method.__self__
        name = inspect.unwrap(method.__func__).__name__
    else:
        # What Nova 2025.1 makes to choose by microversion when it is called.
        chosen = inspect.getclosurevars(method).nonlocals
        controller, name = chosen['self'], chosen['key']
    return type(controller).__name__, RENAMED.get(name, name)


def _describe(method, request, action_args):
    context = request.environ.get('nova.context')
    controller, name = named(method)
    return {
        'request_id': context.request_id if context else None,
        'controller': controller,
        'method': name,
        'http_method': request.method,
        'path': request.path,
        'time': time.time(),
        **{key: getattr(context, key, None) for key in WHO},
        **{key: action_args[key] for key in IDS if key in action_args},
    }
