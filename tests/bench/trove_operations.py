# SPDX-License-Identifier: Apache-2.0
"""A user and an operator who have Trove work on a database, without an end."""

import collections
import enum
import threading
import time

from keystoneauth1 import exceptions as keystone_exceptions
from openstack import exceptions as openstack_exceptions
import requests
import sqlalchemy.exc
from trove.instance import tasks
from troveclient import exceptions as trove_exceptions

from tests.functional import test_trove_failures as operations
from tests.functional import trove_rows

# What services raise that are away.
AWAY = (
    keystone_exceptions.ClientException, openstack_exceptions.SDKException,
    requests.RequestException, sqlalchemy.exc.DBAPIError,
    trove_exceptions.ClientException)

# What the user wants, and how often.
USUAL = {
    operations.resize_flavor: 3,
    operations.resize_volume: 2,
    operations.reboot: 2,
    operations.rebuild: 2,
    operations.delete: 1,
}
# What the operator tries, one after the other, after an operation that did not
# succeed; then nobody works on the database any more.
REPAIRS = (operations.reboot, operations.rebuild, operations.delete)

BUSY = trove_rows.BUSY | {tasks.InstanceTasks.DELETING.code}
# After which an operation does not count as under way any more.
OPERATION_SECONDS = 90
# In which a database is healthy after the end of an operation.
HEALTHY_SECONDS = 30
PAUSE_SECONDS = 0.2


class Outcome(enum.Enum):
    """What becomes of an operation."""

    DONE = 'done'
    FAILED = 'failed'
    REFUSED = 'not accepted'
    UNFINISHED = 'left under way'


class Owner:
    """Has Trove work on one database at a time.

    :param trove: a tests.functional.databases.Trove
    :param generator: a random.Random
    :ivar trove: the same
    :ivar outcomes: how many operations had each (name, Outcome)
    :ivar kept: a dict of server and volume by database instance, of those
        that were healthy and that nobody has deleted
    """

    def __init__(self, trove, generator):
        self.outcomes = collections.Counter()
        self.kept = {}
        self.trove = trove
        self._generator = generator
        self._instance = None
        self._end = threading.Event()

    def prepare(self):
        """Create the first database.

        :raises RuntimeError: if it does not become healthy
        """
        self._instance = self._create()
        if self._instance not in self.kept:
            raise RuntimeError(f'{self._instance} is not healthy')

    def end(self):
        """Have work_on() end after the operation that is under way."""
        self._end.set()

    def work_on(self):
        """Begin an operation after the end of the one before."""
        instance, failures = self._instance, 0
        while not self._end.wait(PAUSE_SECONDS):
            if instance is None:
                instance, failures = self._create(), 0
                continue
            if failures > len(REPAIRS):
                instance = None
                continue
            if failures:
                operation = REPAIRS[failures - 1]
                self._reset(instance)
            else:
                operation, = self._generator.choices(
                    list(USUAL), USUAL.values())
            outcome = self._operate(operation, instance)
            if outcome is not Outcome.DONE:
                failures += 1
            elif operation is operations.delete:
                instance = None
            else:
                failures = 0

    def _create(self):
        """Create a database instance.

        :returns: its id, None if Trove has not accepted it
        """
        try:
            instance = self.trove.create('chaos')
        except AWAY:
            self._count('create', Outcome.REFUSED)
            return None
        if self._count('create', self._outcome(instance, 0)) is Outcome.DONE:
            row = self._row(instance)
            self.kept[instance] = row.server, row.volume
        return instance

    def _reset(self, instance):
        """Have Trove take it that nothing is under way."""
        try:
            self.trove.operator.reset_task_status(instance)
        except AWAY:
            pass

    def _operate(self, operation, instance):
        """Have an operation carried out; return its Outcome."""
        faults = self._row(instance).faults
        if operation is operations.delete:
            self.kept.pop(instance, None)
        try:
            operation(self.trove, instance)
        except AWAY:
            outcome = Outcome.REFUSED
        else:
            outcome = self._outcome(instance, faults)
        return self._count(operation.__name__, outcome)

    def _count(self, name, outcome):
        self.outcomes[name, outcome] += 1
        return outcome

    def _outcome(self, instance, faults):
        """Wait for the end of an operation; return its Outcome.

        :param faults: how many faults the instance had before
        """
        row = self._await(
            instance, OPERATION_SECONDS, lambda row: row.deleted or
            row.task not in BUSY or row.faults > faults)
        if row.task in BUSY and not row.deleted and row.faults == faults:
            return Outcome.UNFINISHED
        if not row.deleted and not trove_rows.has_failed(row):
            row = self._await(instance, HEALTHY_SECONDS, trove_rows.is_healthy)
        return (Outcome.DONE if row.faults == faults and (
            row.deleted or trove_rows.is_healthy(row)) else Outcome.FAILED)

    def _await(self, instance, seconds, is_there):
        """Wait for so long at most that is_there(row); return the row."""
        deadline = time.monotonic() + seconds
        while True:
            row = self._row(instance)
            if is_there(row) or time.monotonic() > deadline:
                return row
            time.sleep(PAUSE_SECONDS)

    def _row(self, instance):
        """Return the row of an instance, as soon as the database is up."""
        while True:
            try:
                return self.trove.rows.get(instance)
            except sqlalchemy.exc.DBAPIError:
                time.sleep(PAUSE_SECONDS)
