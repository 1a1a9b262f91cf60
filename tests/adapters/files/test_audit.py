"""The audit's file survives a crash in the middle of a line, and nothing else that is odd."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from watership.adapters.files.audit import AuditFile, read
from watership.releases.audit import AuditBroken, Broken, Verified, verify


def now() -> datetime:
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


def written(path: Path, entries: int) -> str:
    with AuditFile(path, now) as audit:
        for number in range(entries):
            audit.append("controller", "weights.set", {"next": number})
        assert audit.head is not None
        return audit.head


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_a_record_is_continued_where_it_ended(path: Path) -> None:
    head = written(path, 3)
    written(path, 2)
    with AuditFile(path, now) as audit:
        assert [entry.number for entry in audit.entries()] == [1, 2, 3, 4, 5]
        assert audit.verify(head) == Verified(5, audit.head or "")


def test_a_torn_last_line_is_removed_and_recorded_wherever_it_was_torn(path: Path) -> None:
    written(path, 3)
    whole = path.read_bytes()
    last = whole.rfind(b"\n", 0, -1) + 1
    for cut in range(last + 1, len(whole)):
        path.write_bytes(whole[:cut])
        with AuditFile(path, now) as audit:
            actions = [(entry.action, entry.facts) for entry in audit.entries()]
        assert actions[2:] == [("audit.torn_line_removed", {"bytes": cut - last})]
        assert verify(read(path)) == Verified(3, audit.head or "")


def test_a_torn_only_line_is_removed_too(path: Path) -> None:
    path.write_bytes(b'{"acti')
    with AuditFile(path, now) as audit:
        assert [entry.action for entry in audit.entries()] == ["audit.torn_line_removed"]


def test_a_changed_line_is_not_continued(path: Path) -> None:
    written(path, 5)
    path.write_bytes(path.read_bytes().replace(b'"next":2', b'"next":7'))
    with pytest.raises(AuditBroken, match="entry 3"):
        AuditFile(path, now)
    assert verify(read(path)) == Broken(3, "its content does not match its digest")


def test_a_blank_line_is_not_overlooked(path: Path) -> None:
    written(path, 2)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(AuditBroken, match="entry 3"):
        AuditFile(path, now)


def test_two_writers_take_turns_in_one_chain(path: Path) -> None:
    with AuditFile(path, now) as first, AuditFile(path, now) as second:
        for number in range(3):
            first.append("controller", "weights.set", {"next": number})
            second.append("dana", "release.ordered", {"kind": "hold"})
        assert first.verify() == Verified(6, second.head or "")
