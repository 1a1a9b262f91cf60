"""A restore point with what the database held at it: writers are held for the moment in which both are taken."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg
from msgspec import Struct

from watership.adapters.address import shown
from watership.adapters.files.backups import Contents
from watership.adapters.postgres.contents import contents, session, tables_of
from watership.adapters.postgres.pool import Session
from watership.errors import Unavailable

LOCK_SECONDS: Final = 1.0
"""How long we wait for writers at a time: whoever writes after us waits as long with us."""

TRIES: Final = 8
PAUSE_SECONDS: Final = 0.5

_POINT: Final = (
    "SELECT pg_create_restore_point($1)::text AS lsn, pg_walfile_name(pg_current_wal_lsn()) AS piece"
)


class Marked(Struct, frozen=True, kw_only=True):
    """A restore point: its place in the log, the piece that it lies in, and what was there."""

    lsn: str
    piece: str
    contents: Contents


async def mark(url: str, name: str, *, tries: int = TRIES) -> Marked:
    """Make the restore point `name`, and count what every table has at it. Raises Unavailable where writers do not end.

    A SHARE lock on every table says that no transaction is half written; a snapshot that is taken under it shows what
    a replay to the point shows. The counting comes after the locks are given back.
    """
    async with session(url) as counting, session(url) as holding:
        for _ in range(tries):
            with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                lsn, piece = await _held(holding, counting, name)
                return Marked(lsn=lsn, piece=piece, contents=await contents(counting, logged=True))
            await counting.execute("ROLLBACK")
            await asyncio.sleep(PAUSE_SECONDS)
    raise Unavailable(
        f"A transaction in {shown(url)} writes for longer than {tries * LOCK_SECONDS:g} s: no point could be set.",
        fix="SELECT pid, query FROM pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start",
    )


async def _held(holding: Session, counting: Session, name: str) -> tuple[str, str]:
    await counting.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    async with holding.transaction():
        await holding.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS * 1000:.0f}ms'")
        if tables := await tables_of(holding, logged=True):
            await holding.execute(f"LOCK TABLE ONLY {', ONLY '.join(tables)} IN SHARE MODE")
        await counting.execute("SELECT 1")  # the snapshot
        row = await holding.fetchrow(_POINT, name)
    assert row is not None, "a function answers"
    return row["lsn"], row["piece"]
