"""The stores that hold the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from tests.contracts.postgres import emptied
from tests.contracts.store_suite import StoreSuite
from tests.contracts.world import ManualClock, World
from watership.adapters.memory import MemoryStore
from watership.adapters.postgres import PostgresStore
from watership.adapters.sqlite import SQLiteStore
from watership.testing.servers import PostgresServer

KEYS = "SELECT count(*) FROM requests"


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def world(self) -> World:
        clock = ManualClock()
        store = MemoryStore(clock=clock)

        async def keys() -> int:
            return len(store._rows._requests)

        return World(store, clock, keys)


class TestSQLiteStore(StoreSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        clock = ManualClock()
        path = tmp_path / "runs.db"

        async def keys() -> int:
            with closing(sqlite3.connect(path)) as db:
                return int(db.execute(KEYS).fetchone()[0])

        async with await SQLiteStore.open(path, clock=clock) as store:
            yield World(store, clock, keys)


class TestPostgresStore(StoreSuite):
    @pytest.fixture
    async def world(self, postgres_server: PostgresServer) -> AsyncIterator[World]:
        clock = ManualClock()
        url = await emptied(postgres_server.url)

        async def keys() -> int:
            db = await asyncpg.connect(url)
            try:
                return int(await db.fetchval(KEYS))
            finally:
                await db.close()

        async with await PostgresStore.open(url, clock=clock) as store:
            yield World(store, clock, keys)
