# SPDX-License-Identifier: Apache-2.0
"""Tells with the openstack command line what the guard changes."""

import dataclasses
import os
import shlex
import subprocess
import textwrap
import time

from tests.cloud import openstack_shell
from tests.cloud import people
from tests.cloud import state

WIDTH = 79
LINES = 6
SETTLE_SECONDS = 60

WITHOUT = f'--os-region-name {state.UNGUARDED}'
# Its Trove makes servers in the user's project.
OWN = f'--os-region-name {state.USER}'
# Trove says so of a database on which it is at work.
BUSY = frozenset(('BUILD', 'RESIZE', 'SHUTDOWN'))
# Cinder says so of a snapshot.
CHANGING = frozenset(('creating', 'deleting'))
CREATE = ('server create --flavor m1.tiny --image cirros '
          '--network private --wait -f value -c id')

# Parts of the messages that are expected.
LOCKED = 'is locked'
MANAGED = 'is managed by Trove as database instance'
MARKER = 'only Trove may write it'


@dataclasses.dataclass(frozen=True)
class Step:
    """A command in a user's shell, and what must come of it.

    :ivar user: whose shell it is
    :ivar command: the program's arguments; names in braces stand for what
        earlier steps kept
    :ivar refused: a part of the message with which it must fail; None if
        it must succeed
    :ivar keep: the name under which the output is kept
    :ivar program: openstack, or another one in the virtual environment
    """

    user: str
    command: str
    refused: str | None = None
    keep: str | None = None
    program: str = 'openstack'


# The calls that several chapters repeat, each for another user.
IMAGE = 'server image create --name copy {server} -f value -c name'
LOG = 'console log show {server}'
CONSOLE = 'console url show {server} -f value -c url'
TAG = 'server set --tag mine {server}'
STOP = 'server stop {server}'
START = 'server start {server}'
REBOOT = 'server reboot {server}'
UNLOCK = 'server unlock {server}'
DELETE = 'server delete --wait {server}'

# And of the two chapters about a volume.
SNAPSHOT = ('--os-volume-api-version 3.66 volume snapshot create '
            '--volume {disk} copy -f value -c id')
COPY = 'volume create --snapshot {copy} copy -f value -c name'

# And of the two about a security group.
OPEN = ('security group rule create --ingress --protocol tcp '
        '--remote-ip {cidr} {{group}} -f yaml -c remote_ip_prefix')
WORLD = OPEN.format(cidr='0.0.0.0/0')
UNPLUG = 'port set --no-security-group --disable-port-security {port}'


def _on(server, command):
    return command.replace('{server}', f'{{{server}}}')


def _each(user, server, commands, refused=None):
    return [Step(user, _on(server, command), refused)
            for command in commands]


CHAPTERS = (
    ('A tenant makes a database; Trove locks its server, in the tenant\'s '
     'project',
     [Step('owner', f'{OWN} database instance create --flavor m1.tiny '
                    '--size 1 --nic net-id={network} -f value -c id mydb',
           keep='mydb'),
      Step('owner', f'{OWN} server show mydb '
                    '-f yaml -c status -c locked -c locked_reason'),
      Step('owner', 'server show mydb -f value -c id', keep='database')]),

    ('Without the guard: Nova\'s lock stops some calls, but not all',
     [*_each('owner', 'database', [f'{WITHOUT} {STOP}'], LOCKED),
      *_each('owner', 'database', [
          f'{WITHOUT} {command}' for command in (IMAGE, LOG, CONSOLE, TAG)]),
      *_each('admin', 'database', [f'{WITHOUT} {REBOOT}'])]),

    ('With the guard: Nova refuses the tenant, and says what to do instead',
     _each('owner', 'database',
           [STOP, IMAGE, LOG, CONSOLE, TAG, UNLOCK, DELETE], MANAGED)),

    ('With the guard: Nova refuses the cloud admin',
     _each('admin', 'database', [REBOOT, STOP, IMAGE, LOG, CONSOLE, TAG],
           MANAGED)),

    ('With the guard: a tenant cannot mark a server as managed by Trove',
     [Step('owner', f'{CREATE} --property trove_instance_id={{mydb}} '
                    'forged', MARKER)]),

    ('With the guard: the Trove admin can do all of it',
     _each('trove', 'database', [REBOOT, IMAGE, LOG, CONSOLE, TAG])),

    ('With the guard: an unmanaged server works as always',
     [Step('owner', f'{CREATE} ordinary', keep='ordinary'),
      *_each('owner', 'ordinary',
             [STOP, START, REBOOT, IMAGE, LOG, CONSOLE, TAG, DELETE])]),

    ('Without the guard in Cinder: the data leaves by the volume',
     [Step('owner', f'{OWN} server volume list mydb -f value '
                    '-c "Volume ID"', keep='disk'),
      Step('owner', f'{WITHOUT} {SNAPSHOT}', keep='copy'),
      Step('owner', f'{WITHOUT} {COPY}')]),

    ('With the guard in Cinder: it refuses the tenant and the cloud admin',
     [Step('owner', f'{OWN} {SNAPSHOT}', MANAGED),
      Step('owner', f'{OWN} {COPY}', MANAGED),
      Step('admin', f'{OWN} {SNAPSHOT}', MANAGED),
      Step('trove', f'{OWN} --os-project-name demo '
                    'volume snapshot delete {copy}')]),

    ('Without the guard in Neutron: the tenant opens the database to the '
     'world',
     [Step('owner', f'{OWN} security group show trove_sg-{{mydb}} '
                    '-f value -c id', keep='group'),
      Step('owner', f'{OWN} port show trove-{{mydb}} -f value -c id',
           keep='port'),
      Step('owner', f'{WITHOUT} {WORLD}')]),

    ('With the guard in Neutron: it refuses the tenant and the cloud admin',
     [Step('owner', f'{OWN} {OPEN.format(cidr="198.51.100.0/24")}', MANAGED),
      Step('owner', f'{OWN} {UNPLUG}', MANAGED),
      Step('admin', f'{OWN} {UNPLUG}', MANAGED),
      # It removes the rule that was added without the guard, too.
      Step('owner', f'{OWN} database instance update {{mydb}} '
                    '--allowed-cidr 10.0.0.0/8'),
      Step('owner', f'{OWN} security group rule list {{group}} '
                    '--ingress -f value -c "IP Range"')]),

    ('Trove changes the server: the lock opens for Trove, and closes again',
     [Step('owner', f'{OWN} database instance resize flavor {{mydb}} '
                    'm1.small'),
      Step('owner', f'{OWN} server show mydb '
                    '-f yaml -c status -c locked -c locked_reason')]),

    ('The comparison of Trove with Nova, Cinder and Neutron: all is clean',
     [Step('trove', f'drift {OWN} --server-owner user '
                    f'--other-trove {state.GUARDED}',
           program='nova-trove-guard')]),
)


def play(files):
    """Run the story on a cloud that is up.

    :param files: the cloud's Layout
    :returns: the exit status: 1 if an outcome was not the expected one
    """
    cloud = state.load(files.root)
    private = cloud.connection('owner').network.find_network('private')
    kept = {'network': private.id}
    unexpected = []
    for number, (title, steps) in enumerate(CHAPTERS, 1):
        print(f'\n{number}. {title}\n')
        for step in steps:
            if not _play_step(files, cloud, step, kept):
                unexpected.append(f'{number}. {step.user}: {step.command}')
    _say_goodbye(files)
    if unexpected:
        print('NOT AS EXPECTED:', *unexpected, sep='\n  ')
        return 1
    print('Everything went as expected.')
    return 0


def _play_step(files, cloud, step, kept):
    """Run and print a step; say whether it went as expected."""
    command = step.command.format(**kept)
    print(f'{step.user} $ {step.program} {command}', flush=True)
    arguments = shlex.split(command)
    environment = cloud.environment(people.named(step.user))
    if step.program == 'openstack':
        status, output = openstack_shell.run(arguments, environment)
    else:
        done = subprocess.run(
            [files.venv / 'bin' / step.program, *arguments],
            env=os.environ | environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        status, output = done.returncode, done.stdout
    output = output.strip()
    _print_short(output)
    if step.keep:
        kept[step.keep] = output
    _settle(cloud, kept)
    if step.refused is None:
        expected = status == 0
    else:
        expected = status != 0 and step.refused in output
    if not expected:
        print(f'    NOT AS EXPECTED (exit status {status})')
    return expected


def _settle(cloud, kept):
    """Wait until all that was accepted is done, or more would be refused."""
    compute = cloud.connection('admin').compute
    for server in compute.servers(all_projects=True):
        if server.id in kept.values():
            _wait_while(lambda server=server: compute.get_server(
                server).task_state)
    volumes = cloud.connection('admin').block_storage
    _wait_while(lambda: any(
        snapshot.status in CHANGING
        for snapshot in volumes.snapshots(all_projects=True)))
    databases = cloud.trove('owner', state.USER).instances
    _wait_while(lambda: any(
        database.status in BUSY for database in databases.list()))
    # A window closes a moment after the database instance is seen idle.
    if kept.get('mydb'):
        _wait_while(lambda: any(
            not server.is_locked for server in compute.servers(
                all_projects=True, name='^mydb$')))


def _wait_while(is_busy):
    deadline = time.monotonic() + SETTLE_SECONDS
    while is_busy() and time.monotonic() < deadline:
        time.sleep(0.1)


def _print_short(output):
    lines = [line for long in output.splitlines()
             for line in textwrap.wrap(long, WIDTH - 4)]
    if len(lines) > LINES:
        lines[LINES - 1:] = ['...']
    for line in lines:
        print(f'    {line}')


def _say_goodbye(files):
    users = ', '.join(user.name for user in (people.ADMIN, *people.PEOPLE))
    print(f'''
The cloud is still up. To play with it:

  . {files.venv}/bin/activate
  . {files.openrc('owner')}
  openstack server list
  openstack {WITHOUT} server list

The users are {users}. To stop it:

  python3 -m tests.cloud down
''')
