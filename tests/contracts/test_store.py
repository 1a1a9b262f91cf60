"""The stores that hold the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.store_suite import StoreSuite
from tests.contracts.world import ManualClock, World
from watership.adapters.memory import MemoryStore
from watership.adapters.sqlite import SQLiteStore


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def world(self) -> World:
        clock = ManualClock()
        return World(MemoryStore(clock=clock), clock)


class TestSQLiteStore(StoreSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        clock = ManualClock()
        async with await SQLiteStore.open(tmp_path / "runs.db", clock=clock) as store:
            yield World(store, clock)
