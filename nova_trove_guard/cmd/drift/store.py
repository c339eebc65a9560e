# SPDX-License-Identifier: Apache-2.0
"""The state of a comparison, in a file that outlives its process.

The file is an SQLite database: a transaction is written completely or not at
all, even if the process is killed, and memory use does not grow with the
fleet.
"""

from collections import abc
import contextlib
import dataclasses
import sqlite3
import typing

from nova_trove_guard.cmd.drift import discrepancies
from nova_trove_guard.cmd import outcome

SCHEMA = """
    CREATE TABLE IF NOT EXISTS subject (text TEXT);
    CREATE TABLE IF NOT EXISTS phases (
        name TEXT PRIMARY KEY, position TEXT, count INTEGER, done INTEGER);
    CREATE TABLE IF NOT EXISTS instances (
        id TEXT PRIMARY KEY, server TEXT, volume TEXT, project TEXT,
        is_busy INTEGER, is_server_checked INTEGER DEFAULT 0,
        is_volume_checked INTEGER DEFAULT 0);
    CREATE INDEX IF NOT EXISTS servers ON instances (server);
    CREATE INDEX IF NOT EXISTS volumes ON instances (volume);
    CREATE TABLE IF NOT EXISTS owner_locks (server TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS unknown_markers (
        kind TEXT, resource TEXT, marker TEXT, is_checked INTEGER DEFAULT 0,
        PRIMARY KEY (kind, marker, resource));
    CREATE TABLE IF NOT EXISTS bound_groups (
        security_group TEXT, server TEXT,
        PRIMARY KEY (security_group, server));
    CREATE TABLE IF NOT EXISTS discrepancies (
        code TEXT, server TEXT, instance TEXT, detail TEXT, volume TEXT,
        port TEXT, security_group TEXT, result TEXT DEFAULT '',
        PRIMARY KEY (
            code, server, volume, port, security_group, instance));
"""
_INSTANCE = 'SELECT id, server, volume, project, is_busy FROM instances'
_DISCREPANCY = ('code, server, instance, detail, volume, port, '
                'security_group')
BATCH = 500


class Ledger:
    """The state of one comparison.

    :param path: the file; '' for a temporary one
    :param subject: what is compared, so that a run does not continue with
        the file of another comparison
    :raises outcome.Refused: if the file belongs to another comparison, is in
        use, or is not a state file
    """

    def __init__(self, path: str, subject: str) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
            # Only one process at a time may use the file.
            self._db.execute('PRAGMA locking_mode = EXCLUSIVE')
            self._db.executescript(f'BEGIN EXCLUSIVE; {SCHEMA} COMMIT;')
        except sqlite3.DatabaseError as error:
            raise outcome.Refused(
                f'{path} cannot store the state of a comparison: {error}'
            ) from error
        known = self._value('SELECT text FROM subject')
        if known is None:
            self._db.execute('INSERT INTO subject VALUES (?)', (subject,))
        elif known != subject:
            raise outcome.Refused(
                f'{path} is the state of another comparison: {known}')

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> abc.Iterator[None]:
        """Commit what the block writes, or nothing if it fails."""
        self._db.execute('BEGIN')
        try:
            yield
        except BaseException:
            self._db.execute('ROLLBACK')
            raise
        self._db.execute('COMMIT')

    # Progress

    def position(self, phase: str) -> tuple[str | None, int]:
        """Return (position, count) of a phase, (None, 0) at its start."""
        position, count = self._row(
            'SELECT position, count FROM phases WHERE name = ?',
            phase) or (None, 0)
        return position, count

    def is_done(self, phase: str) -> bool:
        """Return whether a phase is done."""
        return bool(self._value('SELECT done FROM phases WHERE name = ?',
                                phase))

    def set_position(self, phase: str, position: str | None, count: int,
                     done: bool = False) -> None:
        """Record how far a phase is."""
        self._db.execute('INSERT OR REPLACE INTO phases VALUES (?, ?, ?, ?)',
                         (phase, position, count, done))

    # From Trove

    def add(self, instance: discrepancies.Instance) -> None:
        """Record an Instance; replace an earlier record of it."""
        self._db.execute(
            'INSERT INTO instances (id, server, volume, project, is_busy) '
            'VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET '
            'server = excluded.server, volume = excluded.volume, '
            'is_busy = excluded.is_busy',
            (instance.id, instance.server, instance.volume, instance.project,
             instance.is_busy))

    def instance_of(self, kind: discrepancies.Kind, resource_id: str
                    ) -> discrepancies.Instance | None:
        """Return the Instance of a server or volume, None for none."""
        row = self._row(f'{_INSTANCE} WHERE {kind} = ?', resource_id)
        return None if row is None else _instance(row)

    def instance(self, instance_id: str) -> discrepancies.Instance | None:
        """Return an Instance, None if Trove's list does not have it."""
        row = self._row(f'{_INSTANCE} WHERE id = ?', instance_id)
        return None if row is None else _instance(row)

    def set_checked(self, kind: discrepancies.Kind,
                    instance: discrepancies.Instance) -> None:
        """Record that the server or volume of an Instance was checked."""
        self._db.execute(f'UPDATE instances SET is_{kind}_checked = 1 '
                         'WHERE id = ?', (instance.id,))

    def unchecked(self, kind: discrepancies.Kind
                  ) -> abc.Iterator[discrepancies.Instance]:
        """Yield each Instance whose server or volume is not checked yet."""
        for row in self._all(
                f'{_INSTANCE} WHERE NOT is_{kind}_checked AND id > ? '
                f'ORDER BY id LIMIT {BATCH}', key=0):
            yield _instance(row)

    # From Nova

    def add_owner_lock(self, server_id: str) -> None:
        """Record a server whose own project holds its lock."""
        self._db.execute('INSERT OR IGNORE INTO owner_locks VALUES (?)',
                         (server_id,))

    def has_owner_lock(self, server_id: str) -> bool:
        """Return whether a server's own project holds its lock."""
        return self._row('SELECT 1 FROM owner_locks WHERE server = ?',
                         server_id) is not None

    # From Neutron

    def bind(self, security_group: str, server_id: str) -> None:
        """Record that a port of a server has a security group."""
        self._db.execute('INSERT OR IGNORE INTO bound_groups VALUES (?, ?)',
                         (security_group, server_id))

    def is_bound(self, security_group: str, server_id: str | None) -> bool:
        """Return whether a port of a server has a security group.

        :param server_id: None for no server
        """
        return self._row('SELECT 1 FROM bound_groups WHERE security_group = ? '
                         'AND server = ?', security_group,
                         server_id or '') is not None

    # From any of them

    def add_unknown_marker(self, kind: discrepancies.Kind, resource_id: str,
                           marker: str) -> None:
        """Record a resource whose marker Trove's list does not confirm."""
        self._db.execute('INSERT OR IGNORE INTO unknown_markers '
                         '(kind, resource, marker) VALUES (?, ?, ?)',
                         (kind, resource_id, marker))

    def set_marker_checked(self, kind: discrepancies.Kind,
                           resource_id: str, marker: str) -> None:
        """Record that the marker of a resource was checked."""
        self._db.execute('UPDATE unknown_markers SET is_checked = 1 '
                         'WHERE kind = ? AND resource = ? AND marker = ?',
                         (kind, resource_id, marker))

    def unknown_markers(self, kind: discrepancies.Kind
                        ) -> abc.Iterator[tuple[str, str]]:
        """Yield (id, marker) of each that is not checked yet."""
        for resource_id, marker, _ in self._all(
                "SELECT resource, marker, resource || ' ' || marker AS key "
                'FROM unknown_markers WHERE NOT is_checked AND key > ? '
                f'AND kind = ? ORDER BY key LIMIT {BATCH}', kind, key=2):
            yield resource_id, marker

    def unknown_values(self, kind: discrepancies.Kind) -> abc.Iterator[str]:
        """Yield each marker of which a resource is not checked yet, once."""
        for marker, _ in self._all(
                # No key is empty, but a marker may be.
                "SELECT DISTINCT marker, '=' || marker AS key "
                'FROM unknown_markers WHERE NOT is_checked AND key > ? '
                f'AND kind = ? ORDER BY key LIMIT {BATCH}', kind, key=1):
            yield marker

    def unknown_with(self, kind: discrepancies.Kind, marker: str
                     ) -> list[str]:
        """Return the ids of the resources with a marker to check."""
        return [resource_id for resource_id, in self._db.execute(
            'SELECT resource FROM unknown_markers WHERE NOT is_checked '
            'AND kind = ? AND marker = ?', (kind, marker))]

    # Discrepancies

    def record(self, discrepancy: discrepancies.Discrepancy) -> None:
        """Record a Discrepancy."""
        self._db.execute(
            f'INSERT OR REPLACE INTO discrepancies ({_DISCREPANCY}) '
            'VALUES (?, ?, ?, ?, ?, ?, ?)',
            dataclasses.astuple(discrepancy))

    def set_result(self, discrepancy: discrepancies.Discrepancy,
                   result: str) -> None:
        """Record what became of a Discrepancy."""
        self._db.execute(
            'UPDATE discrepancies SET result = ? '
            'WHERE code = ? AND server = ? AND instance = ? AND volume = ? '
            'AND port = ? AND security_group = ?',
            (result, discrepancy.code, discrepancy.server,
             discrepancy.instance, discrepancy.volume, discrepancy.port,
             discrepancy.security_group))

    def unfixed(self, code: discrepancies.Code
                ) -> abc.Iterator[discrepancies.Discrepancy]:
        """Yield each Discrepancy with a code that has no result yet."""
        # One resource has one discrepancy with a code.
        for row in self._all(
                f'SELECT {_DISCREPANCY}, '
                'server || volume || port || security_group AS key '
                'FROM discrepancies WHERE key > ? AND code = ? '
                f'AND result = \'\' ORDER BY key LIMIT {BATCH}',
                code, key=7):
            yield _discrepancy(row[:7])

    def results(self) -> abc.Iterator[tuple[discrepancies.Discrepancy, str]]:
        """Yield each (Discrepancy, result), sorted by code."""
        for row in self._db.execute(
                f'SELECT {_DISCREPANCY}, result FROM discrepancies '
                'ORDER BY code, instance, server, volume, port, '
                'security_group'):
            yield _discrepancy(row[:7]), row[7]

    def tally(self) -> dict[str, int]:
        """Return the number of discrepancies by code."""
        return dict(self._db.execute(
            'SELECT code, COUNT(*) FROM discrepancies GROUP BY code '
            'ORDER BY code'))

    def size(self, table: str, condition: str = '1',
             what: str = '*') -> int:
        """Return the number of rows in a table.

        :param what: of what to count, such as `DISTINCT column`
        """
        size: int = self._value(
            f'SELECT COUNT({what}) FROM {table} WHERE {condition}')
        return size

    def _all(self, select: str, *values: str, key: int
             ) -> abc.Iterator[tuple[typing.Any, ...]]:
        """Yield all rows in batches, so that they may change meanwhile.

        :param select: its parameters are the last key of the last batch, and
            `values`
        :param key: the index of the key in a row
        """
        last = ''
        while True:
            batch = self._db.execute(select, (last, *values)).fetchall()
            yield from batch
            if len(batch) < BATCH:
                return
            last = batch[-1][key]

    def _row(self, select: str, *values: str) -> tuple[typing.Any, ...] | None:
        row: tuple[typing.Any, ...] | None = self._db.execute(
            select, values).fetchone()
        return row

    def _value(self, select: str, *values: str) -> typing.Any:
        return next(iter(self._row(select, *values) or ()), None)


def _instance(row: tuple[typing.Any, ...]) -> discrepancies.Instance:
    instance_id, server, volume, project, is_busy = row
    return discrepancies.Instance(
        instance_id, server, volume, project, bool(is_busy))


def _discrepancy(row: tuple[typing.Any, ...]) -> discrepancies.Discrepancy:
    return discrepancies.Discrepancy(discrepancies.Code(row[0]), *row[1:])
