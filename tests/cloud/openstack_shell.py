# SPDX-License-Identifier: Apache-2.0
"""Run commands of the openstack client without a new Python for each.

A command spends most of its time importing clients of which it uses one. A
server imports them once, and forks a process for each command, so that no
command sees what another one left in its process.
"""

import contextlib
import io
import multiprocessing
import os

PRELOAD = ['openstack.connection', 'openstackclient.shell',
           'openstackclient.compute.v2.server',
           'openstackclient.image.v2.image',
           'openstackclient.volume.v3.volume',
           'openstackclient.volume.v3.volume_snapshot',
           'troveclient.osc.v1.base', 'troveclient.osc.v1.database_instances']


def run(arguments, environment):
    """Run a command.

    :param arguments: list of arguments (str)
    :param environment: the OS_* variables of the user (dict)
    :returns: its exit status, and its output
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOAD)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_command, args=(arguments, environment, sender))
    process.start()
    sender.close()
    answer = receiver.recv()
    process.join()
    return answer


def _command(arguments, environment, sender):
    from openstackclient import shell
    for name in list(os.environ):
        if name.startswith('OS_'):
            del os.environ[name]
    os.environ.update(environment)
    printed = io.StringIO()
    with (contextlib.redirect_stdout(printed),
          contextlib.redirect_stderr(printed)):
        try:
            status = shell.main(arguments)
        except SystemExit as end:  # by argparse
            status = end.code
    sender.send((status, printed.getvalue()))
