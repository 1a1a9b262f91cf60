"""Dumps of a real PostgreSQL: the commands as data, one moment for dump and counts, and bounds that leave nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from watership.adapters.postgres.backups import SCRATCH, PostgresBackups
from watership.adapters.postgres.dump import dump_command, restore_command, variables
from watership.errors import BadInput, Unavailable
from watership.testing.servers import PostgresServer

SECRET = "postgresql://dana:p%40ss@db.test:5433/shop?sslmode=require&password=other"
OPEN = "postgresql://dana@db.test:5433/shop?sslmode=require"


def test_the_commands_are_data_and_show_no_password() -> None:
    dump = dump_command(SECRET, snapshot="00000003-1", file=Path("x.partial"))
    restore = restore_command(SECRET, file=Path("x.dump"))

    assert dump == [
        *("pg_dump", "--format=custom", "--no-password", "--snapshot=00000003-1"),
        *("--file=x.partial", f"--dbname={OPEN}"),
    ]
    assert restore == [
        *("pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments"),
        *("--no-publications", "--no-subscriptions", "--no-password"),
        *(f"--dbname={OPEN}", "x.dump"),
    ]
    assert variables(SECRET)["PGPASSWORD"] == "p@ss"
    assert "PGPASSWORD" not in variables(OPEN)


def test_an_address_that_is_of_something_else_or_would_show_a_secret_is_refused() -> None:
    for url in ("mysql://db.test/shop", f"{OPEN}&sslpassword=hidden"):
        with pytest.raises(BadInput) as caught:
            dump_command(url, snapshot="1", file=Path("x"))
        assert "hidden" not in str(caught.value)


async def test_a_subscription_stays_where_it_is_and_hinders_no_restore(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    for statement in (
        "CREATE PUBLICATION told FOR ALL TABLES",
        "CREATE SUBSCRIPTION heard CONNECTION 'host=nowhere.test' PUBLICATION told WITH (connect = false)",
        "ALTER SUBSCRIPTION heard SET (slot_name = NONE)",
    ):
        postgres_server.sql(statement, url=postgres_url)
    backups = PostgresBackups(postgres_url, tmp_path)

    assert await backups.verify(await backups.create("heard")) == []
    assert postgres_server.sql("SELECT count(*) FROM pg_subscription") == "1"
    postgres_server.sql("DROP SUBSCRIPTION heard", url=postgres_url)


async def test_counts_and_dump_are_of_one_moment(postgres_url: str, tmp_path: Path) -> None:
    backups = PostgresBackups(postgres_url, tmp_path)
    writer = await asyncpg.connect(postgres_url)
    await writer.execute('CREATE TABLE "Odd name" (id serial, at timestamptz DEFAULT clock_timestamp())')

    async def write() -> None:
        while True:
            await writer.execute('INSERT INTO "Odd name" DEFAULT VALUES')

    writing = asyncio.create_task(write())
    backup = await backups.create("busy")
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    writer.terminate()

    assert await backups.verify(backup) == []


async def test_what_takes_too_long_is_ended_and_leaves_nothing(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    backup = await PostgresBackups(postgres_url, tmp_path).create("whole")
    before = sorted(tmp_path.iterdir())
    hasty = PostgresBackups(postgres_url, tmp_path, seconds=0.001)

    with pytest.raises(Unavailable, match="took longer"):
        await hasty.create("cut")
    with pytest.raises(Unavailable, match="took longer"):
        await hasty.verify(backup)

    assert sorted(tmp_path.iterdir()) == before
    assert SCRATCH not in postgres_server.sql("SELECT string_agg(datname, ' ') FROM pg_database")


async def test_a_server_that_is_not_there_is_not_blamed_on_the_backup(
    postgres_url: str, tmp_path: Path
) -> None:
    backup = await PostgresBackups(postgres_url, tmp_path).create("whole")
    nowhere = PostgresBackups(postgres_url, tmp_path, scratch="postgresql://dana:secret@127.0.0.1:1/x")

    with pytest.raises(Unavailable) as caught:
        await nowhere.verify(backup)
    assert "secret" not in str(caught.value)
