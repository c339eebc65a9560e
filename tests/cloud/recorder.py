# SPDX-License-Identifier: Apache-2.0
"""Record the controller methods that the API of Nova or Cinder dispatches.

The tests use the record as their witness: a request that the guard refused in
time leaves no line.
"""

import inspect
import json
import threading
import time

IDS = ('id', 'server_id', 'volume_id', 'snapshot_id')
# Names of methods in OpenStack 2025.1 and 2025.2, and their newer names.
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


def record_to(path, resource, context):
    """Write a line to a file before each controller method is dispatched.

    :param path: the file, with one JSON object a line
    :param resource: the service's class Resource, which dispatches
    :param context: the key of the service's context in a request's environ
    """
    dispatch = resource.dispatch
    lock = threading.Lock()
    # The file stays open until the process ends.
    lines = open(path, 'a')

    def recorded_dispatch(self, method, request, action_args):
        line = json.dumps(_describe(
            method, request, action_args, request.environ.get(context)))
        with lock:
            lines.write(line + '\n')
            lines.flush()
        return dispatch(self, method, request, action_args)

    resource.dispatch = recorded_dispatch


def named(method):
    """Return the names of a controller and its method.

    :param method: the argument of Resource.dispatch
    :returns: (name of the controller's class, name of its method)
    """
    if hasattr(method, '__self__'):
        controller = method.__self__
        name = inspect.unwrap(method.__func__).__name__
    else:
        # A function of Cinder and Nova 2025.1 that chooses the method by
        # microversion when it is called.
        chosen = inspect.getclosurevars(method).nonlocals
        controller, name = chosen['self'], chosen['key']
    return type(controller).__name__, RENAMED.get(name, name)


def _describe(method, request, action_args, context):
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
