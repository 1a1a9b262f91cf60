"""Four files grow by lines; each reads them alike: without a torn last one, and by file and line where one is odd."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulation.release_targets import SimAudit
from watership.adapters.files.appending import Illegible, Lines, split
from watership.adapters.files.audit import verify_file
from watership.adapters.files.bindings import Bindings
from watership.adapters.files.incidents import IncidentFile
from watership.adapters.files.outbox import OutboxFile
from watership.adapters.files.records import RecordFiles
from watership.durable.clock import SystemClock
from watership.releases.auditing.audit import Broken
from watership.releases.readiness.binding import RecordsAstray


def test_lines_end_with_an_end_and_with_nothing_else() -> None:
    assert split(b"") == Lines(0, (), 0)
    assert split(b"a\n\nb\r\nto") == Lines(0, (b"a", b"", b"b\r"), 2)
    assert split(b"a\n\nb\r\nto", 10).size == 16


def outbox(path: Path) -> object:
    with OutboxFile(path) as opened:
        return opened.deliveries()


def incidents(path: Path) -> object:
    return asyncio.run(IncidentFile(path).all())


def records(path: Path) -> object:
    bindings = Bindings(path.parent.parent / "audit.jsonl", secret="")
    return asyncio.run(RecordFiles(path.parent.parent, SimAudit(SystemClock()), bindings).all("r1"))


@pytest.mark.parametrize("read", [outbox, incidents, records])
def test_a_torn_only_line_is_nothing(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "r1" / "records.jsonl"
    path.parent.mkdir()
    path.write_bytes(b'{"kind":')
    assert read(path) == []


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (outbox, "line 1 is no record of an outbox"),
        (incidents, "line 1 is no event of an incident"),
    ],
)
def test_an_odd_line_is_named_with_its_file(
    tmp_path: Path, read: Callable[[Path], object], words: str
) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\n{}\n")
    with pytest.raises(Illegible) as error:
        read(path)
    assert error.value.line == 1
    assert f"{path} cannot be read: {words}: " in str(error.value)


def test_a_line_that_is_no_record_was_audited_by_nobody_either(tmp_path: Path) -> None:
    path = tmp_path / "r1" / "records.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"\n{}\n")
    with pytest.raises(RecordsAstray, match="line 1 was inserted"):
        records(path)


def test_an_odd_line_of_the_audit_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"\n{}\n")
    assert verify_file(path) == Broken(1, "not an entry as we write them")
