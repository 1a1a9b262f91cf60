"""Where results are counted and read back: in the store itself, not by the peer's word."""

from __future__ import annotations

import asyncpg
import redis.asyncio


async def number(url: str, query: str) -> int:
    """The one number that a query gives."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


class Counter:
    """Counts by one query on one connection of its own, made when it is first asked."""

    def __init__(self, url: str, query: str) -> None:
        self._url = url
        self._query = query
        self._connection: asyncpg.Connection | None = None

    async def count(self) -> int:
        if self._connection is None:
            self._connection = await asyncpg.connect(self._url)
        return int(await self._connection.fetchval(self._query))

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


async def keys(url: str) -> int:
    """How many keys a Redis database holds; a peer's results have one to themselves."""
    async with redis.asyncio.Redis.from_url(url) as client:
        return int(await client.dbsize())
