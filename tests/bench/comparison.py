# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard drift`` in a process of its own, and its cloud.

Nova is that of tests.bench.compute_api. Keystone and Trove are simulated, but
Trove's list is read from its database, in the same order and pages as Trove
reads it (trove.extensions.mgmt.instances.models). A real Trove calls Nova for
each page, and Neutron for each instance of it. There are no Cinder and
Neutron.
"""

import contextlib
import pathlib
import resource
import tempfile
import time
import typing

import sqlalchemy

from tests.bench import cloud
from tests.bench import fleet
from tests.unit import drift_cloud
from tests.unit import nova_api
from tests.unit import test_cmd_drift_scale

MB = 1024
# Where the task is NONE (trove.instance.tasks.InstanceTasks).
STATUS = 'ACTIVE'
INSTANCES = '''
    SELECT id, name, compute_instance_id AS server_id, volume_id,
        tenant_id, region_id AS region, updated,
        task_description
    FROM instances WHERE deleted = :deleted
'''


class Comparison(typing.NamedTuple):
    """What a comparison took.

    :ivar seconds: until the process ended
    :ivar own_seconds: of the processor, in the process of the command
    :ivar all_seconds: the same, in the processes of Nova's API and of the
        databases, too
    :ivar memory: of that process at most, in MB
    :ivar rows: what it found
    :ivar summary: the last line on standard error
    :ivar shown: how many calls asked Trove for one instance
    """

    seconds: float
    own_seconds: float
    all_seconds: float
    memory: float
    rows: list
    summary: str
    shown: int


class Services(drift_cloud.Fleet):
    """A Keystone whose Nova is a real one, and a Trove.

    :param one: the reconciler.Fleet that they belong to
    """

    def __init__(self, one):
        super().__init__()
        self.has_cinder = self.has_neutron = False
        self.token = one.nova['admin_token']
        self._nova = one.nova['url']
        self.instances = Instances(one.trove)

    def catalog(self, url):
        """Return the token (dict) of the operator."""
        token = super().catalog(url)
        for service in token['token']['catalog']:
            if service['type'] == 'compute':
                for endpoint in service['endpoints']:
                    endpoint['url'] = f'{self._nova}/v2.1'
        return token

    def list_instances(self, query, url):
        """Answer a list of instances, as Trove does."""
        offset, limit = int(query.get('marker') or 0), int(query['limit'])
        rows = self.instances.rows(
            'ORDER BY updated DESC LIMIT :limit OFFSET :offset',
            limit=limit, offset=offset)
        links = ([{'rel': 'next', 'href': f'{url}?marker={offset + limit}'}]
                 if len(rows) == limit else [])
        return 200, {'instances': rows, 'links': links}


class Instances:
    """The database instances in Trove's database.

    :param url: of the database
    """

    def __init__(self, url):
        self._database = sqlalchemy.create_engine(url)

    def get(self, instance_id):
        """Return an instance (dict), None if there is none."""
        return next(iter(self.rows('AND id = :id', id=instance_id)), None)

    def rows(self, more, **values):
        """Return instances (list of dict).

        :param more: of the statement
        """
        with self._database.connect() as connection:
            return [
                {**row, 'updated': str(row['updated']), 'status': STATUS}
                for row in connection.execute(
                    sqlalchemy.text(INSTANCES + more),
                    {'deleted': False, **values}).mappings()]


@contextlib.contextmanager
def running(one):
    """Yield a function that compares a reconciler.Fleet.

    Its arguments are those of the command. It returns a Comparison.
    """
    services = Services(one)
    with tempfile.TemporaryDirectory() as directory, services.served() as url:
        operator = test_cmd_drift_scale.Operator(pathlib.Path(directory), url)

        def compare(*arguments):
            services.requests.clear()
            begin, own, all_ = (time.perf_counter(), _children_seconds(),
                                one.processor_seconds())
            status, rows, errors = operator.run(
                '--trove-project', nova_api.PROJECT, *arguments)
            seconds = time.perf_counter() - begin
            summary = errors.splitlines()[-1]
            if status not in (0, 1) or f'{one.count} database' not in summary:
                raise RuntimeError(errors)
            own = _children_seconds() - own
            return Comparison(
                seconds, own, own + one.processor_seconds() - all_,
                int(operator.peak.read_text()) / MB, rows, summary,
                services.requests['database', 'GET', 'id'])

        yield compare


@contextlib.contextmanager
def forged(one, markers):
    """Give servers that are not managed some markers, for the context.

    :param one: reconciler.Fleet
    :param markers: list of the markers, of one server each
    """
    _replace_key(one, 'tier', cloud.MARKER, markers)
    try:
        yield
    finally:
        _replace_key(one, cloud.MARKER, 'tier', ['web'] * len(markers))


def _replace_key(one, old, new, values):
    """Replace a key in the metadata of servers that are not managed."""
    for url in one.nova['cells']:
        with fleet.engine(url).begin() as connection:
            connection.execute(sqlalchemy.text(
                'UPDATE instance_metadata SET `key` = :new, value = :value '
                'WHERE instance_uuid = :server AND `key` = :old'), [
                    {'new': new, 'old': old, 'value': value,
                     'server': fleet.server_id(fleet.OTHERS + number)}
                    for number, value in enumerate(values)])


def _children_seconds():
    """Return how long processes that have ended had the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
