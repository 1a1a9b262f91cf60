"""A visit to an application's database: it is not ours, so its address and its words are told as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from watership.adapters.address import shown
from watership.adapters.postgres.pool import CONNECT_SECONDS, SCHEMES, Session, part
from watership.errors import BadInput, NotAllowed, Unavailable, WatershipError

EXAMPLE: Final = (
    "Say postgresql://user:password@host:5432/database. In a password / # ? @ are %2F %23 %3F %40."
)

LATE: Final = 5.0
"""Seconds beside those of a statement until the link is given up: by then the database itself would have said it."""

_WAITING: Final = ("08", "53", "55", "57", "58", "40", "25")
"""Classes of SQLSTATE that say nothing against the statement."""

_REFUSED: Final = ("28", "42501")


@asynccontextmanager
async def visit(
    url: str, *, name: str, seconds: float, settings: Mapping[str, str] = {}
) -> AsyncIterator[Session]:
    """A session whose statements take `seconds` at most; what the driver raises in the block becomes ours."""
    session = await connected(
        url,
        {"application_name": name, "statement_timeout": f"{seconds * 1000:.0f}", **settings},
        seconds=seconds + LATE,
    )
    try:
        yield session
    except asyncpg.PostgresError as reason:
        raise refusal(url, reason) from reason
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as reason:
        raise Unavailable(f"{shown(url)} was lost: {str(reason) or type(reason).__name__}.") from reason
    finally:
        await part(session)


async def connected(url: str, settings: Mapping[str, str], *, seconds: float | None = None) -> Session:
    """A session with these settings of the server; each of its calls takes `seconds` at most, if that is said.

    Raises BadInput for what is no address, Unavailable for who does not answer or does not let us in.
    """
    if url.partition("://")[0] not in SCHEMES:
        raise BadInput(f"{shown(url)} is no address of a PostgreSQL.", fix=EXAMPLE)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncpg.connect(
                url, server_settings=dict(settings), statement_cache_size=0, command_timeout=seconds
            )
    except ValueError:  # asyncpg.ClientConfigurationError is one; its words may hold a piece of the password
        raise BadInput(f"{shown(url)} is no address of a PostgreSQL.", fix=EXAMPLE) from None
    except asyncpg.PostgresError as reason:
        raise Unavailable(
            f"{shown(url)} did not let us in: {reason}.", fix="Look at user, password and database."
        ) from reason
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as reason:
        raise Unavailable(
            f"{shown(url)} does not answer: {str(reason) or type(reason).__name__}.",
            fix="Check that PostgreSQL runs, and host and port.",
        ) from reason


def refusal(url: str, reason: asyncpg.PostgresError) -> WatershipError:
    """Our error for the database's own."""
    state = reason.sqlstate or ""
    if state.startswith(_REFUSED):
        return NotAllowed(f"{shown(url)} does not allow it: {reason}.", fix="GRANT the role what it needs.")
    if state.startswith(_WAITING):
        return Unavailable(f"{shown(url)} did not do as asked: {reason}.")
    return BadInput(f"{shown(url)} refused: {reason}.")
