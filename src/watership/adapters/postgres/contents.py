"""What a PostgreSQL database holds: its tables, each with its number of rows and a checksum of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import asyncpg

from watership.adapters.address import shown
from watership.adapters.files.backups import Contents, Table
from watership.adapters.postgres.dump import APPLICATION
from watership.adapters.postgres.pool import CONNECT_SECONDS, Session, part
from watership.errors import Unavailable
from watership.releases.readiness.course import HEARTBEAT

BEATS: Final = f"public.{HEARTBEAT}"

_SETTINGS: Final = {
    "application_name": APPLICATION,
    # Values are compared as text, so they have to be written alike wherever they are read.
    "search_path": "",
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    # A table that may not be read as a whole is refused, not read in part.
    "row_security": "off",
    # A session holds its snapshot for as long as the dump takes; whoever waits has a bound.
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}

# Tables of an extension come with it, and are in no dump.
_TABLES: Final = """
SELECT pg_class.oid::regclass::text AS name FROM pg_class
 WHERE relkind = 'r' AND relpersistence = ANY($1::text[]::"char"[])
   AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
   AND NOT EXISTS (SELECT FROM pg_depend
                    WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
 ORDER BY 1"""

_TABLE: Final = """
SELECT count(*) AS rows, coalesce(sum(
         ('x' || substr(encode(sha256(convert_to(each_row::text, 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint
       ), 0)::text AS checksum
  FROM ONLY {} AS each_row"""


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Session]:
    """A connection of its own, parted from at the end; what the driver raises becomes an error of ours."""
    try:
        connection = await asyncpg.connect(
            url, server_settings=_SETTINGS, statement_cache_size=0, timeout=CONNECT_SECONDS
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as reason:
        raise Unavailable(
            f"{shown(url)} does not let us in: {str(reason) or type(reason).__name__}."
        ) from reason
    try:
        yield connection
    except asyncpg.PostgresError as reason:
        raise Unavailable(f"{shown(url)} did not do as asked: {reason}.") from reason
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as reason:
        raise Unavailable(f"{shown(url)} was lost: {str(reason) or type(reason).__name__}.") from reason
    finally:
        await part(connection)


async def tables_of(connection: Session, *, logged: bool = False) -> list[str]:
    """Every table, quoted; only those whose changes are `logged`, where it is about what a replay of the log shows."""
    return [name for (name,) in await connection.fetch(_TABLES, ["p"] if logged else ["p", "u"])]


async def contents(connection: Session, *, logged: bool = False) -> Contents:
    """What is there, as the transaction sees it."""
    tables = {}
    for name in await tables_of(connection, logged=logged):
        row = await connection.fetchrow(_TABLE.format(name))
        assert row is not None, "an aggregate has a row"
        tables[name] = Table(row["rows"], row["checksum"])
    return Contents(tables=tables)


async def beat_in(connection: Session) -> datetime | None:
    """The newest heartbeat that a database has."""
    if await connection.fetchval("SELECT to_regclass($1)", BEATS) is None:
        return None
    found: datetime | None = await connection.fetchval(f"SELECT max(at) FROM {BEATS}")  # noqa: S608 - our own name
    return found
