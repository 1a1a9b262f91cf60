"""Backups of the application's SQLite database: copied while in use, verified by restoring them elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from watership.adapters.files.backups import (
    BackupFolder,
    Contents,
    Table,
    altered,
    contents_of,
    differences,
)
from watership.adapters.sqlite.heartbeat import beat_in
from watership.adapters.sqlite.migrator import copy_database, faults, opened, schema
from watership.errors import BadInput, WatershipError
from watership.releases.ports import Backup
from watership.releases.readiness.restore import Restored

SUFFIX = ".sqlite3"


class SQLiteBackups:
    """Backups of the database file at `path`, kept in `folder`."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = BackupFolder(folder)

    async def create(self, name: str) -> Backup:
        return await asyncio.to_thread(self._create, name)

    async def verify(self, backup: Backup) -> Sequence[str]:
        try:
            return (await self.restored(backup)).wrong
        except WatershipError as error:
            return [str(error)]

    async def restored(self, backup: Backup) -> Restored:
        """Restore into a new file and look at that. Raises BadInput for what cannot be restored."""
        return await asyncio.to_thread(self._restored, backup)

    def _create(self, name: str) -> Backup:
        draft = self._folder.begin(name, SUFFIX, datetime.now(UTC))
        try:
            copy_database(self._path, draft.partial)
            return self._folder.keep(draft, contents_of_file(draft.partial))
        finally:
            draft.partial.unlink(missing_ok=True)

    def _restored(self, backup: Backup) -> Restored:
        began = time.monotonic()
        if wrong := altered(backup):
            return Restored(
                wrong=wrong, restore_seconds=time.monotonic() - began, compare_seconds=0.0, beat=None
            )
        wanted = contents_of(backup)
        try:
            with tempfile.TemporaryDirectory(prefix="watership-restore-") as folder:
                copy = Path(folder) / "restored.sqlite3"
                copy_database(Path(backup.path), copy)
                restored = time.monotonic()
                with opened(copy) as connection:
                    wrong = list(faults(connection))
                    beat = beat_in(connection)
                wrong += differences(wanted, contents_of_file(copy))
                return Restored(
                    wrong=wrong,
                    restore_seconds=restored - began,
                    compare_seconds=time.monotonic() - restored,
                    beat=beat,
                )
        except (WatershipError, sqlite3.Error) as error:
            raise BadInput(f"{backup.path} cannot be restored: {error}") from error


def contents_of_file(path: Path) -> Contents:
    """What the database in a file holds, and its schema."""
    with opened(path) as connection:
        held = contents_in(connection).tables
    return Contents(schema=schema(path), tables=held)


def contents_in(connection: sqlite3.Connection) -> Contents:
    """What the tables of a database hold."""
    connection.text_factory = text
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return Contents(tables={table: _table(connection, table) for (table,) in tables})


def text(raw: bytes) -> str:
    """Text that is no UTF-8 is kept as it is: SQLite takes any bytes for text."""
    return raw.decode("utf-8", "surrogateescape")


def _table(connection: sqlite3.Connection, table: str) -> Table:
    quoted = '"' + table.replace('"', '""') + '"'
    rows = total = 0
    for row in connection.execute(f"SELECT * FROM {quoted}"):  # noqa: S608 - quoted as SQLite does
        rows += 1
        total += int.from_bytes(hashlib.sha256(repr(row).encode()).digest()[:8])
    return Table(rows, f"{total % 2**64:016x}")
