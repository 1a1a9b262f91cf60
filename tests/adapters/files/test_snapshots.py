"""Snapshots in files."""

from __future__ import annotations

from pathlib import Path

from watership.adapters.files.snapshots import FileSnapshots


async def test_what_was_put_is_got_by_another_process(tmp_path: Path) -> None:
    await FileSnapshots(tmp_path / "kept").put("2.1.0-1.cutover/soak.1", b"first")
    await FileSnapshots(tmp_path / "kept").put("2.1.0-1.cutover/soak.1", b"second")

    assert await FileSnapshots(tmp_path / "kept").get("2.1.0-1.cutover/soak.1") == b"second"


async def test_what_was_never_put_is_none(tmp_path: Path) -> None:
    assert await FileSnapshots(tmp_path / "kept").get("last-safe") is None
