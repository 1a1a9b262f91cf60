"""The heartbeat of a drill in a PostgreSQL database: one row that says when it was last written."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from watership.adapters.address import shown
from watership.adapters.postgres.contents import BEATS, session
from watership.errors import Conflict

SECONDS: Final = 10.0
"""What each statement may take: a table that another session reads is not dropped until that is done."""

_PLACE = f"CREATE TABLE {BEATS} (id int PRIMARY KEY, at timestamptz NOT NULL)"
_BEAT = f"INSERT INTO {BEATS} VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at"  # noqa: S608 - our own name


class PostgresHeartbeat:
    """Beats in the database at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def begin(self) -> None:
        async with session(self._url) as connection:
            try:
                await connection.execute(_PLACE, timeout=SECONDS)
            except asyncpg.DuplicateTableError as there:
                raise Conflict(
                    f"{shown(self._url)} has a table {BEATS}: another drill goes on, or was killed.",
                    fix=f"When none goes on: DROP TABLE {BEATS}",
                ) from there

    async def beat(self, at: datetime) -> None:
        async with session(self._url) as connection:
            await connection.execute(_BEAT, at, timeout=SECONDS)

    async def end(self) -> None:
        async with session(self._url) as connection:
            await connection.execute(f"DROP TABLE IF EXISTS {BEATS}", timeout=SECONDS)
