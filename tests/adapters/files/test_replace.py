"""A file is replaced as a whole or not at all, whoever else writes it at the same time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from watership.adapters.files.replace import replace_file


def test_writers_at_the_same_time_leave_one_whole_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    contents = [bytes([number]) * 20_000 for number in range(8)]

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(partial(replace_file, path), contents * 10))

    assert path.read_bytes() in contents
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(("of", "refuses"), [(os, "fsync"), (Path, "replace")])
def test_what_the_disk_refuses_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: object, refuses: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "plan.json"
    replace_file(path, b"old")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(of, refuses, refuse)
        replace_file(path, b"new")

    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_file_and_folder_are_on_the_disk_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    really = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(os.fstat(handle).st_ino)
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    replace_file(tmp_path / "plan.json", b"new")

    assert flushed == [(tmp_path / "plan.json").stat().st_ino, tmp_path.stat().st_ino]
