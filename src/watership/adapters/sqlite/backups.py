"""Backups of the application's SQLite database: copied while in use, verified by restoring them elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from watership.adapters.files.replace import replace_file
from watership.adapters.sqlite.migrator import copy_database, faults, opened, schema
from watership.errors import BadInput, WatershipError
from watership.releases.ports import Backup


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup held when it was taken, kept beside it."""

    schema: dict[str, str]
    rows: dict[str, int]


class SQLiteBackups:
    """Backups of the database file at `path`, kept in `folder`."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder

    async def create(self, name: str) -> Backup:
        return await asyncio.to_thread(self._create, name)

    async def verify(self, backup: Backup) -> Sequence[str]:
        return await asyncio.to_thread(self._verify, backup)

    def _create(self, name: str) -> Backup:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
            raise BadInput(f"{name!r} cannot name a backup.", fix="Use letters, digits, dots and dashes.")
        self._folder.mkdir(parents=True, exist_ok=True)
        taken = datetime.now(UTC)
        backup_id = f"{name}-{taken:%Y%m%dT%H%M%S%f}"
        target = self._folder / f"{backup_id}.sqlite3"
        partial = target.with_suffix(".partial")
        copy_database(self._path, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        replace_file(_manifest(target), msgspec.json.encode(_contents(partial)))
        partial.replace(target)
        return Backup(
            id=backup_id,
            path=str(target),
            bytes=target.stat().st_size,
            sha256=_sha256(target),
            taken_at=taken,
        )

    def _verify(self, backup: Backup) -> Sequence[str]:
        path = Path(backup.path)
        if not path.is_file():
            return [f"{path} is not there"]
        if (size := path.stat().st_size) != backup.bytes:
            return [f"{path} has {size:,} bytes, it had {backup.bytes:,}"]
        if _sha256(path) != backup.sha256:
            return [f"{path} has another content than when it was taken"]
        try:
            return self._restored(path)
        except (WatershipError, sqlite3.Error) as error:
            return [f"{path} cannot be restored: {error}"]

    def _restored(self, path: Path) -> Sequence[str]:
        """Restore into a new file and look at that: what is wrong with it."""
        try:
            wanted = msgspec.json.decode(_manifest(path).read_bytes(), type=Contents)
        except (OSError, msgspec.DecodeError) as error:
            return [f"what {path} should hold is not known: {error}"]
        with tempfile.TemporaryDirectory(prefix="watership-restore-") as folder:
            restored = Path(folder) / "restored.sqlite3"
            copy_database(path, restored)
            found = _contents(restored)
            with opened(restored) as connection:
                wrong = list(faults(connection))
        names = sorted(wanted.rows.keys() | found.rows.keys())
        wrong += [
            f"{table} has {found.rows.get(table)} rows, it had {wanted.rows.get(table)}"
            for table in names
            if wanted.rows.get(table) != found.rows.get(table)
        ]
        return wrong if wanted.schema == found.schema else [*wrong, "the schema differs"]


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _contents(path: Path) -> Contents:
    with opened(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {}
        for (table,) in tables:
            quoted = '"' + table.replace('"', '""') + '"'
            rows[table] = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0]  # noqa: S608
    return Contents(schema=schema(path), rows=rows)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
