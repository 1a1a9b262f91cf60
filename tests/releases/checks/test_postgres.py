"""A real primary and its standby, asked how they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import msgspec
import pytest

from tests.releases.checks.pairs import archived, not_archiving, until, with_password
from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.testing.servers import PostgresPair, PostgresServer, free_port

DAY = 86400.0


@pytest.fixture
def pair(looker: Looker, postgres_pair: PostgresPair, postgres_server: PostgresServer) -> Looker:
    looker.named("primary", postgres_pair.primary.url)
    looker.named("standby", postgres_pair.standby.url)
    looker.named("another", postgres_server.url)
    looker.named("nobody", f"postgresql://x@127.0.0.1:{free_port()}/x")
    return looker


def test_a_database_answers_and_is_writable_or_not(pair: Looker, postgres_server: PostgresServer) -> None:
    assert "took a write" in pair.passes("postgres.answers", of="primary", writable=True)
    assert "a standby" in pair.passes("postgres.answers", of="standby")
    pair.fails("postgres.answers", "a standby", of="standby", writable=True)
    pair.unsure("postgres.answers", "Unavailable", of="nobody")
    pair.named("read-only", postgres_server.new_database())
    database = pair.systems["read-only"].url.rpartition("/")[2]
    pair.passes("postgres.answers", of="read-only", writable=True)
    postgres_server.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    pair.passes("postgres.answers", of="read-only")
    pair.fails("postgres.answers", "takes no writes", of="read-only", writable=True)


def test_a_role_that_may_not_write_knows_nothing_of_it(pair: Looker, postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    database = url.rpartition("/")[2]
    postgres_server.sql("CREATE ROLE watcher_of_test LOGIN")
    postgres_server.sql(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
    try:
        pair.named("watched", url.replace("//watership@", "//watcher_of_test@"))
        pair.passes("postgres.answers", of="watched")
        pair.unsure("postgres.answers", "the role may not", of="watched", writable=True)
    finally:
        postgres_server.sql("DROP ROLE watcher_of_test")


def test_a_replica_is_of_its_source_and_of_no_other(pair: Looker, postgres_pair: PostgresPair) -> None:
    postgres_pair.standby.follow()
    assert "streaming" in pair.passes("postgres.replica_of", of="standby", source="primary")
    pair.fails("postgres.replica_of", "another database", of="standby", source="another")
    pair.fails("postgres.replica_of", "replicates nothing", of="primary", source="primary")
    pair.unsure("postgres.replica_of", "Unavailable", of="nobody", source="primary")
    postgres_pair.standby.pause()
    try:
        postgres_pair.primary.sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1100000))")
        pair.fails("postgres.replica_of", "bytes behind", of="standby", source="primary", megabytes=1)
    finally:
        postgres_pair.standby.resume()


def test_a_standby_receives(pair: Looker) -> None:
    assert "streaming" in pair.passes("postgres.standby", of="standby")
    assert "of primary" in pair.passes("postgres.standby", of="standby", source="primary")
    pair.fails("postgres.standby", "another database", of="standby", source="another")
    pair.fails("postgres.standby", "is no standby", of="primary")
    pair.unsure("postgres.standby", "Unavailable", of="nobody")


def test_a_standby_that_replays_nothing_lags(pair: Looker, postgres_pair: PostgresPair) -> None:
    postgres_pair.standby.follow()
    pair.passes("postgres.lag", of="primary", below=10.0)
    postgres_pair.standby.pause()
    try:
        postgres_pair.primary.sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 100000))")
        pair.fails(
            "postgres.lag",
            "50,000 bytes is wanted",
            of="primary",
            below=10.0,
            bytes_below=50_000,
            patience=0.0,
        )
    finally:
        postgres_pair.standby.resume()
    pair.passes("postgres.lag", of="primary", below=10.0, bytes_below=50_000)


def test_a_standby_that_is_missing_is_no_small_lag(pair: Looker) -> None:
    pair.fails("postgres.lag", "0 standby(s) follow another", of="another", below=10.0, patience=0.0)
    pair.fails("postgres.lag", "2 at least", of="primary", below=10.0, patience=0.0, at_least=2)
    pair.fails("postgres.lag", "0 standby(s)", of="primary", below=10.0, patience=0.0, name="remote")
    pair.unsure("postgres.lag", "Unavailable", of="nobody", below=10.0, patience=0.0)


def test_archiving_is_recent_and_has_not_failed_since(pair: Looker, postgres_pair: PostgresPair) -> None:
    archived(postgres_pair.primary)
    pair.passes("postgres.archiving", of="primary", within=300.0)
    pair.fails("postgres.archiving", "0ms is the limit", of="primary", within=0.0001)
    with not_archiving(postgres_pair.primary):
        pair.fails("postgres.archiving", "could not archive", of="primary", within=300.0)
    pair.fails("postgres.archiving", "archive_mode is off", of="another", within=300.0)
    pair.unsure("postgres.archiving", "Unavailable", of="nobody", within=300.0)


def test_log_is_kept_by_its_size_or_by_a_slot_that_has_a_bound(
    pair: Looker, postgres_pair: PostgresPair
) -> None:
    primary = postgres_pair.primary

    def having(kept: int, bound: int) -> None:
        primary.sql(f"ALTER SYSTEM SET wal_keep_size = '{kept}MB'")
        primary.sql(f"ALTER SYSTEM SET max_slot_wal_keep_size = '{bound}MB'")
        primary.sql("SELECT pg_reload_conf()")
        until(lambda: primary.sql("SHOW max_slot_wal_keep_size") == (f"{bound}MB" if bound >= 0 else "-1"))

    try:
        having(64, -1)
        pair.passes("postgres.wal_kept", of="primary", megabytes=64)
        pair.fails("postgres.wal_kept", "1024 MB are wanted", of="primary", megabytes=1024)
        primary.sql("SELECT pg_create_physical_replication_slot('kept', true)")
        pair.fails("postgres.wal_kept", "without a bound", of="primary", megabytes=64)
        having(64, 2000)
        pair.passes("postgres.wal_kept", of="primary", megabytes=1024)
    finally:
        primary.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        primary.sql("ALTER SYSTEM RESET wal_keep_size")
        primary.sql("ALTER SYSTEM RESET max_slot_wal_keep_size")
        primary.sql("SELECT pg_reload_conf()")
    pair.unsure("postgres.wal_kept", "Unavailable", of="nobody", megabytes=64)


def test_connections_are_counted_without_our_own(pair: Looker) -> None:
    pair.passes("postgres.connections", of="primary", below=50)
    pair.fails("postgres.connections", "below 0 is wanted", of="primary", below=0)
    pair.unsure("postgres.connections", "Unavailable", of="nobody", below=50)


def test_who_waits_for_a_lock_is_named(pair: Looker, postgres_pair: PostgresPair) -> None:
    async def waiting(measure: Callable[[], None]) -> None:
        holder = await asyncpg.connect(postgres_pair.primary.url)
        waiter = await asyncpg.connect(postgres_pair.primary.url)
        try:
            await holder.execute("SELECT pg_advisory_lock(1)")
            asking = asyncio.ensure_future(waiter.execute("SELECT pg_advisory_lock(1)"))
            while not await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(measure)
            await holder.execute("SELECT pg_advisory_unlock(1)")
            await asking
        finally:
            await holder.close()
            await waiter.close()

    pair.passes("postgres.locks", of="primary", shorter_than=1.0)
    asyncio.run(
        waiting(
            lambda: pair.fails("postgres.locks", "SELECT pg_advisory_lock(1)", of="primary", shorter_than=0.0)
        )
    )
    pair.unsure("postgres.locks", "Unavailable", of="nobody", shorter_than=1.0)


def test_a_recorded_position_is_one_that_was_passed(pair: Looker, postgres_pair: PostgresPair) -> None:
    now = postgres_pair.primary.sql("SELECT pg_current_wal_lsn()")
    high, _, low = now.partition("/")
    inside = float((int(high, 16) << 32) + int(low, 16))

    def recorded(value: object) -> None:
        pair.write("baseline.json", msgspec.json.encode({"figures": {"wal_position": value}}))

    asked: dict[str, Given] = {"of": "primary", "path": "baseline.json", "at": "figures.wal_position"}
    for value in (now, inside):
        recorded(value)
        pair.passes("postgres.position", **asked)
    recorded(inside + 2**40)
    pair.fails("postgres.position", "bytes on", **asked)
    recorded("0/1")
    pair.fails("postgres.position", "0/1 is on record", **asked, megabytes=0)
    recorded("'; DROP TABLE x")
    pair.fails("postgres.position", "which is no position", **asked)
    recorded(None)
    pair.fails("postgres.position", "which is no position", **asked)
    pair.fails("postgres.position", "has no 'wal'", **(asked | {"at": "wal"}))
    pair.fails("postgres.position", "There is no", **(asked | {"path": "none.json"}))
    recorded(now)
    pair.unsure("postgres.position", "Unavailable", **(asked | {"of": "nobody"}))


def test_a_password_says_by_its_end_when_it_was_changed(pair: Looker, postgres_pair: PostgresPair) -> None:
    primary = postgres_pair.primary
    asked: dict[str, Given] = {"of": "primary", "roles": "app_of_test", "within": 90 * DAY}
    pair.fails("postgres.password", "there is no role app_of_test", **asked)
    primary.sql("CREATE ROLE app_of_test LOGIN")
    try:
        pair.fails("postgres.password", "has no VALID UNTIL", **asked)
        for until, words in (
            ("infinity", "has no VALID UNTIL"),
            ("2020-01-01", "ended"),
            ("2099-01-01", "longer than 90d"),
        ):
            primary.sql(f"ALTER ROLE app_of_test VALID UNTIL '{until}'")
            pair.fails("postgres.password", words, **asked)
        soon = primary.sql("SELECT now() + interval '60 days'")
        primary.sql(f"ALTER ROLE app_of_test VALID UNTIL '{soon}'")
        pair.passes("postgres.password", **asked)
    finally:
        primary.sql("DROP ROLE app_of_test")
    pair.unsure("postgres.password", "Unavailable", **(asked | {"of": "nobody"}))
    pair.unsure("postgres.password", "an empty 'roles'", **(asked | {"roles": ""}))


def test_a_password_was_changed_where_the_former_opens_nothing_any_more(
    pair: Looker, postgres_pair: PostgresPair
) -> None:
    primary = postgres_pair.primary
    asked: dict[str, Given] = {"of": "primary", "roles": "app_of_test", "within": 90 * DAY}
    asked |= {"current": "now", "former": "before"}
    for name, word in (("now", "new-word"), ("before", "old-word")):
        pair.named(name, primary.url.replace("//watership@", f"//app_of_test:{word}@"))
    with with_password(primary, "app_of_test", "new-word"):
        assert "opens nothing any more" in pair.passes("postgres.password", **asked)
        primary.sql("ALTER ROLE app_of_test PASSWORD 'old-word'")
        pair.fails("postgres.password", "now does not open the database; the password of before", **asked)
        pair.unsure("postgres.password", "none of app_of_test", **(asked | {"former": "primary"}))
        pair.named("before", "postgresql://app_of_test:old-word@127.0.0.1:1/x")
        pair.unsure("postgres.password", "Unavailable", **asked)
