"""The stores that hold the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.postgres import emptied
from tests.contracts.store_suite import StoreSuite
from tests.contracts.world import ManualClock, World
from watership.adapters.memory import MemoryStore
from watership.adapters.postgres import PostgresStore
from watership.adapters.sqlite import SQLiteStore
from watership.testing.servers import PostgresServer


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


class TestPostgresStore(StoreSuite):
    @pytest.fixture
    async def world(self, postgres_server: PostgresServer) -> AsyncIterator[World]:
        clock = ManualClock()
        url = await emptied(postgres_server.url)
        async with await PostgresStore.open(url, clock=clock) as store:
            yield World(store, clock)
