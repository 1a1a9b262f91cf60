"""The books: a line for each effect, in the application's own PostgreSQL."""

from __future__ import annotations

import asyncio
import os

import asyncpg

CONNECTIONS = 4
"""Of one process, at most."""

WRITE = "INSERT INTO orders (run, part, number, total, version) VALUES ($1, $2, $3, $4, $5)"
LAST = "SELECT total FROM orders ORDER BY id DESC LIMIT 1"

_opening = asyncio.Lock()
_pools: list[asyncpg.Pool] = []


async def _books() -> asyncpg.Pool:
    async with _opening:
        if not _pools:
            url = os.environ["APPLICATION_DATABASE"]
            _pools.append(await asyncpg.create_pool(url, min_size=1, max_size=CONNECTIONS))
    return _pools[0]


async def write(run: str, part: str, number: int, total: int, version: str) -> None:
    """Write a line, however often it is there already: whoever counts sees what was done twice."""
    pool = await _books()
    await pool.execute(WRITE, run, part, number, total, version)


async def last() -> int | None:
    """The total of the last line."""
    pool = await _books()
    return await pool.fetchval(LAST)
