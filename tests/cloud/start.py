# SPDX-License-Identifier: Apache-2.0
"""Start a fresh cloud; runs in the virtual environment."""

from concurrent import futures
import dataclasses
import json
import shlex
import shutil

from tests.cloud import configs
from tests.cloud import content
from tests.cloud import identity
from tests.cloud import people
from tests.cloud import processes
from tests.cloud import services
from tests.cloud import state


def up(files, progress, kind=services.Services):
    """Stop the processes of an earlier run, and start a fresh cloud.

    :param files: the cloud's Layout
    :param progress: a Progress
    :param kind: services.Services or a subclass, which starts the services
    :returns: the exit status
    :raises processes.Failed: if a step fails; nothing is left running
    """
    if left := processes.stop(files):
        progress.note(f'stopped {len(left)} processes of an earlier run')
    _clear(files)
    try:
        cloud = _start(kind(files, progress))
    except BaseException:
        processes.stop(files)
        raise
    progress.note('the cloud is up')
    print(f'\n  guarded    {cloud.guarded}  (region {state.GUARDED})\n'
          f'             {cloud.urls["cinder"]}\n'
          f'             {cloud.urls["neutron"]}\n'
          f'  unguarded  {cloud.unguarded}  (region {state.UNGUARDED})\n'
          f'             {cloud.urls["cinder-unguarded"]}\n'
          f'             {cloud.urls["neutron-unguarded"]}\n')
    return 0


def _clear(files):
    """Remove the files of earlier runs."""
    shutil.rmtree(files.run, ignore_errors=True)
    shutil.rmtree(files.logs, ignore_errors=True)
    for leftover in (files.state, files.faults, files.struck):
        leftover.unlink(missing_ok=True)
    for service in 'nova', 'cinder', 'neutron':
        files.dispatches(service).write_text('')
    files.run.mkdir()


def _start(todo):
    """Start all services, in parallel as far as possible."""
    files, progress = todo.files, todo.progress
    todo.start_shared()
    # Only now are its ports taken, and the others not among them.
    cloud = state.Cloud(files.root, todo.urls)
    configs.write(files, todo.urls, todo.shared)
    with futures.ThreadPoolExecutor() as pool:
        started = {name: pool.submit(getattr(todo, name))
                   for name in ('keystone', 'nova_databases', 'neutron',
                                'placement', 'glance', 'trove_databases',
                                'cinder')}
        filled = pool.submit(_fill, cloud, started, todo)
        started['nova'] = pool.submit(_start_nova, todo, started, filled)
        started.update((name, pool.submit(_start_trove, name, todo, started,
                                          filled))
                       for name in services.TROVES)
        try:
            _raise_first([*started.values(), filled])
        except BaseException:
            # Otherwise the others would wait for their deadlines.
            processes.stop(files)
            raise
    cloud = filled.result()
    with progress.step('flavors and datastores made'):
        content.make_flavors(cloud)
        content.make_datastores(cloud)
    _write_shells(files, cloud)
    state.save(files, cloud, {
        process.name: process.pid for process in processes.running(files)})
    return cloud


def _fill(cloud, started, todo):
    """Fill Keystone, then Glance and Neutron, as soon as each is up."""
    progress = todo.progress
    started['keystone'].result()
    with progress.step('users and catalog made'):
        cloud = dataclasses.replace(cloud, projects=identity.fill(cloud))
    started['glance'].result()
    with progress.step('images made'):
        content.make_images(cloud)
    started['neutron'].result()
    with progress.step('networks made'):
        management = content.make_networks(cloud)
    configs.write_trove(cloud, management, todo.shared)
    return cloud


def _start_nova(todo, started, filled):
    """Start Nova as soon as the services that it calls are up."""
    for name in ('nova_databases', 'placement'):
        started[name].result()
    filled.result()
    todo.nova()


def _start_trove(name, todo, started, filled):
    """Start a Trove deployment as soon as its databases and Keystone are up.
    """
    started['trove_databases'].result()
    filled.result()
    todo.trove(name)


def _raise_first(pending):
    """Wait for all futures; raise the first failure at once."""
    done, _ = futures.wait(pending, return_when=futures.FIRST_EXCEPTION)
    for future in done:
        future.result()


def _write_shells(files, cloud):
    """Write the users' openrc files, and openstacksdk's clouds.yaml."""
    clouds = {}
    for user in people.EVERYBODY:
        environment = cloud.environment(user)
        files.openrc(user.name).write_text(''.join(
            f'export {name}={shlex.quote(value)}\n'
            for name, value in environment.items()))
        clouds[user.name] = {
            'regions': list(state.REGIONS),
            'compute_api_version': state.COMPUTE_API_VERSION,
            'auth': {
                'auth_url': cloud.auth_url,
                'username': user.name,
                'password': people.password(user.name),
                'user_domain_name': 'Default',
                'project_name': user.project,
                'project_domain_name': 'Default',
            },
        }
    # JSON is YAML.
    files.clouds_yaml.write_text(json.dumps({'clouds': clouds}, indent=2))
