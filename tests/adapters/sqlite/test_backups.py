"""A backup is verified by restoring it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.backups_suite import rewritten
from watership.adapters.sqlite.backups import SQLiteBackups


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


async def test_a_backup_of_a_database_in_use_can_be_restored(backups: SQLiteBackups, database: Path) -> None:
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO orders (item) VALUES ('uncommitted')")
        backup = await backups.create("before-2.1")
    assert await backups.verify(backup) == []
    with closing(sqlite3.connect(backup.path)) as copy:
        assert copy.execute("SELECT count(*) FROM orders").fetchone() == (1000,)
    assert sorted(path.suffix for path in Path(backup.path).parent.iterdir()) == [".json", ".sqlite3"]


async def test_a_backup_with_a_damaged_page_is_found(backups: SQLiteBackups) -> None:
    backup = await backups.create("one")
    content = Path(backup.path).read_bytes()
    damaged = content[:4096] + b"\0" * 4096 + content[8192:]
    assert await backups.verify(rewritten(backup, damaged)) != []


async def test_rows_that_point_to_nothing_are_named(backups: SQLiteBackups, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE parts (of INTEGER REFERENCES orders (id))")
        connection.execute("INSERT INTO parts VALUES (99999)")
    (fault,) = await backups.verify(await backups.create("one"))
    assert "parts" in fault
