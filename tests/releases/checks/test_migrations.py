"""Migrations: their scripts, and what they leave in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.checklist.papers import ago
from tests.releases.checks.scenes import Looker
from tests.releases.test_checks import checked
from watership.releases.verdict import Verdict
from watership.testing.servers import PostgresServer, free_port

FOLDER = {"folder": "migrations"}
SCRATCH = {"folder": "migrations", "scratch": "scratch"}
TYPES = SCRATCH | {"document": "schema.md", "section": "Types"}
FIRST = "CREATE TABLE jobs (id bigint PRIMARY KEY, kind varchar(9));\n"
SECOND = "ALTER TABLE jobs ADD COLUMN topic text;\nCREATE INDEX jobs_topic ON jobs (topic);\n"


@pytest.fixture
def project(looker: Looker, postgres_server: PostgresServer) -> Iterator[Looker]:
    looker.named("scratch", postgres_server.url)
    looker.named("nobody", f"postgresql://watership@127.0.0.1:{free_port()}/watership")
    scripts(looker, SECOND, "ALTER TABLE jobs DROP COLUMN topic;\n")
    yield looker
    left = looker.look(
        "sql.figure",
        {
            "of": "scratch",
            "query": "SELECT count(*) FROM pg_database WHERE datname ~ 'rehearsal'",
            "below": 1,
        },
    )
    assert left.verdict is Verdict.PASSED


def scripts(looker: Looker, forward: str, backward: str) -> None:
    """Schema 5 was there before; the plan leads to 6."""
    looker.write("migrations/forward_5.sql", FIRST)
    looker.write("migrations/backward_5.sql", "DROP TABLE jobs;\n")
    looker.write("migrations/forward_6.sql", forward)
    looker.write("migrations/backward_6.sql", backward)


def report(looker: Looker, *outcomes: str, version: str = "2.1.0", days: int = 0) -> None:
    properties = f'<properties><property name="version" value="{version}"/></properties>'
    cases = "".join(
        f'<testcase classname="m" name="c{n}">{each}</testcase>' for n, each in enumerate(outcomes)
    )
    stamp = ago(days=days, minutes=1)
    looker.write("junit.xml", f'<testsuite timestamp="{stamp}">{properties}{cases}</testsuite>')


def test_scripts_in_pairs_whose_tests_passed(project: Looker) -> None:
    wish = FOLDER | {"report": "junit.xml"}
    project.unsure("migrations.tested", "There is no report junit.xml", **wish)
    report(project, "", "")
    project.passes("migrations.tested", **wish)
    report(project, "", "<failure/>")
    project.fails("migrations.tested", "m c1 failed", **wish)
    report(project, "", "<skipped/>")
    project.fails("migrations.tested", "m c1 skipped", **wish)
    report(project)
    project.fails("migrations.tested", "it has no case", **wish)
    report(project, "", version="2.0.9")
    project.fails("migrations.tested", "it is about 2.0.9", **wish)
    report(project, "", days=8)
    project.fails("migrations.tested", "it was written 8d 1m ago", **wish)
    project.write("junit.xml", "2.1.0")
    project.unsure("migrations.tested", "is no XML", **wish)


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("backward_6.sql", "forward_6.sql has no way back"),
        ("forward_5.sql", "backward_5.sql has no way forward"),
        ("forward_6.sql", "the plan's migration 6 is not there"),
    ],
)
def test_a_script_without_its_other_half_fails_everywhere(project: Looker, gone: str, words: str) -> None:
    (project.root / "migrations" / gone).unlink()
    report(project, "")
    project.fails("migrations.tested", words, **FOLDER, report="junit.xml")
    project.fails("migrations.round_trip", words, **SCRATCH)
    project.fails("migrations.indexed", words, **SCRATCH)


def test_a_gap_is_no_way(project: Looker) -> None:
    project.write("migrations/forward_3.sql", FIRST)
    project.write("migrations/backward_3.sql", FIRST)
    project.fails("migrations.round_trip", "number 4 is missing", **SCRATCH)


def test_each_table_that_is_touched_has_to_be_told_of(project: Looker) -> None:
    wish = FOLDER | {"document": "schema.md", "section": "{version}"}
    project.fails("migrations.documented", "There is no schema.md", **wish)
    project.write("schema.md", "# 2.1.0\nNothing.\n")
    project.fails("migrations.documented", "does not name jobs", **wish)
    project.write("schema.md", "# 2.1.0\njobs get a topic.\n")
    project.passes("migrations.documented", **wish)
    project.write("schema.md", "# 2.0.0\njobs\n")
    project.fails("migrations.documented", "no section '2.1.0'", **wish)


def test_there_and_back_and_there_again(project: Looker) -> None:
    project.passes("migrations.round_trip", **SCRATCH)
    project.fails("migrations.round_trip", "0 s allowed", **SCRATCH, within=0.0)
    scripts(project, SECOND, "SELECT 1;\n")
    project.fails("migrations.round_trip", "already exists", **SCRATCH)
    scripts(project, "CREATE INDEX IF NOT EXISTS jobs_kind ON jobs (kind);\n", "SELECT 1;\n")
    project.fails("migrations.round_trip", "the way back leaves index", **SCRATCH)
    scripts(project, "ALTER TABLE nowhere ADD COLUMN a int;\n", "SELECT 1;\n")
    project.fails("migrations.round_trip", 'relation "nowhere" does not exist', **SCRATCH)


def test_new_columns_and_foreign_keys_have_an_index_or_say_why_not(project: Looker) -> None:
    project.passes("migrations.indexed", **SCRATCH)
    bare = "ALTER TABLE jobs ADD COLUMN note text, ADD COLUMN parent bigint REFERENCES jobs;\n"
    scripts(project, bare, "SELECT 1;\n")
    project.fails("migrations.indexed", "the new column jobs.note has no index", **SCRATCH)
    project.fails("migrations.indexed", "jobs_parent_fkey of jobs has no index", **SCRATCH)
    excused = (
        f"-- no index: jobs.note is never searched\n{bare}CREATE INDEX jobs_parent ON jobs (parent, id);\n"
    )
    scripts(project, excused, "SELECT 1;\n")
    project.passes("migrations.indexed", **SCRATCH)


def test_constraints_hold_and_tables_have_keys(project: Looker) -> None:
    project.passes("migrations.constraints", **SCRATCH)
    scripts(
        project,
        "ALTER TABLE jobs ADD CONSTRAINT k CHECK (kind <> '') NOT VALID;\nCREATE TABLE loose (a int);\n",
        "",
    )
    project.fails("migrations.constraints", "the constraint k of jobs is not validated", **SCRATCH)
    project.fails("migrations.constraints", "the table loose has no primary key", **SCRATCH)


def test_a_change_of_type_is_told_of(project: Looker) -> None:
    project.passes("migrations.types", **TYPES)
    scripts(project, "ALTER TABLE jobs ALTER COLUMN kind TYPE varchar(20);\n", "")
    project.fails("migrations.types", "There is no schema.md", **TYPES)
    project.write("schema.md", "# Types\nNothing.\n")
    words = "jobs.kind changes from character varying(9) to character varying(20)"
    project.fails("migrations.types", words, **TYPES)
    project.write("schema.md", "# Types\njobs.kind only grows.\n")
    project.passes("migrations.types", **TYPES)


@pytest.mark.parametrize("kind", ["round_trip", "indexed", "constraints", "types"])
def test_a_server_that_does_not_answer_is_no_verdict(project: Looker, kind: str) -> None:
    more = TYPES if kind == "types" else SCRATCH
    project.unsure(f"migrations.{kind}", "psql did not reach", **(more | {"scratch": "nobody"}))


def test_where_an_environment_is_open_its_own_migrator_rehearses() -> None:
    found = checked("migrations.round_trip", folder="migrations", scratch="none", within=60.0)
    assert found.verdict is Verdict.PASSED and "on a copy" in found.evidence
