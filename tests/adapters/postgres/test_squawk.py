"""squawk itself reads migrations; what it finds counts by what they say of themselves, and by the rows they meet."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from watership.adapters.postgres.migrator import PostgresMigrator
from watership.adapters.postgres.squawk import squawked
from watership.durable.clock import SystemClock
from watership.releases.ports import Linted, Migration
from watership.testing.servers import PostgresServer

WIDEN = "ALTER TABLE guests ADD COLUMN age bigint;\nALTER TABLE guests\n  ALTER COLUMN visits TYPE bigint;"


def migration(script: str) -> Migration:
    return Migration(start=1, end=2, forward=script, backward="…", name="2")


async def asked(script: str, rows: int = 20_000) -> Linted:
    async def counted(tables: Sequence[str], *, most: int) -> dict[str, int]:
        return dict.fromkeys(tables, rows)

    return await squawked([migration(script)], version=15, rows=counted)


async def test_what_locks_a_large_table_is_told_with_rule_and_line() -> None:
    (remark,) = (await asked(WIDEN)).remarks
    assert (remark.rule, remark.line) == ("changing-column-type", 3)
    assert "ACCESS EXCLUSIVE" in str(remark) and str(remark).startswith(
        "forward_2.sql:3 changing-column-type"
    )


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        (WIDEN, 10_000),
        (f"-- pauses writes\n{WIDEN}", 20_000),
        ("-- contract\nALTER TABLE guests DROP COLUMN visits;", 20_000),
        ("CREATE TABLE new (id int PRIMARY KEY, name varchar(9));\nCREATE INDEX ON new (name);", 20_000),
        ("-- outside of a transaction\nCREATE INDEX CONCURRENTLY i ON guests (visits);", 20_000),
    ],
)
async def test_what_hurts_nobody_is_not_told(script: str, rows: int) -> None:
    assert await asked(script, rows) == Linted()


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("ALTER TABLE guests DROP COLUMN visits;", "ban-drop-column"),
        ("ALTER TABLE guests RENAME visits TO calls;", "renaming-column"),
        ("ALTER TABLE guests ADD COLUMN;", "syntax-error"),
    ],
)
async def test_what_breaks_the_old_build_and_what_is_no_sql_is_told_whatever_the_rows(
    script: str, rule: str
) -> None:
    assert rule in {each.rule for each in (await asked(script, 0)).remarks}


async def test_without_the_program_nothing_is_known_and_what_installs_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("watership.adapters.postgres.squawk.PROGRAM", "no-such-squawk")
    told = await asked(WIDEN)
    assert "not installed" in told.unknown and "watership[lint]" in told.fix


async def test_a_migrator_weighs_the_rows_of_its_own_database(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    postgres_server.sql(
        "CREATE TABLE guests (id bigint, visits int); "
        "INSERT INTO guests SELECT i, i FROM generate_series(1, 10001) AS i; CREATE TABLE small (visits int)",
        url=url,
    )
    migrator = PostgresMigrator(url, SystemClock())
    scripts = (
        migration("CREATE INDEX by_visits ON guests (visits);"),
        migration("CREATE INDEX by_visits ON small (visits);"),
    )
    told = await migrator.lint(scripts)
    assert [(each.rule, "guests" in scripts[0].forward) for each in told.remarks] == [
        ("require-concurrent-index-creation", True)
    ]
