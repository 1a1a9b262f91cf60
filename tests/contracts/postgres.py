"""One PostgreSQL database with our schema for many tests: each finds it empty."""

from __future__ import annotations

import asyncpg

from watership.adapters.postgres.schema import PostgresSchema

_EMPTY = """
TRUNCATE runs, counters, journal, appends, signals, requests, injections, workers, deployments, outbox, flags,
  flag_changes RESTART IDENTITY;
UPDATE intake SET weights = '{}', epoch = 0, until = NULL, last_safe = NULL, readonly = FALSE, paused = NULL"""


async def emptied(url: str) -> str:
    """The database at `url`, migrated and empty."""
    await PostgresSchema(url).upgrade()
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_EMPTY)
    finally:
        await connection.close()
    return url
