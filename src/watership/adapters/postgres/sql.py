"""One reading statement, in a session and a transaction of its own: the database itself refuses to write in it.

Beside it what a reader cannot know: whether a write would be taken, and whether somebody is let in.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

import asyncpg
import msgspec

from watership.adapters.address import shown
from watership.adapters.postgres.pool import Session, part
from watership.adapters.postgres.visit import connected
from watership.errors import BadInput, Unavailable
from watership.releases.auditing.audit import Plain
from watership.releases.instruments import Row, Written

SECONDS: Final = 10.0
"""For a statement: a check that needs longer to read would be felt by whom it is to protect."""

ROWS: Final = 1_000
"""Of an answer: a check reads figures, not tables."""

LATE: Final = 2.0
"""Seconds beside SECONDS until the link is given up: by then the database itself would have said that it is late."""

WAITING: Final = ("08", "53", "57", "58", "55", "40")
"""Classes of SQLSTATE that say nothing against the statement."""

UNADMITTED: Final = "28"
"""The class of SQLSTATE for a user or a password that is not let in."""

FORBIDDEN: Final = "42501"
"""The role lacks a privilege."""

UNWRITABLE: Final = ("25006", "53100", "58030")
"""It is read-only, the disk is full, or it cannot be written to."""

WRITE: Final = "CREATE TEMPORARY TABLE watership_check AS SELECT 1 AS it"


class PostgresSql:
    """SQL over PostgreSQL. A function that the statement calls may still act (pg_terminate_backend): name none."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._settings = {
            "application_name": "watership check",
            "default_transaction_read_only": "on",
            "statement_timeout": f"{seconds * 1000:.0f}",
            "lock_timeout": "2000",
        }

    async def rows(self, url: str, statement: str) -> Sequence[Row]:
        session = await self._connect(url)
        try:
            async with asyncio.timeout(self._seconds + LATE), session.transaction(readonly=True):
                prepared = await session.prepare(statement)
                if not prepared.get_attributes():
                    raise BadInput(
                        "The statement reads nothing.", fix="Give one that reads, such as SELECT or SHOW."
                    )
                cursor = await prepared.cursor()
                found = await cursor.fetch(ROWS + 1)
        except asyncpg.PostgresError as reason:
            raise _refusal(url, reason) from reason
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as reason:
            raise Unavailable(f"{shown(url)} was lost: {str(reason) or type(reason).__name__}.") from reason
        finally:
            await part(session)
        if len(found) > ROWS:
            raise BadInput(
                f"The statement gives more than {ROWS:,} rows.", fix="Let the database count or sum."
            )
        return [_row(record) for record in found]

    async def write(self, url: str) -> Written:
        session = await self._connect(url, default_transaction_read_only=None)
        read_only = False
        try:
            async with asyncio.timeout(self._seconds + LATE):
                await session.execute("BEGIN")
                read_only = await session.fetchval("SHOW transaction_read_only") == "on"
                await session.execute(WRITE)
                await session.execute("ROLLBACK")
        except asyncpg.PostgresError as reason:
            if reason.sqlstate not in (*UNWRITABLE, FORBIDDEN):
                raise _refusal(url, reason) from reason
            return Written(read_only=read_only, refused=str(reason), forbidden=reason.sqlstate == FORBIDDEN)
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as reason:
            raise Unavailable(f"{shown(url)} was lost: {str(reason) or type(reason).__name__}.") from reason
        finally:
            await part(session)
        return Written(read_only=read_only)

    async def admits(self, url: str) -> bool:
        try:
            session = await self._connect(url)
        except Unavailable as reason:
            cause = reason.__cause__
            if isinstance(cause, asyncpg.PostgresError) and (cause.sqlstate or "").startswith(UNADMITTED):
                return False
            raise
        await part(session)
        return True

    async def _connect(self, url: str, **settings: str | None) -> Session:
        """A session; a setting that is None is left as the database has it."""
        wanted = (self._settings | settings).items()
        return await connected(url, {name: value for name, value in wanted if value is not None})


def _refusal(url: str, reason: asyncpg.PostgresError) -> BadInput | Unavailable:
    if (reason.sqlstate or "").startswith(WAITING):
        return Unavailable(f"{shown(url)} did not do as asked: {reason}.")
    return BadInput(f"The database refused the statement: {reason}.", fix="Give one statement that reads.")


def _row(record: Mapping[str, object]) -> Row:
    names = list(record.keys())
    if len(set(names)) < len(names):
        raise BadInput(
            f"Two columns are named {next(name for name in names if names.count(name) > 1)}.",
            fix="Name each: SELECT … AS name.",
        )
    return {name: plain(value) for name, value in record.items()}


def plain(value: object) -> Plain:
    """A value as text, number, yes/no or None. What is not a finite number never becomes one: NaN is a text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return _number(value)
        case timedelta():
            return value.total_seconds()
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case list() | tuple() | asyncpg.Record():
            return msgspec.json.encode([plain(part) for part in value]).decode()
        case _:
            return str(value)


def _number(value: Decimal) -> Plain:
    if not value.is_finite():
        return str(value)
    whole = value.to_integral_value()
    return int(whole) if whole == value else float(value)
