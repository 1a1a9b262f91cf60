"""Locks, audits and licences."""

from __future__ import annotations

import msgspec
import pytest

from tests.releases.checks.scenes import Looker
from watership.releases.checks.dependencies import locked, permitted

HASH = f"--hash=sha256:{'0' * 64}"
LOCK = f"""--require-hashes
# made by make lock
Foo_Bar==1.0 \\
    {HASH} \\
    {HASH}
redis[hiredis]==8.1 ; python_version > '3' {HASH}
"""
PROJECT = """[project]
dependencies = ["foo-bar>=1"]
[project.optional-dependencies]
servers = ["redis[hiredis]>=8"]
more = ["rich"]
"""
AUDIT = {"report": "audit.json"}
LICENCES = {"report": "licences.json", "allowed": "MIT, BSD-3-Clause, ISC License (ISCL)"}


@pytest.fixture
def project(looker: Looker) -> Looker:
    looker.write("requirements.txt", LOCK)
    looker.write("pyproject.toml", PROJECT)
    return looker


def audited(looker: Looker, *rows: dict[str, object]) -> None:
    looker.write("audit.json", msgspec.json.encode({"dependencies": rows, "fixes": []}))
    looker.label("audit.json")


FOO: dict[str, object] = {"name": "foo-bar", "version": "1.0", "vulns": []}
REDIS: dict[str, object] = {"name": "redis", "version": "8.1", "vulns": []}


def test_a_lock_is_read_as_pip_reads_it() -> None:
    lock = locked(LOCK + "loose>=1\nbare==2.0\n")
    assert lock.pins == {"foo-bar": "1.0", "redis": "8.1", "bare": "2.0"}
    assert lock.wrong == ("'loose>=1' is no pinned version", "bare has no hash")


def test_what_is_declared_has_to_be_locked(project: Looker) -> None:
    project.passes("dependencies.locked", extras="servers")
    project.fails("dependencies.locked", "rich is declared and not locked", extras="more")
    project.unsure("dependencies.locked", "does not tell its dependencies", extras="nothing")
    project.write("requirements.txt", LOCK.replace(HASH, ""))
    project.fails("dependencies.locked", "Foo_Bar has no hash")
    project.write("requirements.txt", "# nothing\n")
    project.fails("dependencies.locked", "pins nothing")


def test_an_audit_of_the_very_lock_without_a_finding_passes(project: Looker) -> None:
    project.unsure("dependencies.audit", "There is no report audit.json", **AUDIT)
    audited(project, FOO, REDIS)
    project.passes("dependencies.audit", **AUDIT)
    project.label("audit.json", "2.0.9", days=2)
    project.fails("dependencies.audit", "it was written 2d ago; 1d is the limit; it is about 2.0.9", **AUDIT)
    (project.root / "audit.json.label.json").unlink()
    project.fails("dependencies.audit", "it does not say when it was written", **AUDIT)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([FOO | {"vulns": [{"id": "GHSA-1"}]}, REDIS], "foo-bar 1.0: GHSA-1"),
        ([FOO], "redis 8.1 is locked, and the report knows it not"),
        ([FOO, REDIS | {"version": "8.0"}], "the report knows 8.0"),
        ([FOO, {"name": "redis", "skip_reason": "not on the index"}], "redis was skipped"),
    ],
)
def test_what_an_audit_found_or_did_not_look_at_fails(
    project: Looker, rows: list[dict[str, object]], words: str
) -> None:
    audited(project, *rows)
    project.fails("dependencies.audit", words, **AUDIT)


def test_a_report_that_is_none_is_not_known(project: Looker) -> None:
    project.write("audit.json", "<html>")
    project.unsure("dependencies.audit", "cannot be read as such a report", **AUDIT)
    project.write("licences.json", "{}")
    project.unsure("dependencies.licences", "cannot be read as such a report", **LICENCES)


def test_each_package_needs_a_licence_that_is_allowed(project: Looker) -> None:
    def licensed(licence: str) -> None:
        rows = [
            {"Name": "Foo.Bar", "Version": "1.0", "License": licence},
            {"Name": "redis", "Version": "8.1", "License": "MIT"},
            {"Name": "not-ours", "Version": "1", "License": "GPL-3.0"},
        ]
        project.write("licences.json", msgspec.json.encode(rows))
        project.label("licences.json")

    licensed("BSD-3-Clause")
    project.passes("dependencies.licences", **LICENCES)
    licensed("UNKNOWN")
    project.fails("dependencies.licences", "Foo.Bar has 'UNKNOWN'", **LICENCES)
    licensed("BSD-3-Clause")
    project.write("requirements.txt", f"{LOCK}rich==15.0 {HASH}\n")
    project.fails("dependencies.licences", "rich 15.0 is locked, and the report knows it not", **LICENCES)


def test_of_several_licences_one_or_all_have_to_be_allowed() -> None:
    allowed = {"mit", "bsd-3-clause", "isc license (iscl)"}
    assert permitted("GPL-3.0 OR MIT", allowed)
    assert permitted("MIT; BSD-3-Clause", allowed)
    assert permitted("(MIT AND BSD-3-Clause) OR GPL-3.0", allowed)
    assert permitted("ISC License (ISCL)", allowed)
    assert not permitted("MIT AND GPL-3.0", allowed)
    assert not permitted("MIT; GPL-3.0", allowed)
    assert not permitted("", allowed)
