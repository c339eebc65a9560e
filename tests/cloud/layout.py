# SPDX-License-Identifier: Apache-2.0
"""The paths of the repository, virtual environment and state directory."""

import contextlib
import dataclasses
import os
import pathlib
import sqlite3
import uuid

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent


@dataclasses.dataclass(frozen=True)
class Layout:
    """The paths below one state directory."""

    root: pathlib.Path

    @classmethod
    def from_environment(cls):
        """Return the Layout of the state directory in the environment.

        :returns: a Layout for $NOVA_TROVE_GUARD_CLOUD, else for .cloud in
            the repository
        """
        root = os.environ.get('NOVA_TROVE_GUARD_CLOUD')
        return cls(pathlib.Path(root or REPOSITORY / '.cloud').resolve())

    def worker_layouts(self):
        """Return the Layouts of the clouds of pytest-xdist's workers."""
        return [Layout(path) for path in sorted(self.root.glob('gw*'))]

    @property
    def venv(self):
        """The virtual environment, which clouds share.

        $NOVA_TROVE_GUARD_VENV, else .venv in the repository.
        """
        return pathlib.Path(os.environ.get('NOVA_TROVE_GUARD_VENV') or
                            REPOSITORY / '.venv').resolve()

    @property
    def python(self):
        """The virtual environment's Python."""
        return self.venv / 'bin' / 'python'

    @property
    def run(self):
        """The files of one run of the cloud; emptied before each run."""
        return self.root / 'run'

    @property
    def logs(self):
        """One log file for each process."""
        return self.root / 'logs'

    @property
    def state(self):
        """URLs, projects and process ids of the running cloud, as JSON."""
        return self.root / 'state.json'

    @property
    def faults(self):
        """The faults that tests request: see tests.cloud.faults."""
        return self.root / 'faults.json'

    @property
    def struck(self):
        """One JSON line for each fault that struck."""
        return self.root / 'struck.jsonl'

    @property
    def clouds_yaml(self):
        """openstacksdk's description of the users."""
        return self.root / 'clouds.yaml'

    @property
    def lock(self):
        """Held while a command changes the state directory."""
        return self.root / 'lock'

    def openrc(self, user):
        """Return the path of the file that sets a shell's user.

        :param user: a user's name
        :returns: its path
        """
        return self.root / f'openrc-{user}'

    def dispatches(self, service):
        """Return the path of the record of the calls that an API dispatched.

        :param service: 'nova', 'cinder' or 'neutron'
        :returns: its path; the file has one JSON line for each call
        """
        return self.root / f'dispatches-{service}.jsonl'

    def policy(self, service):
        """Return the path of a service's policy file, which tests write.

        :param service: 'nova', 'cinder' or 'neutron'
        :returns: its path
        """
        return self.root / f'{service}-policy.yaml'

    def database(self, name):
        """Return the path of a database file, where there are such.

        :param name: such as 'keystone' or 'nova-cell1'
        :returns: its path
        """
        return self.run / f'{name.replace("-", "_")}.sqlite'

    @property
    def databases_url(self):
        """The URL of the cloud's databases, with {name} for that of one."""
        return self.run / 'databases-url'

    def database_url(self, name):
        """Return the URL of a database, for SQLAlchemy.

        :param name: see database()
        :returns: the URL
        """
        return self.databases_url.read_text().format(
            name=name.replace('-', '_'))

    @contextlib.contextmanager
    def open_database(self, name, mode='ro'):
        """Open a database file that a service uses.

        :param name: see database()
        :param mode: 'ro', or 'rw' to write
        :returns: (yields) its connection, which is closed at the end
        """
        with contextlib.closing(sqlite3.connect(
                f'file:{self.database(name)}?mode={mode}', timeout=60,
                uri=True)) as connection:
            yield connection

    def conf(self, service):
        """Return the path of a service's configuration directory.

        :param service: such as 'keystone'
        :returns: its path
        """
        return self.run / 'etc' / service

    def guests(self, deployment):
        """Return the path of the directory with the state of guests.

        :param deployment: the deployment's name
        :returns: its path
        """
        return self.run / 'guests' / deployment

    def log(self, process):
        """Return the path of a process's log file.

        :param process: such as 'keystone' or 'setup'
        :returns: its path
        """
        return self.logs / f'{process}.log'

    def command(self, process):
        """Return the path of the command line of a process, as JSON.

        :param process: see log()
        :returns: its path
        """
        return self.run / 'commands' / f'{process}.json'

    @staticmethod
    def write_whole(path, text):
        """Write a file atomically, as others may read it at any time.

        :param path: the file
        :param text: its content
        """
        unfinished = path.with_name(f'{path.name}.{uuid.uuid4()}')
        unfinished.write_text(text)
        os.replace(unfinished, path)
