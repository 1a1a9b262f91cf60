"""A rehearsal on a real copy: what it measures is what happened there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from watership.adapters.postgres.rehearsal import PostgresRehearsal, statements
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Migration
from watership.releases.readiness.rehearsal import Copy, faults
from watership.testing.servers import PostgresServer
from watership.testing.servers.ports import LOOPBACK, free_port

COPY = Copy(of="production", taken_at=datetime(2026, 11, 28, tzinfo=UTC), rows=0)

ADD_TOPIC = Migration(
    start=5,
    end=6,
    name="add_topic",
    forward="ALTER TABLE facts ADD COLUMN topic text; CREATE INDEX facts_topic ON facts (topic); SELECT pg_sleep(0.1);",
    backward="DROP INDEX facts_topic; ALTER TABLE facts DROP COLUMN topic;",
)

INTEGRITY = "SELECT id, 'has no text' FROM facts WHERE text IS NULL"


@pytest.fixture
def copy(postgres_server: PostgresServer) -> str:
    """A copy with two hundred facts."""
    url = postgres_server.new_database()
    postgres_server.sql("CREATE TABLE facts (id int PRIMARY KEY, text text)", url=url)
    postgres_server.sql("INSERT INTO facts SELECT n, 'fact ' || n FROM generate_series(1, 200) n", url=url)
    return url


async def test_a_rehearsal_tells_shapes_locks_indexes_and_how_slow_reads_became(copy: str) -> None:
    reads = ("SELECT count(*) FROM facts", "SELECT text FROM facts WHERE id = 7")
    rehearsal = PostgresRehearsal(copy, SystemClock(), reads=reads, integrity=(INTEGRITY,))

    tried = await rehearsal.run([ADD_TOPIC], COPY)

    assert faults(tried) == []
    assert tried.copy.rows == 200 and tried.integrity == ()
    assert tried.forward is not None and tried.backward is not None
    assert tried.forward.shape != tried.before.shape == tried.backward.shape
    assert tried.indexes is not None and [(each.name, each.table) for each in tried.indexes] == [
        ("facts_topic", "facts")
    ]
    locks = {(each.table, each.mode): each.seconds for each in tried.locks or ()}
    assert 0.05 < locks["facts", "AccessExclusiveLock"] < 5.0
    # A read that came while the table was locked waited for it.
    assert tried.reads is not None and tried.reads.samples > 200 and tried.reads.during > tried.reads.before


async def test_a_way_back_that_leaves_something_is_seen(copy: str) -> None:
    forgetful = Migration(
        start=5, end=6, name="a", forward=ADD_TOPIC.forward, backward="DROP INDEX facts_topic;"
    )
    tried = await PostgresRehearsal(copy, SystemClock()).run([forgetful], COPY)
    assert tried.again is not None and 'column "topic"' in tried.again.error
    assert tried.integrity is None and tried.reads is None
    harmless = Migration(
        start=5, end=6, name="b", forward="CREATE TABLE b ();", backward="ALTER TABLE b RENAME TO c;"
    )
    assert faults(await PostgresRehearsal(copy, SystemClock()).run([harmless], COPY)) == [
        "backward does not lead to the shape from which it came"
    ]


async def test_what_fails_ends_it_and_is_on_record(copy: str) -> None:
    broken = Migration(
        start=5, end=6, name="c", forward="ALTER TABLE nothing ADD a int;", backward="SELECT 1;"
    )
    tried = await PostgresRehearsal(copy, SystemClock(), integrity=(INTEGRITY,)).run([broken], COPY)
    assert (tried.backward, tried.integrity, tried.indexes) == (None, None, None)
    assert 'forward failed: c: relation "nothing" does not exist' in faults(tried)


async def test_rows_that_are_wrong_afterwards_are_named(copy: str) -> None:
    loses = Migration(
        start=5, end=6, name="d", forward="UPDATE facts SET text = NULL WHERE id = 7;", backward="SELECT 1;"
    )
    tried = await PostgresRehearsal(copy, SystemClock(), integrity=(INTEGRITY,)).run([loses], COPY)
    assert faults(tried) == ["7, has no text"]


async def test_indexes_may_be_built_without_a_transaction(copy: str) -> None:
    first, second = (
        "INDEX CONCURRENTLY one ON facts (text)",
        "UNIQUE INDEX CONCURRENTLY two ON facts (id, text)",
    )
    forward = f"-- slowly; and\nCREATE {first};\nCREATE {second};"
    apart = Migration(start=5, end=6, name="e", forward=forward, backward="DROP INDEX one; DROP INDEX two;")
    tried = await PostgresRehearsal(copy, SystemClock()).run([apart], COPY)
    assert faults(tried) == [] and [each.name for each in tried.indexes or ()] == ["one", "two"]


async def test_a_copy_that_does_not_answer_is_none(copy: str) -> None:
    with pytest.raises(Unavailable):
        await PostgresRehearsal(f"postgresql://{LOOPBACK}:{free_port()}/copy", SystemClock()).run(
            [ADD_TOPIC], COPY
        )
    with pytest.raises(BadInput):
        await PostgresRehearsal("sqlite:///copy", SystemClock()).run([ADD_TOPIC], COPY)
    with pytest.raises(BadInput):
        await PostgresRehearsal(copy, SystemClock(), reads=("SELECT colour FROM facts",)).run(
            [ADD_TOPIC], COPY
        )


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    assert statements("-- first;\nSELECT ';' ;\n\nSELECT 2") == ["SELECT ';'", "SELECT 2"]
