"""Records on disk: in order, whole, by several writers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.releases.plans import NOON
from watership.adapters.files.records import RecordFiles
from watership.errors import Unavailable
from watership.releases.readiness.records import Ready


def ready(number: int) -> Ready:
    return Ready(build="sha256:b", person=f"p{number}", role="qa", at=NOON)


async def test_records_of_several_writers_are_all_there(tmp_path: Path) -> None:
    desks = [RecordFiles(tmp_path), RecordFiles(tmp_path)]

    await asyncio.gather(*(desks[number % 2].add("r1", ready(number)) for number in range(40)))

    there = await desks[0].all("r1")
    assert sorted(each.person for each in there if isinstance(each, Ready)) == sorted(
        f"p{n}" for n in range(40)
    )
    assert await desks[0].all("r2") == []


async def test_what_a_crash_left_of_a_line_is_no_record(tmp_path: Path) -> None:
    desk = RecordFiles(tmp_path)
    await desk.add("r1", ready(1))
    file = tmp_path / "r1" / "records.jsonl"
    file.write_bytes(file.read_bytes() + b'{"kind":"rea')

    assert await desk.all("r1") == [ready(1)]
    await desk.add("r1", ready(2))
    assert await desk.all("r1") == [ready(1), ready(2)]


async def test_a_record_that_the_disk_refuses_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    desk = RecordFiles(tmp_path)
    await desk.add("r1", ready(1))
    file = tmp_path / "r1" / "records.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"kind":"rea')

    with monkeypatch.context() as patch, pytest.raises(Unavailable, match="No space left"):
        patch.setattr(os, "fsync", refuse)
        await desk.add("r1", ready(2))

    assert file.read_bytes() == whole


async def test_a_record_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    desk = RecordFiles(tmp_path)
    await desk.add("r1", ready(1))
    file = tmp_path / "r1" / "records.jsonl"
    file.write_bytes(b"{}\n" + file.read_bytes())

    with pytest.raises(Unavailable, match="cannot be read"):
        await desk.all("r1")
