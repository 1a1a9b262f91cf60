"""pgBackRest on a real server: backups under writes, restored to their point, and the log to its last kept piece."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from watership.adapters.files.backups import BackupFolder
from watership.adapters.pgbackrest.backups import PgBackRestBackups, pointed
from watership.adapters.pgbackrest.commands import Stanza
from watership.adapters.pgbackrest.marking import mark
from watership.adapters.postgres.contents import session
from watership.adapters.postgres.heartbeat import PostgresHeartbeat
from watership.adapters.postgres.scratch_server import folders
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Conflict, NotFound, Unavailable
from watership.releases.readiness import archived
from watership.releases.readiness.drill import Drill
from watership.testing.servers import ArchivedPostgres, PostgresServer


def backups_of(server: ArchivedPostgres, folder: Path, *, url: str = "") -> PgBackRestBackups:
    stanza = Stanza(name="main", config=str(server.config))
    return PgBackRestBackups(url or server.url, folder / "backups", stanza, into=scratch_of(server))


def scratch_of(server: ArchivedPostgres) -> Path:
    """Where the user of the database may go, as it may not to a test's own folder."""
    (made := server.folder / "scratch").mkdir(exist_ok=True)
    return made


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[list[int]]:
    """Somebody writes to the database, as quickly as it takes it; how often so far."""
    connection = await asyncpg.connect(url)
    written: list[int] = []

    async def write() -> None:
        while True:
            await connection.execute("INSERT INTO orders VALUES (200, 'twine')")
            await connection.execute("UPDATE orders SET item = item || '.' WHERE id = 7")
            written.append(1)

    task = asyncio.create_task(write())
    try:
        yield written
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        connection.terminate()


async def drilled(server: ArchivedPostgres, backups: PgBackRestBackups, *, loss_after: float) -> Drill:
    return await archived.hold(
        *(backups, PostgresHeartbeat(server.url), SystemClock()),
        environment="test",
        by="dana",
        loss_after=loss_after,
    )


async def test_what_was_written_meanwhile_is_compared_at_the_point_and_the_rest_is_lost_with_the_log(
    archived_postgres: ArchivedPostgres, tmp_path: Path
) -> None:
    backups = backups_of(archived_postgres, tmp_path)

    async with writing(archived_postgres.url) as written:
        drill = await drilled(archived_postgres, backups, loss_after=0.5)

    assert written and (drill.outcome, drill.words) == ("passed", "")
    assert [step.name for step in drill.steps] == [
        *("heartbeat", "backup", "restore point", "restore", "replay", "compare", "replay to the loss"),
        "heartbeat taken away",
    ]
    assert drill.rto_seconds is not None and 0 < drill.rto_seconds <= drill.seconds
    # No piece of the log was finished since the point: half a second of heartbeats is in none that is kept.
    assert drill.rpo_seconds is not None and 0.5 <= drill.rpo_seconds <= drill.seconds
    (kept,) = BackupFolder(tmp_path / "backups").kept()
    assert (drill.facts["backup"], drill.facts["method"]) == (kept.id, "archive")
    assert kept.bytes > 10_000_000 and pointed(kept).label in archived_postgres.back("info")
    assert list(scratch_of(archived_postgres).iterdir()) == []
    assert "watership_heartbeat" not in archived_postgres.sql(
        "SELECT * FROM pg_tables", url=archived_postgres.url
    )


async def test_a_point_waits_for_writers_and_says_so_when_they_do_not_end(
    archived_postgres: ArchivedPostgres,
) -> None:
    writer = await asyncpg.connect(archived_postgres.url)
    try:
        await writer.execute("BEGIN; UPDATE orders SET item = 'held' WHERE id = 1")
        with pytest.raises(Unavailable, match="writes for longer"):
            await mark(archived_postgres.url, "never", tries=1)
        await writer.execute("ROLLBACK")
        marked = await mark(archived_postgres.url, "then", tries=1)
    finally:
        await writer.close()

    assert "public.orders" in marked.contents.tables


async def test_the_stanza_of_another_server_is_refused_and_leaves_nothing(
    archived_postgres: ArchivedPostgres, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    backups = backups_of(archived_postgres, tmp_path, url=postgres_server.url)

    with pytest.raises(NotFound):
        await backups.point("one", "no-such-label")
    label = (await backups.catalogue()).backup[-1].label
    with pytest.raises(Conflict, match="another server"):
        await backups.point("one", label)
    with pytest.raises(Conflict, match="another server"):
        await backups.create("one")
    assert (await backups.catalogue()).backup[-1].label == label
    assert list((tmp_path / "backups").iterdir()) == []


async def test_a_folder_that_the_database_may_not_enter_is_not_blamed_on_the_backup(
    archived_postgres: ArchivedPostgres, tmp_path: Path
) -> None:
    if archived_postgres.user is None:
        pytest.skip("we are the user of the database ourselves")
    tmp_path.chmod(0o700)

    with pytest.raises(BadInput, match="may not enter"):
        async with folders(tmp_path, archived_postgres.user, room=1):
            pass
    with pytest.raises(Unavailable, match="bytes free"):
        async with folders(scratch_of(archived_postgres), archived_postgres.user, room=2**60):
            pass


async def test_a_repository_that_was_damaged_restores_nothing_and_says_so(
    archived_postgres: ArchivedPostgres, tmp_path: Path, nightly: bool
) -> None:
    if not nightly:
        pytest.skip("a restore more: at night")
    backups = backups_of(archived_postgres, tmp_path)
    kept = await backups.create("one")
    assert await backups.verify(kept) == []
    repository = archived_postgres.folder / "repo"
    shutil.copytree(repository, whole := tmp_path / "whole")
    for file in repository.rglob("pg_data/base/*/1259*"):
        file.write_bytes(b"no page of a table")

    (wrong,) = await backups.verify(kept)

    shutil.copytree(whole, repository, dirs_exist_ok=True)
    assert "cannot be restored" in wrong
    Path(kept.path).write_text("{}")
    (wrong,) = await backups.verify(kept)
    assert "another content" in wrong


async def test_any_moment_is_restored_to_what_had_been_committed_by_then(
    archived_postgres: ArchivedPostgres, tmp_path: Path, nightly: bool
) -> None:
    if not nightly:
        pytest.skip("a restore more: at night")
    backups = backups_of(archived_postgres, tmp_path)
    await backups.create("base")
    await asyncio.sleep(1.1)  # a backup's end is known to the second
    before = archived_postgres.sql("SELECT count(*) FROM orders", url=archived_postgres.url)
    moment = datetime.now(UTC)
    archived_postgres.sql("DELETE FROM orders", url=archived_postgres.url)
    archived_postgres.sql("SELECT pg_switch_wal()", url=archived_postgres.url)

    async with backups.at(moment) as (_, url), session(url) as connection:
        found = await connection.fetchval("SELECT count(*) FROM public.orders")

    assert str(found) == before != "0"


async def test_a_piece_of_the_log_that_came_after_the_loss_is_not_used(
    archived_postgres: ArchivedPostgres, tmp_path: Path, nightly: bool
) -> None:
    if not nightly:
        pytest.skip("a restore more: at night")
    backups, heartbeat = backups_of(archived_postgres, tmp_path), PostgresHeartbeat(archived_postgres.url)
    await heartbeat.begin()
    try:
        await heartbeat.beat(first := datetime.now(UTC))
        kept = await backups.create("one")
        edge = await backups.edge()
        await heartbeat.beat(datetime.now(UTC))
        await backups.again("later", kept)
        assert await backups.edge() > edge
        recovered = await backups.recovered(kept, edge)
    finally:
        await heartbeat.end()

    assert (recovered.wrong, recovered.beat) == ([], first)
