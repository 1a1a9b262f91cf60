"""The audit's file survives a crash in the middle of a line, and nothing else that is odd."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watership.adapters.files.audit import AuditFile, head_file, read, seal, verify_file
from watership.errors import BadInput
from watership.releases.auditing.audit import AuditBroken, Broken, Verified, verify

SECRET = "s" * 32


def now() -> datetime:
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


def written(path: Path, entries: int, secret: str = "") -> str:
    with AuditFile(path, now, secret=secret) as audit:
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
    with AuditFile(path, now, secret="") as audit:
        assert [entry.number for entry in audit.entries()] == [1, 2, 3, 4, 5]
        assert audit.verify(head) == Verified(5, audit.head or "")


def test_a_torn_last_line_is_removed_and_recorded_wherever_it_was_torn(path: Path) -> None:
    written(path, 2)
    before = head_file(path).read_bytes()
    written(path, 1)
    whole = path.read_bytes()
    last = whole.rfind(b"\n", 0, -1) + 1
    for cut in range(last + 1, len(whole)):
        path.write_bytes(whole[:cut])
        head_file(path).write_bytes(before)
        assert verify_file(path) == Verified(2, verify(read(path)).head, after=0)  # type: ignore[union-attr]
        with AuditFile(path, now, secret="") as audit:
            actions = [(entry.action, entry.facts) for entry in audit.entries()]
        assert actions[2:] == [("audit.torn_line_removed", {"bytes": cut - last})]
        assert verify(read(path)) == Verified(3, audit.head or "")


def test_a_torn_only_line_is_removed_too(path: Path) -> None:
    path.write_bytes(b'{"acti')
    with AuditFile(path, now, secret="") as audit:
        assert [entry.action for entry in audit.entries()] == ["audit.torn_line_removed"]


def test_a_changed_line_is_not_continued(path: Path) -> None:
    written(path, 5)
    path.write_bytes(path.read_bytes().replace(b'"next":2', b'"next":7'))
    with pytest.raises(AuditBroken, match="entry 3"):
        AuditFile(path, now, secret="")
    assert verify(read(path)) == Broken(3, "its content does not match its digest")


def test_a_blank_line_is_not_overlooked(path: Path) -> None:
    written(path, 2)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(AuditBroken, match="entry 3"):
        AuditFile(path, now, secret="")


def test_two_writers_take_turns_in_one_chain(path: Path) -> None:
    with AuditFile(path, now, secret="") as first, AuditFile(path, now, secret="") as second:
        for number in range(3):
            first.append("controller", "weights.set", {"next": number})
            second.append("dana", "release.ordered", {"kind": "hold"})
        assert first.verify() == Verified(6, second.head or "")


def test_threads_of_one_process_take_turns_too(path: Path) -> None:
    with AuditFile(path, now, secret="") as audit, ThreadPoolExecutor(4) as threads:
        list(
            threads.map(lambda number: audit.append("controller", "weights.set", {"next": number}), range(60))
        )
        assert audit.verify() == Verified(60, audit.head or "")


def test_a_crash_before_the_head_was_replaced_makes_no_good_record_look_bad(path: Path) -> None:
    written(path, 3, SECRET)
    before = head_file(path).read_bytes()
    written(path, 2, SECRET)
    head_file(path).write_bytes(before)
    found = verify_file(path, secret=SECRET)
    assert isinstance(found, Verified)
    assert (found.count, found.after, found.seal) == (5, 2, "signed")
    with AuditFile(path, now, secret=SECRET) as audit:
        last = audit.entries()[-1]
        assert (last.number, last.action, last.facts) == (6, "audit.head_caught_up", {"entries": 2})
        assert audit.verify() == Verified(6, audit.head or "", seal="signed")


def test_the_first_append_of_all_may_crash_at_any_point(path: Path) -> None:
    AuditFile(path, now, secret="").close()
    before = head_file(path).read_bytes()
    written(path, 1)
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        head_file(path).write_bytes(before)
        assert isinstance(verify_file(path), Verified)
        AuditFile(path, now, secret="").close()
    path.unlink()
    path.touch()
    head_file(path).unlink()
    AuditFile(path, now, secret="").close()


def test_a_cut_record_is_not_continued_and_what_is_left_stays_as_evidence(path: Path) -> None:
    written(path, 5)
    whole = path.read_bytes()
    for cut in (whole[: whole.rfind(b"\n", 0, -1) + 1], whole[:-20], b""):
        path.write_bytes(cut)
        with pytest.raises(AuditBroken, match="5 entries were written"):
            AuditFile(path, now, secret="")
        assert path.read_bytes() == cut


def test_who_cannot_sign_may_read_and_not_write(path: Path) -> None:
    written(path, 2, SECRET)
    with AuditFile(path, now, secret="") as audit:
        assert len(audit.entries()) == 2
        assert audit.verify() == Verified(2, audit.head or "", seal="unchecked")
        with pytest.raises(BadInput, match="no secret here to sign"):
            audit.append("dana", "release.ordered", {})
    assert isinstance(verify_file(path, secret=SECRET), Verified)


def test_a_record_is_sealed_anew_by_somebody_who_stands_in_it(path: Path) -> None:
    written(path, 2)
    for secret in (SECRET, "t" * 32, ""):
        assert secret == "" or isinstance(verify_file(path, secret=secret), Broken)
        entry = seal(path, now, secret=secret, by="ada")
        assert (entry.actor, entry.action, entry.facts["signed"]) == ("ada", "audit.sealed", bool(secret))
        assert isinstance(verify_file(path, secret=secret), Verified)
    head_file(path).unlink()
    assert "missing" in str(seal(path, now, secret="", by="ada").facts["because"])


def test_a_record_that_was_cut_or_edited_is_not_sealed(path: Path) -> None:
    written(path, 4)
    whole = path.read_bytes()
    for bad in (whole[: whole.rfind(b"\n", 0, -1) + 1], whole.replace(b'"next":3', b'"next":8')):
        path.write_bytes(bad)
        with pytest.raises(AuditBroken, match="entry 4"):
            seal(path, now, secret=SECRET, by="ada")
