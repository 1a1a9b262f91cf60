"""Records on disk: in order, whole, by several writers."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.releases.plans import NOON
from watership.adapters.files.audit import AuditFile
from watership.adapters.files.bindings import Bindings
from watership.adapters.files.records import RecordFiles, compared
from watership.errors import Unavailable
from watership.releases.auditing.audit import AuditBroken, Entry
from watership.releases.readiness.binding import DROPPED, Bound, RecordsAstray
from watership.releases.readiness.records import Ready


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[AuditFile]:
    with AuditFile(tmp_path / "audit.jsonl", lambda: NOON, secret="") as opened:
        yield opened


def files(folder: Path, audit: AuditFile) -> RecordFiles:
    return RecordFiles(folder, audit, Bindings(audit.path, secret=""))


@pytest.fixture
def desk(tmp_path: Path, audit: AuditFile) -> RecordFiles:
    return files(tmp_path, audit)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "r1" / "records.jsonl"


async def added(desk: RecordFiles, count: int) -> None:
    for number in range(1, count + 1):
        await desk.add("r1", ready(number))


def ready(number: int) -> Ready:
    return Ready(build="sha256:b", person=f"p{number}", role="qa", at=NOON)


async def test_records_of_several_writers_are_all_there(tmp_path: Path, audit: AuditFile) -> None:
    with AuditFile(audit.path, lambda: NOON, secret="") as other:
        await several(tmp_path, audit, other)


async def several(tmp_path: Path, audit: AuditFile, other: AuditFile) -> None:
    desks = [files(tmp_path, audit), files(tmp_path, other)]

    await asyncio.gather(*(desks[number % 2].add("r1", ready(number)) for number in range(40)))

    there = await desks[0].all("r1")
    assert sorted(each.person for each in there if isinstance(each, Ready)) == sorted(
        f"p{n}" for n in range(40)
    )
    assert await desks[0].all("r2") == []


async def test_what_a_crash_left_of_a_line_is_no_record(desk: RecordFiles, file: Path) -> None:
    await desk.add("r1", ready(1))
    file.write_bytes(file.read_bytes() + b'{"kind":"rea')

    assert await desk.all("r1") == [ready(1)]
    await desk.add("r1", ready(2))
    assert await desk.all("r1") == [ready(1), ready(2)]


async def test_a_record_that_the_disk_refuses_leaves_what_was_there(
    desk: RecordFiles, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    await desk.add("r1", ready(1))
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"kind":"rea')

    with monkeypatch.context() as patch, pytest.raises(Unavailable, match="No space left"):
        patch.setattr(os, "fsync", refuse)
        await desk.add("r1", ready(2))

    assert file.read_bytes() == whole


async def test_each_record_is_in_the_audit_with_the_sha256_of_its_line(
    desk: RecordFiles, file: Path, audit: AuditFile
) -> None:
    await added(desk, 2)

    for number, (line, entry) in enumerate(
        zip(file.read_bytes().split(b"\n"), audit.entries(), strict=False), 1
    ):
        assert (entry.actor, entry.action) == (f"p{number}", "team.ready")
        digest = hashlib.sha256(line).hexdigest()
        assert entry.facts == {"release": "r1", "role": "qa", "record": number, "sha256": digest}


DAMAGE: dict[str, tuple[Callable[..., list[bytes] | None], int]] = {
    "edited": (lambda a, b, c, d: [a, b.replace(b"p2", b"p9"), c, d], 2),
    "edited at the end": (lambda a, b, c, d: [a, b, c, d.replace(b"p4", b"p9")], 4),
    "removed": (lambda a, b, c, d: [a, c, d], 2),
    "removed at the end": (lambda a, b, c, d: [a, b, c], 4),
    "removed with the file": (lambda a, b, c, d: None, 1),
    "moved": (lambda a, b, c, d: [a, c, b, d], 2),
    "inserted": (lambda a, b, c, d: [a, a.replace(b"p1", b"p9"), b, c, d], 2),
    "inserted as a copy": (lambda a, b, c, d: [a, a, b, c, d], 2),
    "inserted twice at the end": (lambda a, b, c, d: [a, b, c, d, a, a], 5),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_what_was_done_to_a_record_is_named_and_nothing_is_read_or_added(
    desk: RecordFiles, file: Path, tmp_path: Path, audit: AuditFile, name: str
) -> None:
    await added(desk, 4)
    damage, line = DAMAGE[name]
    changed = damage(*file.read_bytes().splitlines(keepends=True))
    file.unlink() if changed is None else file.write_bytes(b"".join(changed))

    with pytest.raises(
        RecordsAstray, match=f"records.jsonl does not .* line {line} was {name.split(maxsplit=1)[0]}: "
    ):
        await desk.all("r1")
    before = file.read_bytes() if changed is not None else b""
    with pytest.raises(RecordsAstray):
        await desk.add("r1", ready(5))
    assert changed is None or file.read_bytes() == before
    wrong, left = compared(tmp_path, Bindings(audit.path, secret=""))
    assert {path: each.line for path, each in wrong.items()} == {str(file): line}
    assert left == {}


async def test_a_line_that_lost_its_end_is_no_torn_one_once_it_was_audited(
    desk: RecordFiles, file: Path
) -> None:
    await added(desk, 2)
    cut = file.read_bytes()[:-1]
    file.write_bytes(cut)

    with pytest.raises(RecordsAstray, match="line 2 was removed"):
        await desk.add("r1", ready(3))
    assert file.read_bytes() == cut


async def test_a_crash_between_the_line_and_its_entry_leaves_a_line_that_counts_for_nothing(
    desk: RecordFiles, file: Path, tmp_path: Path, audit: AuditFile
) -> None:
    await added(desk, 2)
    file.write_bytes(file.read_bytes() + file.read_bytes().splitlines(keepends=True)[0].replace(b"p1", b"p9"))

    assert await desk.all("r1") == [ready(1), ready(2)]
    assert compared(tmp_path, Bindings(audit.path, secret="")) == ({}, {str(file): 3})
    await desk.add("r1", ready(3))
    assert await desk.all("r1") == [ready(1), ready(2), ready(3)]
    dropped: list[Entry] = [each for each in audit.entries() if each.action == DROPPED]
    assert [(each.facts["line"], "p9" in str(each.facts["text"])) for each in dropped] == [(3, True)]


async def test_a_crash_at_any_byte_of_the_first_record_of_all_alarms_nobody(
    tmp_path: Path, audit: AuditFile
) -> None:
    whole = msgspec.json.encode(ready(1)) + b"\n"
    for cut in range(0, len(whole) + 1, 8):
        release = f"r{cut}"
        path = tmp_path / release / "records.jsonl"
        path.parent.mkdir()
        path.write_bytes(whole[:cut])
        desk = files(tmp_path, audit)
        assert await desk.all(release) == []
        await desk.add(release, ready(2))
        assert await desk.all(release) == [ready(2)]


async def test_the_line_is_on_the_disk_when_its_entry_is_written(
    tmp_path: Path, file: Path, audit: AuditFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    really = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(os.fstat(handle).st_ino)
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    await files(tmp_path, audit).add("r1", ready(1))

    order = [flushed.index(each.stat().st_ino) for each in (file.parent, tmp_path, file, audit.path)]
    assert order == sorted(order)


async def test_a_record_that_the_audit_refuses_is_taken_back(
    desk: RecordFiles, file: Path, audit: AuditFile
) -> None:
    await added(desk, 1)
    whole = file.read_bytes()
    os.close(audit._file)
    audit._file = os.open(audit.path, os.O_RDONLY)

    with pytest.raises(Unavailable, match="cannot be written"):
        await desk.add("r1", ready(2))
    assert file.read_bytes() == whole
    assert await desk.all("r1") == [ready(1)]


async def test_whoever_edits_record_and_audit_alike_is_noticed_while_the_desk_is_open(
    desk: RecordFiles, file: Path, audit: AuditFile
) -> None:
    await added(desk, 2)
    assert len(await desk.all("r1")) == 2
    line = file.read_bytes().splitlines()[1]
    other = line.replace(b"p2", b"p9")
    file.write_bytes(file.read_bytes().replace(line, other))
    old, new = (hashlib.sha256(each).hexdigest().encode() for each in (line, other))
    audit.path.write_bytes(audit.path.read_bytes().replace(old, new))

    with pytest.raises(AuditBroken, match="entry 2"):
        await desk.all("r1")


class Asking(Bindings):
    """Asks, while the lines were read and the audit was not yet, whether somebody could add a record now."""

    file: Path
    free: bool | None = None

    def of(self, release: str) -> Sequence[Bound]:
        with self.file.open("rb") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.free = True
            except BlockingIOError:
                self.free = False
        return super().of(release)


async def test_nobody_adds_a_record_between_the_reading_of_lines_and_of_the_audit(
    desk: RecordFiles, tmp_path: Path, file: Path, audit: AuditFile
) -> None:
    await added(desk, 1)
    asking = Asking(audit.path, secret="")
    asking.file = file
    assert await RecordFiles(tmp_path, audit, asking).all("r1") == [ready(1)]
    assert asking.free is False


async def test_a_record_of_a_later_version_is_not_passed_over(
    desk: RecordFiles, file: Path, audit: AuditFile
) -> None:
    await added(desk, 1)
    line = b'{"kind":"dreamt"}'
    file.write_bytes(file.read_bytes() + line + b"\n")
    digest = hashlib.sha256(line).hexdigest()
    audit.append("p", "dream.dreamt", {"release": "r1", "record": 2, "sha256": digest})

    with pytest.raises(Unavailable, match=r"records.jsonl cannot be read: line 2 is no record of a release"):
        await desk.all("r1")
