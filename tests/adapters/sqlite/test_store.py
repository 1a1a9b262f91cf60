"""What only the SQLite store does: its file, its schema, its threads, its statements."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.world import GREEN, ManualClock, World, done, submission
from watership.adapters.sqlite import SQLiteStore, runs, schema
from watership.adapters.sqlite.connection import immediate
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.durable.writes import Expire
from watership.errors import BadInput, Conflict, ProgramError, Unavailable
from watership.fleet.flags import Flag, pause_flag

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /mnt/team rw,relatime shared:9 - nfs4 server:/team rw
31 30 0:27 / /mnt/team/my\\040disk rw,relatime shared:9 - xfs /dev/sdb rw
"""


async def test_a_store_is_found_again_as_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    clock = ManualClock()
    async with await SQLiteStore.open(path, clock=clock) as store:
        world = World(store, clock)
        run = await world.running("a")
        await world.append(run, done())
        before = await world.run("a")
    async with await SQLiteStore.open(path, clock=clock) as store:
        assert await store.get(RunId("a")) == before
        assert [entry.event for entry in await store.journal(RunId("a"))] == [done()]


async def test_the_file_is_durable_and_shared(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "runs.db") as store:
        settings = ("journal_mode", "synchronous")
        assert await store._writer.run(
            lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in settings]
        ) == ["wal", 2]


async def test_the_reader_cannot_write(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "runs.db") as store:
        with pytest.raises(Unavailable, match="readonly"):
            await store._reader.run(lambda db: db.execute("DELETE FROM runs"))


async def test_a_closed_store_says_so_and_closes_twice(tmp_path: Path) -> None:
    store = await SQLiteStore.open(tmp_path / "runs.db")
    await store.close()
    await store.close()
    for asked in (store.write([submission("a", deployment=GREEN)]), store.get(RunId("a")), store.ping()):
        with pytest.raises(Unavailable, match="closed"):
            await asked


async def test_closing_finishes_the_writes_that_were_begun(tmp_path: Path) -> None:
    store = await SQLiteStore.open(tmp_path / "runs.db")
    writing = [asyncio.create_task(store.write([submission(f"r{n}", deployment=GREEN)])) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert all(written.outcomes for written in await asyncio.gather(*writing))


async def test_many_tasks_may_write_and_read_at_once(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "runs.db") as store:

        async def one(name: str) -> bool:
            await store.write([submission(name, deployment=GREEN)])
            return await store.get(RunId(name)) is not None

        assert all(await asyncio.gather(*(one(f"r{number}") for number in range(50))))


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(b"this is not a database, but long enough to be asked " * 100)
    with pytest.raises(Unavailable, match="not a database"):
        await SQLiteStore.open(path)


async def test_a_folder_that_does_not_exist_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no folder"):
        await SQLiteStore.open(tmp_path / "nowhere" / "runs.db")


async def test_a_write_to_a_file_that_is_full_is_unavailable_and_undone(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "runs.db") as store:
        await store.write([submission("a", deployment=GREEN)])
        pages = await store._writer.run(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await store._writer.run(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        with pytest.raises(Unavailable, match="full"):
            await store.write([submission(f"r{number}", deployment=GREEN) for number in range(1_000)])
        await store._writer.run(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
        assert sum((await store.census()).values()) == 1
        await store.write([submission("b", deployment=GREEN)])


async def test_what_breaks_a_rule_of_the_database_is_the_programs_error(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "runs.db") as store:
        with pytest.raises(ProgramError):
            await store._writer.run(
                lambda db: db.execute("INSERT INTO intake VALUES (2, X'7B7D', 0, NULL, NULL, 0, NULL)")
            )


async def test_a_pause_and_a_deadline_outlive_the_process(tmp_path: Path) -> None:
    path, clock = tmp_path / "runs.db", ManualClock()
    async with await SQLiteStore.open(path, clock=clock) as store:
        await store.set_flag(Flag(name=pause_flag("p"), on=True, by="hazel"))
        await World(store, clock).submit("a", within_seconds=5.0)
    async with await SQLiteStore.open(path, clock=clock) as store:
        world = World(store, clock)
        assert await world.claim() == ()
        clock.go_on(5)
        assert await store.late(limit=10) == ["a"]
        await world.write(Expire(run_id=RunId("a")))
        assert await world.state("a") is RunState.FAILED


# --- the schema ----------------------------------------------------------------------------------


async def test_a_schema_of_a_newer_build_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    await (await SQLiteStore.open(path)).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO schema_versions VALUES (?, 0)", (schema.SCHEMA.highest + 1,))
    with pytest.raises(Conflict, match="newer build"):
        await SQLiteStore.open(path)


async def test_every_migration_is_applied_once_and_registered(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    for _ in range(2):
        await (await SQLiteStore.open(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        versions = [
            row[0] for row in connection.execute("SELECT version FROM schema_versions ORDER BY version")
        ]
    assert versions == list(range(1, schema.SCHEMA.highest + 1))


def test_migrations_lead_there_and_back() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for version in range(1, schema.SCHEMA.highest + 1):
            connection.executescript(schema.migration(f"forward_{version}.sql"))
        for version in range(schema.SCHEMA.highest, 0, -1):
            connection.executescript(schema.migration(f"backward_{version}.sql"))
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    broken = list(
        schema.statements("CREATE TABLE a (b);\n-- a comment; with a semicolon\nCREATE TABLE a (b);\n")
    )
    assert len(broken) == 2
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError), immediate(connection):
            for statement in broken:
                connection.execute(statement)
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/ann/runs.db", "ext4"),
        ("/mnt/team/runs.db", "nfs4"),
        ("/mnt/team/my disk/x", "xfs"),
        ("/mnt/teams", "ext4"),
    ],
)
def test_the_filesystem_of_a_file_is_that_of_the_nearest_mount(place: str, kind: str) -> None:
    assert schema.filesystem(Path(place), MOUNTS) == kind


def test_a_network_filesystem_is_refused_by_name() -> None:
    assert "nfs4" in schema.NETWORK_FILESYSTEMS
    with pytest.raises(BadInput, match="nfs4"):
        schema.refuse_kind(Path("/mnt/team/runs.db"), "nfs4")
    schema.refuse_kind(Path("/home/ann/runs.db"), "ext4")


# --- the statements ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["_BY_ID", "_DUE", "_LEASED", "_UNCLAIMED", "_ACTIVE", "_NEXT", "_QUEUED", "_CHILDREN"]
)
async def test_no_search_of_a_write_reads_the_whole_table(tmp_path: Path, name: str) -> None:
    query = getattr(runs, name)
    facts = (
        {"deployment": "d", "pool": "p", "now": 0, "limit": 1, "window": 1}
        if ":" in query
        else ("x",) * query.count("?")
    )
    async with await SQLiteStore.open(tmp_path / "runs.db") as store:
        plan = await store._writer.run(lambda db: db.execute(f"EXPLAIN QUERY PLAN {query}", facts).fetchall())
    steps = [row[3] for row in plan]
    assert [step for step in steps if step.startswith("SCAN runs")] == []


async def test_the_record_of_flags_only_grows(tmp_path: Path) -> None:
    async with await SQLiteStore.open(tmp_path / "runs.db") as store:
        await store.set_flag(Flag(name="f", by="hazel"))
        for statement in ("UPDATE flag_changes SET by = 'nobody'", "DELETE FROM flag_changes"):
            with pytest.raises(ProgramError, match="record of changes"):
                await store._writer.run(lambda db, statement=statement: db.execute(statement))  # type: ignore[misc]
