"""A real PostgreSQL is migrated beside others who use it: what goes beyond the contract of all migrators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.contracts.migrator_suite import EXPAND, FILL, changed
from watership.adapters.postgres.migrator import PostgresMigrator
from watership.adapters.postgres.scratch import service
from watership.adapters.postgres.script import OUTSIDE, read_script, statements
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Fenced, Unavailable
from watership.testing.servers import PostgresServer
from watership.testing.servers.ports import LOOPBACK, free_port

TABLE = (
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, size INTEGER); "
    "INSERT INTO orders VALUES (1, 'rope'), (2, 'lamp'), (3, 'lamp')"
)
INDEX = f"""{OUTSIDE}
DROP INDEX CONCURRENTLY IF EXISTS by_item;
CREATE UNIQUE INDEX CONCURRENTLY by_item ON orders (item);"""
APART = changed(EXPAND, forward=INDEX, backward=f"{OUTSIDE}\nDROP INDEX CONCURRENTLY by_item;")


class Letting(SystemClock):
    """A clock in whose first pause of a second somebody lets go of a lock."""

    def __init__(self, holder: asyncpg.Connection[asyncpg.Record]) -> None:
        self._holder = holder
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if seconds < 1:
            await asyncio.sleep(seconds)
            return
        self.pauses.append(seconds)
        if len(self.pauses) == 2:
            await self._holder.execute("ROLLBACK")


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    url = postgres_server.new_database()
    postgres_server.sql(TABLE, url=url)
    return url


@pytest.fixture
async def other(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Another session with the database, such as the application's."""
    session = await asyncpg.connect(url)
    yield session
    await session.close()


def migrator(url: str) -> PostgresMigrator:
    return PostgresMigrator(url, SystemClock(), base=1, lock_seconds=0.05, pauses=(0.0,), statement_seconds=5)


async def test_a_lock_that_is_not_to_be_had_is_let_go_and_asked_for_again(
    url: str, other: asyncpg.Connection[asyncpg.Record]
) -> None:
    await other.execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE")
    clock = Letting(other)
    patient = PostgresMigrator(
        url, clock, base=1, lock_seconds=0.05, pauses=(1.0, 2.0, 3.0), statement_seconds=5
    )
    assert await patient.apply(EXPAND, forward=True, epoch=1) == 2
    assert clock.pauses == [1.0, 2.0]


async def test_a_lock_that_stays_is_given_up_and_nothing_is_left(
    url: str, other: asyncpg.Connection[asyncpg.Record]
) -> None:
    await other.execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE")
    with pytest.raises(Unavailable, match=r"2 attempts of 0\.05 s.*lock timeout"):
        await migrator(url).apply(EXPAND, forward=True, epoch=1)
    assert await migrator(url).version() == 1
    # Nobody queues any more: who reads gets through at once.
    await other.execute("ROLLBACK; SET lock_timeout = 1; SELECT count(*) FROM orders")


async def test_the_locks_of_a_step_are_measured_and_stay_on_record(url: str) -> None:
    slow = changed(EXPAND, forward=f"{EXPAND.forward} SELECT pg_sleep(0.1);")
    assert await migrator(url).locks() is None
    await migrator(url).apply(slow, forward=True, epoch=1)
    told = {(each.table, each.mode): each.seconds for each in await migrator(url).locks() or ()}
    assert 0.05 < told["orders", "AccessExclusiveLock"] < 5
    assert (
        await migrator(url).rehearse([changed(slow, forward="SELECT 1", backward="SELECT 1")])
    ).locks == ()


async def test_a_rehearsal_tells_the_locks_of_the_first_way(url: str) -> None:
    slow = changed(EXPAND, forward=f"{EXPAND.forward} SELECT pg_sleep(0.05);")
    (held, *_) = (await migrator(url).rehearse([slow])).locks or ()
    assert (held.migration, held.table, held.mode) == ("add priority", "orders", "AccessExclusiveLock")


async def test_a_statement_that_takes_too_long_is_no_migration(url: str) -> None:
    short = PostgresMigrator(url, SystemClock(), base=1, statement_seconds=0.5)
    with pytest.raises(BadInput, match="statement timeout"):
        await short.apply(changed(EXPAND, forward="SELECT pg_sleep(9)"), forward=True, epoch=1)
    assert await short.version() == 1


async def test_a_step_that_is_broken_off_leaves_nothing_and_lets_go_of_its_locks(
    url: str, other: asyncpg.Connection[asyncpg.Record]
) -> None:
    slow = changed(EXPAND, forward=f"{EXPAND.forward} SELECT pg_sleep(60);")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await migrator(url).apply(slow, forward=True, epoch=1)
    await other.execute(
        "SET lock_timeout = '5s'; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT item FROM orders"
    )
    assert await migrator(url).version() == 1
    assert await migrator(url).apply(EXPAND, forward=True, epoch=1) == 2


async def test_a_table_of_steps_that_counted_no_rows_learns_to(
    url: str, postgres_server: PostgresServer
) -> None:
    steps = migrator(url)
    await steps.apply(EXPAND, forward=True, epoch=1)
    postgres_server.sql("ALTER TABLE application_versions DROP COLUMN rows", url=url)
    assert await steps.apply(FILL, forward=True, epoch=1) == 3
    assert await steps.fill(FILL, epoch=1) == 3


async def test_of_two_controllers_at_once_one_takes_the_step(
    url: str, postgres_server: PostgresServer
) -> None:
    at_once = PostgresMigrator(url, SystemClock(), base=1, pauses=(0.05,) * 20)
    steps = [at_once.apply(EXPAND, forward=True, epoch=epoch) for epoch in (1, 1, 1)]
    assert await asyncio.gather(*steps) == [2, 2, 2]
    assert postgres_server.sql("SELECT count(*) FROM application_versions", url=url) == "1"


async def test_an_index_is_built_outside_of_a_transaction_and_begun_anew_when_it_broke_off(
    url: str, postgres_server: PostgresServer
) -> None:
    with pytest.raises(BadInput, match="could not create unique index"):
        await migrator(url).apply(APART, forward=True, epoch=5)
    assert await migrator(url).version() == 1
    assert [*await migrator(url).integrity()] == [
        "index by_item of orders is not valid: a build of it was broken off"
    ]
    # Who began it is on record, so that who was before him can do nothing.
    with pytest.raises(Fenced):
        await migrator(url).apply(APART, forward=True, epoch=4)
    postgres_server.sql("DELETE FROM orders WHERE id = 3", url=url)
    assert await migrator(url).apply(APART, forward=True, epoch=5) == 2
    assert await migrator(url).apply(APART, forward=True, epoch=6) == 2
    assert [*await migrator(url).integrity()] == []
    assert await migrator(url).apply(APART, forward=False, epoch=5) == 1


async def test_an_index_that_was_left_invalid_is_not_taken_for_built(
    url: str, postgres_server: PostgresServer
) -> None:
    hopeful = changed(
        APART, forward=f"{OUTSIDE}\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS by_item ON orders (item)"
    )
    for words in ("could not create", "leaves indexes that are not valid: by_item"):
        with pytest.raises(BadInput, match=words):
            await migrator(url).apply(hopeful, forward=True, epoch=1)
    assert await migrator(url).version() == 1


async def test_another_search_path_of_the_script_does_not_hide_what_is_on_record(url: str) -> None:
    away = "CREATE SCHEMA away; SET search_path = away; CREATE TABLE there (x INTEGER);"
    assert await migrator(url).apply(changed(EXPAND, forward=away), forward=True, epoch=1) == 2
    assert await migrator(url).version() == 2
    assert await migrator(url).locks() is not None


async def test_a_commit_that_is_hidden_from_the_reader_of_scripts_is_seen_afterwards(url: str) -> None:
    # With this setting a backslash escapes a quote, so that what looks like a text is none.
    hidden = "SET standard_conforming_strings = off; SELECT 'a\\'' ; COMMIT; --'\n"
    with pytest.raises(BadInput, match="ended its own transaction: what it did before that stays"):
        await migrator(url).apply(changed(EXPAND, forward=hidden), forward=True, epoch=1)
    assert await migrator(url).version() == 2


async def test_integrity_names_what_postgresql_knows_to_be_wrong(
    url: str, postgres_server: PostgresServer
) -> None:
    postgres_server.sql(
        "CREATE TABLE parts (of INTEGER CONSTRAINT whole REFERENCES orders (id)); "
        "ALTER TABLE parts DISABLE TRIGGER ALL; "
        "ALTER TABLE orders ADD CONSTRAINT small CHECK (size < 9) NOT VALID",
        url=url,
    )
    assert [*await migrator(url).integrity()] == [
        "constraint small of orders was never validated",
        "foreign key whole of parts is switched off",
    ]


async def test_a_rehearsal_leaves_no_database_and_one_that_was_left_is_taken_over(
    url: str, other: asyncpg.Connection[asyncpg.Record], postgres_server: PostgresServer
) -> None:
    own = await other.fetchval("SELECT oid FROM pg_database WHERE datname = current_database()")
    postgres_server.sql(f"CREATE DATABASE watership_rehearsal_{own}")
    # `other` stays connected. A column that comes back stands at the end, which nobody can help.
    empty = changed(
        EXPAND,
        forward="ALTER TABLE orders DROP COLUMN size; CREATE TYPE mood AS ENUM ('ok');",
        backward="DROP TYPE mood; ALTER TABLE orders ADD COLUMN size INTEGER;",
    )
    await migrator(url).rehearse([empty])
    named = postgres_server.sql("SELECT datname FROM pg_database").splitlines()
    assert f"watership_rehearsal_{own}" not in named


async def test_a_copy_has_bounds(url: str, other: asyncpg.Connection[asyncpg.Record]) -> None:
    with pytest.raises(Unavailable, match=r"1,000 at most are copied.*--on"):
        await PostgresMigrator(url, SystemClock(), base=1, copy_bytes=1000).rehearse([EXPAND])
    hurried = PostgresMigrator(url, SystemClock(), base=1, copy_seconds=0.002)
    with pytest.raises(Unavailable):
        await hurried.rehearse([EXPAND])


async def test_what_is_no_postgresql_is_said_without_its_password(url: str) -> None:
    for address, error in (
        ("mysql://me:hidden@host/app", BadInput),
        (f"postgresql://me:hidden@{LOOPBACK}:{free_port()}/app", Unavailable),
    ):
        with pytest.raises(error) as refused:
            await migrator(address).version()
        assert "hidden" not in str(refused.value)


def test_a_script_is_cut_between_its_statements_only() -> None:
    body = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN; -- why;\nEND; $x$"
    first, last = "/* a; /* b; */ c; */ SELECT ';', E'\\';', \";\" ; ; ", "SELECT a$b$ FROM c; SELECT $b$;$b$"
    text = f"{first}{body};-- last;\n{last}"
    assert [*statements(text)] == [
        "SELECT ';', E'\\';', \";\"",
        body,
        "SELECT a$b$ FROM c",
        "SELECT $b$;$b$",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SET lock_timeout = 0", "names lock_timeout"),
        ("SELECT set_config('Statement_Timeout', '0', false)", "names statement_timeout"),
        ("RESET ALL", "contains RESET"),
        ("PREPARE TRANSACTION 'x'", "contains PREPARE"),
        ("\\i other.sql", "for psql"),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", OUTSIDE),
        (f"{OUTSIDE}\nALTER TABLE t ADD a int", "mixes"),
    ],
)
def test_what_would_leave_the_bounds_of_a_step_is_refused_before_it_begins(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_script(text, "m")


def test_an_address_becomes_settings_of_the_programs_that_copy() -> None:
    assert service("postgresql://me:a%2Fb%23@one:1,[::1]:2/app?sslmode=require").splitlines() == [
        "host=one,::1",
        "port=1,2",
        "user=me",
        "password=a/b#",
        "dbname=app",
        "sslmode=require",
    ]
