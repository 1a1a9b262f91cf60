"""What a migration's words do to those who use its tables."""

from __future__ import annotations

import pytest

from watership.releases.ddl import remarks, statements, touched
from watership.releases.ports import Migration

MANY = {"guests": 1_204_331, "away.guests": 1_204_331}


def migration(script: str) -> Migration:
    return Migration(start=1, end=2, forward=script, backward="…", name="2")


def rules(script: str, rows: dict[str, int] | None = None) -> list[str]:
    return [each.rule for each in remarks([migration(script)], rows or {})]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("DROP TABLE guests", "drop-table"),
        ("alter table only guests\n  drop column age", "drop-column"),
        ("ALTER TABLE guests DROP age", "drop-column"),
        ("ALTER TABLE guests ADD a int, DROP COLUMN IF EXISTS age", "drop-column"),
        ("DROP VIEW old", "drop-other"),
        ("ALTER TABLE guests RENAME COLUMN age TO years", "rename"),
        ("ALTER TABLE guests RENAME TO people", "rename"),
        ("ALTER TABLE guests ADD COLUMN age int NOT NULL", "required-column"),
        ("ALTER TABLE guests ADD age numeric(3, 1) NOT NULL, ADD x int DEFAULT 0", "required-column"),
        ("ALTER TABLE guests ALTER COLUMN age SET NOT NULL", "set-not-null"),
        ("TRUNCATE guests", "truncate"),
    ],
)
def test_what_the_old_build_cannot_live_with_is_no_expansion_and_may_be_contracted(
    statement: str, rule: str
) -> None:
    (found,) = remarks([migration(f"-- why\n\n{statement};")], {})
    assert (found.rule, found.line, found.migration) == (rule, 3, "2")
    assert rules(f"-- contract\n{statement}") == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE guests (age int NOT NULL); ALTER TABLE guests DROP COLUMN age",
        "ALTER TABLE guests ADD COLUMN age int NOT NULL DEFAULT 0",
        "ALTER TABLE guests ADD COLUMN age int, ADD CONSTRAINT c CHECK (age IS NOT NULL) NOT VALID",
        "ALTER TABLE guests ADD COLUMN id bigserial NOT NULL",
        "ALTER TABLE guests DROP CONSTRAINT c",
        "ALTER TABLE guests ALTER COLUMN age DROP DEFAULT, ALTER COLUMN age DROP NOT NULL",
        "INSERT INTO words VALUES ('DROP TABLE guests; RENAME')",
        "/* DROP TABLE guests; */ SELECT 1",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP TABLE guests; $$",
        "DROP INDEX by_age",
    ],
)
def test_what_only_adds_is_an_expansion(statement: str) -> None:
    assert rules(statement) == []


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX by_age ON guests (age)", "index-without-concurrently"),
        ("CREATE UNIQUE INDEX ON guests (age)", "index-without-concurrently"),
        ("ALTER TABLE guests ALTER age TYPE bigint", "change-of-type"),
        ("ALTER TABLE away.guests ALTER COLUMN age SET DATA TYPE bigint", "change-of-type"),
        ("ALTER TABLE guests ADD CONSTRAINT old CHECK (age > 17)", "constraint-at-once"),
        ("ALTER TABLE guests ADD FOREIGN KEY (a) REFERENCES b", "constraint-at-once"),
        ("ALTER TABLE guests ADD COLUMN at timestamptz DEFAULT clock_timestamp()", "volatile-default"),
        ("ALTER TABLE guests ADD COLUMN id serial", "volatile-default"),
        ("UPDATE guests SET age = 0", "all-rows-at-once"),
        ("CLUSTER guests USING by_age", "rewrite"),
    ],
)
def test_what_is_done_to_all_rows_at_once_is_refused_by_their_number(statement: str, rule: str) -> None:
    assert rules(statement, MANY) == [rule]
    assert rules(statement, {"guests": 100_000}) == []
    assert rules(f"-- pauses writes\n{statement}", MANY) == []
    (found,) = remarks([migration(statement)], MANY)
    assert "1,204,331 rows" in str(found) and "100,000" in str(found)
    assert touched([migration(statement)])[-1].endswith("guests")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE guests ADD COLUMN age int NOT NULL DEFAULT 0",
        "ALTER TABLE guests ADD CONSTRAINT old CHECK (age > 17) NOT VALID",
        "ALTER TABLE guests ADD CONSTRAINT one UNIQUE USING INDEX by_age",
        "-- outside of a transaction\nCREATE INDEX CONCURRENTLY by_age ON guests (age)",
        "-- backfill\nUPDATE guests SET age = 0 WHERE id IN (SELECT id FROM guests LIMIT :batch)",
        "CREATE TABLE guests (age int); CREATE INDEX ON guests (age)",
    ],
)
def test_what_is_quick_or_in_nobodys_way_meets_no_bound(statement: str) -> None:
    assert rules(statement, MANY) == []


def test_a_statement_knows_its_lines_and_its_table() -> None:
    script = "-- one\nSELECT ';'; /* two\n*/ ALTER TABLE\n \"Guests\"\nADD a int;\n"
    assert [(each.line, each.last, each.table) for each in statements(script)] == [
        (2, 2, ""),
        (3, 5, '"Guests"'),
    ]
