"""The application's schema moves forward and back, with a real file: what is SQLite's own beyond the contract."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from watership.adapters.sqlite.migrator import SQLiteMigrator, statements
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Migration

EXPAND = Migration(
    start=1,
    end=2,
    name="add priority",
    forward="ALTER TABLE orders ADD COLUMN priority INTEGER;\nCREATE INDEX by_priority ON orders (priority);",
    backward="DROP INDEX by_priority; ALTER TABLE orders DROP COLUMN priority;",
)
LOG = Migration(
    start=2,
    end=3,
    name="log changes",
    forward="""
        -- who changed what; kept for a year
        CREATE TABLE changes (at TEXT, what TEXT);
        CREATE TRIGGER log_orders AFTER UPDATE ON orders BEGIN
            INSERT INTO changes VALUES (datetime('now'), 'a;b');
        END;
    """,
    backward="DROP TRIGGER log_orders; DROP TABLE changes;",
)


def changed(migration: Migration, **parts: str) -> Migration:
    return Migration(
        start=migration.start,
        end=migration.end,
        name=migration.name,
        forward=parts.get("forward", migration.forward),
        backward=parts.get("backward", migration.backward),
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    run(path, "PRAGMA journal_mode = WAL")
    run(path, "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)")
    run(path, "INSERT INTO orders (item) VALUES ('rope'), ('lamp')")
    return path


def run(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()


def columns(path: Path) -> list[object]:
    return [row[1] for row in run(path, "PRAGMA table_info(orders)")]


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 1", "VACUUM", "ATTACH 'other' AS other"])
async def test_what_does_nothing_in_a_transaction_is_refused(database: Path, statement: str) -> None:
    migrator = SQLiteMigrator(database, base=1)
    with pytest.raises(BadInput, match="one transaction"):
        await migrator.apply(
            changed(EXPAND, forward=f"CREATE TABLE x (y); {statement};"), forward=True, epoch=1
        )
    assert run(database, "SELECT count(*) FROM sqlite_master WHERE name = 'x'") == [(0,)]


async def test_a_rehearsal_takes_triggers_along(database: Path) -> None:
    migrator = SQLiteMigrator(database, base=1)
    assert (await migrator.rehearse([EXPAND, LOG])).seconds > 0
    assert columns(database) == ["id", "item"]
    assert await migrator.version() == 1


async def test_a_broken_database_names_its_faults(database: Path) -> None:
    migrator = SQLiteMigrator(database)
    run(database, "CREATE TABLE parts (of INTEGER REFERENCES orders (id))")
    run(database, "INSERT INTO parts VALUES (99)")
    (fault,) = await migrator.integrity()
    assert "parts" in fault
    assert "orders" in fault


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await SQLiteMigrator(tmp_path / "none.db").version()
    assert not (tmp_path / "none.db").exists()


def test_a_script_is_cut_between_its_statements_only() -> None:
    assert [text.split()[0] for text in statements(LOG.forward)] == ["--", "CREATE"]
    assert list(statements("SELECT ';'; ; SELECT 2")) == ["SELECT ';';", " SELECT 2;"]
