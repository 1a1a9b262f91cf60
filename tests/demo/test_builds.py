"""The three builds differ as their versions say, and what is expected of them is worked out independently."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.demo.builds import BUILDS, load
from watership.adapters.files.builds import read_build, read_migrations, read_smoke
from watership.adapters.sqlite.migrator import SQLiteMigrator
from watership.demo import expected
from watership.demo.traffic.mix import CHAPTERS, KINDS, SUBJECTS, WORDS

every_version = pytest.mark.parametrize("version", expected.VERSIONS)


def test_the_builds_are_of_different_bytes() -> None:
    assert len({read_build(BUILDS / version).digest for version in expected.VERSIONS}) == 3


@every_version
def test_the_build_reads_the_page_as_expected(version: str) -> None:
    page = load(version, "page")

    for word in WORDS:
        assert page.lines_with(word, page.chapters()) == expected._lines(version, word)
    for kind in KINDS:
        counted = expected.result(version, "count", {"kind": kind})["chapters"]
        assert {chapter: page.count(kind, chapter) for chapter in page.chapters()} == counted
    for subject in SUBJECTS:
        values = expected.result(version, "cross_check", {"subject": subject})["values"]
        assert [value for _, value in page.stated(subject)] == values
    for chapter in CHAPTERS:
        wanted = expected.result(version, "digest", {"chapter": chapter})
        assert page.summary(chapter) == (wanted["statements"], wanted["longest"], wanted["text"])


def test_subjects_are_stated_alike_and_differently_so_that_the_check_has_something_to_tell() -> None:
    agreement = {expected.result("2.1.0", "cross_check", {"subject": each})["agree"] for each in SUBJECTS}

    assert agreement == {True, False}


def test_every_statement_has_its_number() -> None:
    statements = load("2.1.0", "page").statements()

    assert [(each.line, each.chapter, each.text) for each in statements] == list(expected.facts())


def test_2_2_0_breaks_on_about_15_of_100_keys_and_on_none_that_its_smoke_test_asks_for() -> None:
    page = load("2.2.0", "page")
    broken = []
    for number, (_, _, text) in enumerate(expected.facts(), start=1):
        try:
            page.measure(text)
        except ValueError:
            broken.append(number)

    assert 0.13 <= len(broken) / len(expected.facts()) <= 0.17
    asked = {request.path for request in read_smoke(BUILDS / "2.2.0").requests}
    assert not asked & {f"/facts/{number}" for number in broken}


def test_what_2_2_0_measures_where_it_can_is_expected() -> None:
    page = load("2.2.0", "page")
    measured = 0
    for number, (_, _, text) in enumerate(expected.facts(), start=1):
        try:
            measure = page.measure(text)
        except ValueError:
            continue
        measured += 1
        wanted = expected.fact("2.2.0", number)["measure"]
        assert (measure and {"value": measure.value, "unit": measure.unit}) == wanted
    assert measured / len(expected.facts()) >= 0.83


@every_version
async def test_migrations_lead_forward_and_exactly_back(version: str, tmp_path: Path) -> None:
    file = tmp_path / "application.db"
    sqlite3.connect(file).close()
    migrator = SQLiteMigrator(file)

    # One by one: the way back over all of them drops the table, and with it what a step forgot.
    migrations = read_migrations(BUILDS / version)
    assert migrations
    for migration in migrations:
        await migrator.rehearse([migration])
        await migrator.apply(migration, forward=True, epoch=1)
    assert await migrator.version() == migrations[-1].end


@every_version
async def test_a_build_writes_on_every_schema_that_it_says_it_can_live_with(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "application.db"
    sqlite3.connect(file).close()
    monkeypatch.setenv("DEMO_DATABASE", str(file))
    migrator, findings = SQLiteMigrator(file), load(version, "findings")
    extra = {"2.0.5": (), "2.1.0": (3,), "2.2.0": (3, 0.1)}[version]
    schema = read_build(BUILDS / version).schema

    for migration in read_migrations(BUILDS / "2.2.0"):
        reached = await migrator.apply(migration, forward=True, epoch=1)
        if reached in schema:
            findings.record(f"run-{reached}", "gate", 7, *extra, version)
            assert findings.recorded(f"run-{reached}") == 7

    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM findings").fetchone() == (
            schema.highest - schema.lowest + 1,
        )


@every_version
def test_a_finding_is_recorded_once(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "application.db"
    with closing(sqlite3.connect(file)) as database:
        database.executescript((BUILDS / version / "migrations" / "forward_1.sql").read_text())
    monkeypatch.setenv("DEMO_DATABASE", str(file))
    findings = load(version, "findings")
    extra = {"2.0.5": (), "2.1.0": (3,), "2.2.0": (3, 0.1)}[version]
    findings.record("run", "gate", 7, *extra, version)

    with pytest.raises(sqlite3.IntegrityError):
        findings.record("run", "gate", 7, *extra, version)
