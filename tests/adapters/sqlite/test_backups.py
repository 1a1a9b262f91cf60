"""A backup is verified by restoring it."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from watership.adapters.sqlite.backups import SQLiteBackups
from watership.errors import BadInput
from watership.releases.ports import Backup


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
        connection.executemany("INSERT INTO orders (item) VALUES (?)", [("rope",)] * 1000)
    return path


@pytest.fixture
def backups(database: Path, tmp_path: Path) -> SQLiteBackups:
    return SQLiteBackups(database, tmp_path / "backups")


def rewritten(backup: Backup, content: bytes) -> Backup:
    """The backup with other content and a checksum to match: only restoring it can tell."""
    Path(backup.path).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return msgspec.structs.replace(backup, sha256=digest, bytes=len(content))


async def test_a_backup_of_a_database_in_use_can_be_restored(backups: SQLiteBackups, database: Path) -> None:
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO orders (item) VALUES ('uncommitted')")
        backup = await backups.create("before-2.1")
    assert await backups.verify(backup) == []
    with closing(sqlite3.connect(backup.path)) as copy:
        assert copy.execute("SELECT count(*) FROM orders").fetchone() == (1000,)
    assert sorted(path.suffix for path in Path(backup.path).parent.iterdir()) == [".json", ".sqlite3"]


async def test_a_backup_that_is_gone_or_cut_or_altered_is_found(backups: SQLiteBackups) -> None:
    backup = await backups.create("one")
    path = Path(backup.path)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert "bytes" in (await backups.verify(backup))[0]
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "another content" in (await backups.verify(backup))[0]
    path.unlink()
    assert "not there" in (await backups.verify(backup))[0]


async def test_a_backup_that_was_bad_from_the_start_is_found(backups: SQLiteBackups) -> None:
    backup = await backups.create("one")
    content = Path(backup.path).read_bytes()
    damaged = content[:4096] + b"\0" * 4096 + content[8192:]
    assert await backups.verify(rewritten(backup, damaged)) != []
    assert await backups.verify(rewritten(backup, b"no database at all")) != []


async def test_rows_that_are_missing_are_named(backups: SQLiteBackups) -> None:
    backup = await backups.create("one")
    with closing(sqlite3.connect(backup.path)) as copy, copy:
        copy.execute("DELETE FROM orders WHERE id > 990")
    altered = rewritten(backup, Path(backup.path).read_bytes())
    assert await backups.verify(altered) == ["orders has 990 rows, it had 1000"]


async def test_rows_that_point_to_nothing_are_named(backups: SQLiteBackups, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE parts (of INTEGER REFERENCES orders (id))")
        connection.execute("INSERT INTO parts VALUES (99999)")
    (fault,) = await backups.verify(await backups.create("one"))
    assert "parts" in fault


async def test_a_name_cannot_lead_elsewhere(backups: SQLiteBackups) -> None:
    with pytest.raises(BadInput):
        await backups.create("../elsewhere")
