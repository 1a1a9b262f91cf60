"""Snapshots as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from watership.adapters.files.snapshots import FileSnapshots
from watership.errors import BadInput


async def test_what_was_put_is_there_for_the_next_process(tmp_path: Path) -> None:
    await FileSnapshots(tmp_path).put("gate/cutover", b"1")
    await FileSnapshots(tmp_path).put("gate/cutover", b"2")
    assert await FileSnapshots(tmp_path).get("gate/cutover") == b"2"
    assert await FileSnapshots(tmp_path).get("gate") is None


async def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        await FileSnapshots(tmp_path).put("\n", b"")
    await FileSnapshots(tmp_path / "inside").put("../outside", b"")
    assert list(tmp_path.iterdir()) == [tmp_path / "inside"]
