"""A restore into the place of a PostgreSQL database: a copy takes its name, and it stays under another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote

from watership.adapters.address import parsed, shown
from watership.adapters.files.backups import Contents, differences
from watership.adapters.files.rows import state_of
from watership.adapters.postgres.contents import contents, session
from watership.adapters.postgres.dump import of_database
from watership.adapters.postgres.likeness import made_like, quoted
from watership.adapters.postgres.losses import losses
from watership.adapters.postgres.pool import SCHEMES, Session
from watership.errors import Conflict, Untrusted
from watership.releases.ports import Backup, Backups
from watership.releases.readiness.restoring import Loss

GONE_SECONDS: Final = 30.0
"""How long sessions may take to end once they are told to."""

SWAP_SECONDS: Final = 30.0

LOOK_SECONDS: Final = 0.05

NAME_BYTES: Final = 63
"""What PostgreSQL keeps of a name."""

_BOUND: Final = """
SELECT (SELECT count(*) FROM pg_prepared_xacts WHERE database = $1) AS prepared,
       (SELECT count(*) FROM pg_replication_slots WHERE database = $1) AS slots,
       (SELECT count(*) FROM pg_subscription JOIN pg_database ON pg_database.oid = subdbid
         WHERE datname = $1) AS heard"""

Fill = Callable[[str], Awaitable[None]]
"""Restores into the empty database at that address."""


class PostgresPlace:
    """The database at `url`, and the copy of `backup` at `copy`, a database beside it or elsewhere.

    `logged`: only tables whose changes are logged are compared. `beside`: the name of the copy on the same server.
    """

    def __init__(
        self, url: str, copy: str, backup: str, backups: Backups, *, logged: bool = False, beside: str = ""
    ) -> None:
        self._url = url
        self._copy = copy
        self._backup = backup
        self._backups = backups
        self._logged = logged
        self._beside = beside
        self._inside: Session | None = None

    async def loss(self) -> Loss:
        tables, has = await losses(self._url, self._copy, logged=self._logged)
        return Loss(backup=self._backup, tables=tables, state=state_of(has))

    async def safe(self, name: str) -> Backup:
        return await self._backups.create(name)

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        name = _database(self._url)
        async with session(self._url) as inside, session(maintenance(self._url)) as outside:
            await _require_unbound(outside, name)
            pid = inside.get_server_pid()
            await outside.execute(f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS false")
            self._inside = inside
            try:
                await _until_alone(outside, name, pid)
                yield
            finally:
                self._inside = None
                # The name is the copy's by now, or still its own: whoever has it is let in.
                await outside.execute(f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS true")

    async def state(self) -> str:
        assert self._inside is not None, "it is asked when everybody else is out"
        return state_of(await contents(self._inside, logged=self._logged))

    async def swap(self) -> str:
        assert self._inside is not None and self._beside, "everybody else is out, and the copy is beside it"
        name, now = _database(self._url), datetime.now(UTC)
        kept = _longer(name, f"_before_{now:%Y%m%dt%H%M%S}")
        await self._inside.close(timeout=GONE_SECONDS)
        async with session(maintenance(self._url)) as outside, outside.transaction():
            await outside.execute(f"SET LOCAL statement_timeout = '{SWAP_SECONDS:.0f}s'")
            await outside.execute(f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(kept)}")
            await outside.execute(f"ALTER DATABASE {quoted(self._beside)} RENAME TO {quoted(name)}")
            await outside.execute(f"ALTER DATABASE {quoted(kept)} SET default_transaction_read_only = on")
            await outside.execute(f"ALTER DATABASE {quoted(kept)} ALLOW_CONNECTIONS true")
        return kept


@asynccontextmanager
async def beside(
    url: str, fill: Fill, wanted: Contents | None, *, logged: bool
) -> AsyncIterator[tuple[str, str]]:
    """The address and the name of a copy on the server of `url`, made like it; dropped unless it took its place.

    Raises Untrusted where what was restored is not as it was `wanted`.
    """
    name = _longer(_database(url), f"_restored_{datetime.now(UTC):%Y%m%dt%H%M%S}")
    copy = of_database(url, quote(name, safe=""))
    try:
        async with session(maintenance(url)) as outside:
            await made_like(outside, _database(url), name)
        await fill(copy)
        async with session(copy) as inside:
            if wanted is not None and (wrong := differences(wanted, await contents(inside, logged=logged))):
                raise Untrusted(f"What was restored is not as it was: {'; '.join(wrong)}.")
            await inside.execute("ANALYZE")
        yield copy, name
    finally:
        async with session(maintenance(url)) as outside:
            await outside.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


def maintenance(url: str) -> str:
    """The address of another database of the same server, from which this one is renamed."""
    return of_database(url, "template1" if _database(url) == "postgres" else "postgres")


def _database(url: str) -> str:
    parts = parsed(url, *SCHEMES)
    name = unquote(parts.path.removeprefix("/")) or unquote(parts.username or "")
    if not name:
        raise Conflict(f"{shown(url)} names no database.", fix="Say …/database in the address.")
    return name


def _longer(name: str, suffix: str) -> str:
    return name.encode()[: NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


async def _require_unbound(outside: Session, name: str) -> None:
    """Raises Conflict where something goes by the database's identity, and would stay with the old one."""
    bound = await outside.fetchrow(_BOUND, name)
    assert bound is not None, "counts have a row"
    found = {"prepared transactions": bound["prepared"], "replication slots": bound["slots"]}
    found["subscriptions"] = bound["heard"]
    if some := [f"{number} {what}" for what, number in found.items() if number]:
        raise Conflict(
            f"{name} has {', '.join(some)}, which would stay with the database that is replaced.",
            fix="End them, and make them anew afterwards.",
        )


async def _until_alone(outside: Session, name: str, pid: int) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GONE_SECONDS
    others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND pid <> $2"
    while left := await outside.fetchval(others, name, pid):
        if loop.time() > deadline:
            raise Conflict(f"{left} sessions in {name} do not end: nothing was restored.")
        await asyncio.sleep(LOOK_SECONDS)
