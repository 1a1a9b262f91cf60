"""The application's schema moves forward and back, with a real file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from watership.adapters.sqlite.migrator import SQLiteMigrator, statements
from watership.errors import BadInput, Conflict, Fenced, Unavailable
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


async def test_a_step_forward_and_back_leaves_the_version_that_it_names(database: Path) -> None:
    migrator = SQLiteMigrator(database, base=1)
    assert await migrator.version() == 1
    assert await migrator.apply(EXPAND, forward=True, epoch=1) == 2
    assert columns(database) == ["id", "item", "priority"]
    assert await SQLiteMigrator(database, base=1).version() == 2
    assert await migrator.apply(EXPAND, forward=False, epoch=1) == 1
    assert columns(database) == ["id", "item"]
    assert await migrator.version() == 1


async def test_a_step_already_taken_is_not_taken_again(database: Path) -> None:
    migrator = SQLiteMigrator(database, base=1)
    await migrator.apply(EXPAND, forward=True, epoch=1)
    assert await migrator.apply(EXPAND, forward=True, epoch=1) == 2


async def test_a_step_from_elsewhere_is_refused(database: Path) -> None:
    migrator = SQLiteMigrator(database, base=1)
    with pytest.raises(Conflict, match="version 2 to 3"):
        await migrator.apply(LOG, forward=True, epoch=1)
    assert await migrator.version() == 1


async def test_a_lower_epoch_can_do_nothing(database: Path) -> None:
    migrator = SQLiteMigrator(database, base=1)
    await migrator.apply(EXPAND, forward=True, epoch=5)
    with pytest.raises(Fenced):
        await migrator.apply(EXPAND, forward=False, epoch=4)
    assert await migrator.version() == 2


async def test_a_step_that_fails_midway_leaves_nothing_behind(database: Path) -> None:
    migrator = SQLiteMigrator(database, base=1)
    broken = changed(EXPAND, forward="ALTER TABLE orders ADD COLUMN priority INTEGER; SELECT nonsense;")
    with pytest.raises(BadInput, match="nonsense"):
        await migrator.apply(broken, forward=True, epoch=1)
    assert columns(database) == ["id", "item"]
    assert await migrator.version() == 1


@pytest.mark.parametrize(
    "statement", ["COMMIT", "-- why\nbegin", "/* x */ ROLLBACK", "PRAGMA user_version = 1"]
)
async def test_a_step_that_would_leave_its_transaction_is_refused(database: Path, statement: str) -> None:
    migrator = SQLiteMigrator(database, base=1)
    with pytest.raises(BadInput, match="one transaction"):
        await migrator.apply(
            changed(EXPAND, forward=f"CREATE TABLE x (y); {statement};"), forward=True, epoch=1
        )
    assert run(database, "SELECT count(*) FROM sqlite_master WHERE name = 'x'") == [(0,)]


async def test_rows_that_would_point_to_nothing_are_refused(database: Path) -> None:
    orphans = "CREATE TABLE parts (of INTEGER REFERENCES orders (id)); INSERT INTO parts VALUES (99);"
    with pytest.raises(BadInput):
        await SQLiteMigrator(database, base=1).apply(changed(EXPAND, forward=orphans), forward=True, epoch=1)


async def test_a_rehearsal_changes_nothing_but_the_copy(database: Path) -> None:
    migrator = SQLiteMigrator(database, base=1)
    assert await migrator.rehearse([EXPAND, LOG]) > 0
    assert columns(database) == ["id", "item"]
    assert await migrator.version() == 1


async def test_a_way_back_that_forgets_something_is_found(database: Path) -> None:
    forgetful = changed(EXPAND, forward="CREATE TABLE a (x); CREATE TABLE b (x);", backward="DROP TABLE a;")
    with pytest.raises(BadInput, match="table b"):
        await SQLiteMigrator(database, base=1).rehearse([forgetful])


async def test_a_way_back_that_loses_rows_is_found(database: Path) -> None:
    lossy = changed(
        EXPAND, forward="UPDATE orders SET item = upper(item);", backward="DELETE FROM orders WHERE id = 1;"
    )
    with pytest.raises(BadInput, match="orders"):
        await SQLiteMigrator(database, base=1).rehearse([lossy])


async def test_a_sound_database_has_no_faults_and_a_broken_one_names_them(database: Path) -> None:
    migrator = SQLiteMigrator(database)
    assert await migrator.integrity() == []
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
