"""A verification is a real crossing: it fails when what it verifies does not carry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.world import ManualClock
from watership.adapters.files.bell import FilesBell
from watership.adapters.memory.cache import MemoryCache
from watership.errors import Unavailable
from watership.wiring.shared import kept_once


async def test_the_embedded_bell_is_verified_through_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watership.adapters.files.bell.CROSSING_SECONDS", 0.2)
    bell = FilesBell(tmp_path)
    try:
        await bell.cross("one")
        for socket in tmp_path.iterdir():
            socket.unlink()
        with pytest.raises(Unavailable):
            await bell.cross("two")
    finally:
        bell.close()


async def test_a_cache_that_keeps_nothing_is_not_well() -> None:
    clock = ManualClock()
    await kept_once(MemoryCache(clock))()
    with pytest.raises(Unavailable):
        await kept_once(MemoryCache(clock, entries=0))()
