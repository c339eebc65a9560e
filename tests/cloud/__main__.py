# SPDX-License-Identifier: Apache-2.0
"""The command line: ``python3 -m tests.cloud [demo|up|down|status]``.

This module needs only the standard library. A command that needs more runs
again in the cloud's own virtual environment.
"""

import argparse
import os
import sys

from tests.cloud import bootstrap
from tests.cloud import control
from tests.cloud import layout
from tests.cloud import processes
from tests.cloud import progress


def main():
    """Run one command.

    :returns: the exit status
    """
    parser = argparse.ArgumentParser(
        prog='python3 -m tests.cloud',
        description='A real cloud on this machine, with and without the '
                    'guard.')
    parser.add_argument(
        'command', nargs='?', default='demo',
        choices=('demo', 'up', 'down', 'status'),
        help='demo (the default): start afresh, then show what the guard '
             'does; up: start afresh; down: stop; status: what runs, where')
    parser.add_argument(
        '--production', action='store_true',
        help='start it as in production: on MariaDB, RabbitMQ and memcached '
             'from Debian, with the APIs under uWSGI, each in two worker '
             'processes, and two Trove task managers')
    arguments = parser.parse_args()
    command = arguments.command
    files = layout.Layout.from_environment()
    # A proxy can't reach the cloud.
    for name in ('no_proxy', 'NO_PROXY'):
        hosts = os.environ.get(name)
        os.environ[name] = f'{hosts},127.0.0.1' if hosts else '127.0.0.1'

    if command == 'status':
        return control.status(files)
    try:
        with processes.only_one(files):
            if command == 'down':
                return control.down(files)
            report = progress.Progress()
            bootstrap.prepare(files, report)
            if arguments.production:
                bootstrap.prepare_production(files, report)
            if not bootstrap.is_running_inside(files):
                python = str(files.python)
                # Silence the warnings that clients print about each other.
                os.execv(python, [python, '-W', 'ignore', '-m', 'tests.cloud',
                                  *sys.argv[1:]])
            # These can be imported only in the virtual environment.
            from tests.cloud import production
            from tests.cloud import services
            from tests.cloud import start
            status = start.up(
                files, report, production.Production if arguments.production
                else services.Services)
            if command == 'demo' and status == 0:
                from tests.cloud import demo
                status = demo.play(files)
            return status
    except processes.Failed as failure:
        print(f'\n{failure}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
