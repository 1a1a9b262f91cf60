"""What a PostgreSQL database has that a copy of it has not, row by row: each side is read once, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from watership.adapters.files.backups import Contents
from watership.adapters.files.rows import apart_in_streams
from watership.adapters.postgres.contents import contents, session
from watership.adapters.postgres.pool import Session
from watership.releases.readiness.restoring import TableLoss

AT_A_TIME: Final = 5_000
"""Checksums that are fetched at a time, of each side."""

_ROWS: Final = """
SELECT ('x' || substr(encode(sha256(convert_to(each_row::text, 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint
  FROM ONLY {} AS each_row ORDER BY 1"""


async def losses(live: str, copy: str, *, logged: bool) -> tuple[dict[str, TableLoss], Contents]:
    """By table, where they differ; and what the database at `live` has now, as one snapshot shows it."""
    async with _snapshot(live) as now, _snapshot(copy) as then:
        has, had = await contents(now, logged=logged), await contents(then, logged=logged)
        found = {}
        for name in sorted(has.tables.keys() | had.tables.keys()):
            mine, other = has.tables.get(name), had.tables.get(name)
            if mine is None or other is None:
                rows = TableLoss(lost=mine.rows if mine else 0, back=other.rows if other else 0)
                found[name] = rows
            elif mine != other:
                found[name] = await apart_in_streams(_rows(now, name), _rows(then, name))
        return found, has


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[Session]:
    async with session(url) as connection:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection


async def _rows(connection: Session, table: str) -> AsyncIterator[int]:
    cursor = await connection.cursor(_ROWS.format(table))
    while some := await cursor.fetch(AT_A_TIME):
        for row in some:
            yield row[0]
