"""A restore into the place of the application's SQLite database: in one act on the file, which nobody else has open."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from watership.adapters.files.backups import Contents, contents_of, differences
from watership.adapters.files.rows import apart, state_of
from watership.adapters.sqlite.backups import SQLiteBackups, contents_in, contents_of_file, text
from watership.adapters.sqlite.migrator import opened
from watership.errors import Conflict, Untrusted
from watership.releases.ports import Backup
from watership.releases.readiness.restoring import Loss, TableLoss

WAIT_SECONDS: Final = 10.0
"""How long whoever writes may take to end. Who has the file open for longer uses it."""


class SQLitePlace:
    """The database file at `path`, and the backup that is to take its place."""

    def __init__(
        self, path: Path, backup: Backup, backups: SQLiteBackups, *, wait: float = WAIT_SECONDS
    ) -> None:
        self._path = path
        self._backup = backup
        self._backups = backups
        self._wait = wait
        self._alone: sqlite3.Connection | None = None

    async def loss(self) -> Loss:
        return await asyncio.to_thread(self._loss)

    async def safe(self, name: str) -> Backup:
        return await self._backups.create(name)

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        # It is used by one thread after the other, never by two at once.
        with closing(
            sqlite3.connect(self._path, isolation_level=None, timeout=self._wait, check_same_thread=False)
        ) as connection:
            try:
                await asyncio.to_thread(_hold, connection)
            except sqlite3.OperationalError as reason:
                raise Conflict(
                    f"{self._path} is in use ({reason}): nothing was restored.",
                    fix="watership environment down",
                ) from reason
            self._alone = connection
            try:
                yield
            finally:
                self._alone = None

    async def state(self) -> str:
        assert self._alone is not None, "it is asked when everybody else is out"
        return state_of(await asyncio.to_thread(contents_in, self._alone))

    async def swap(self) -> str:
        return await asyncio.to_thread(self._swap)

    def _swap(self) -> str:
        assert self._alone is not None, "everybody else is out"
        kept = self._path.with_name(f"{self._path.stem}_before_{datetime.now(UTC):%Y%m%dT%H%M%S}.db")
        with closing(sqlite3.connect(kept)) as copy:
            self._alone.backup(copy)
        kept.chmod(self._path.stat().st_mode)
        with closing(sqlite3.connect(self._backup.path)) as source:
            source.backup(self._alone)
        wanted, found = contents_of(self._backup), contents_in(self._alone)
        if wrong := differences(Contents(tables=wanted.tables), Contents(tables=found.tables)):
            with closing(sqlite3.connect(kept)) as copy:
                copy.backup(self._alone)
            raise Untrusted(f"What was restored is not as it was, and was undone: {'; '.join(wrong)}.")
        return str(kept)

    def _loss(self) -> Loss:
        backup = Path(self._backup.path)
        has, had = contents_of_file(self._path), contents_of(self._backup)
        tables = {}
        for name in sorted(has.tables.keys() | had.tables.keys()):
            mine, other = has.tables.get(name), had.tables.get(name)
            if mine is None or other is None:
                tables[name] = TableLoss(lost=mine.rows if mine else 0, back=other.rows if other else 0)
            elif mine != other:
                tables[name] = apart(_rows(self._path, name), _rows(backup, name))
        return Loss(backup=self._backup.id, tables=tables, state=state_of(Contents(tables=has.tables)))


def _hold(connection: sqlite3.Connection) -> None:
    """Keep everybody else out until the connection ends: the lock stays after a transaction."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("COMMIT")


def _rows(path: Path, table: str) -> list[int]:
    """A checksum of each row, in order."""
    quoted = '"' + table.replace('"', '""') + '"'
    found = array("q")
    with opened(path) as connection:
        connection.text_factory = text
        for row in connection.execute(f"SELECT * FROM {quoted}"):  # noqa: S608 - quoted as SQLite does
            found.append(int.from_bytes(hashlib.sha256(repr(row).encode()).digest()[:8], signed=True))
    return sorted(found)
