"""A pair of our own: a base backup of a server is started as a primary, and a standby is made of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from watership.adapters.address import parsed, shown
from watership.adapters.postgres.contents import session
from watership.adapters.postgres.dump import variables, without_password
from watership.adapters.postgres.pair import PostgresPair, by_sockets
from watership.adapters.postgres.pool import SCHEMES
from watership.adapters.postgres.scratch_server import LOOK_SECONDS, PORT, ScratchServer, folders
from watership.adapters.postgres.server_program import answer, server_program, unprivileged
from watership.errors import BadInput, Unavailable

COPY_SECONDS: Final = 3_600.0
"""How long each of the two base backups may take."""

ROOM: Final = 2.4
"""Of the server's size: two copies, and the log that comes while they are made."""

_SOURCE: Final = """
SELECT current_setting('server_version_num')::int / 10000 AS version,
       (SELECT sum(pg_database_size(oid)) FROM pg_database)::bigint AS bytes,
       (SELECT count(*) FROM pg_tablespace) > 2 AS spaces,
       current_setting('synchronous_standby_names') <> '' AS synchronous"""


@asynccontextmanager
async def private_pair(url: str, into: Path | None) -> AsyncIterator[PostgresPair]:
    """A pair on the data of the server at `url`, which is only read; both are ended and removed afterwards.

    It is synchronous where its original is. Raises BadInput for a server that cannot be copied beside itself.
    """
    async with session(url) as connection:
        source = await connection.fetchrow(_SOURCE)
    assert source is not None, "settings are there"
    if source["spaces"]:
        raise BadInput(
            f"{shown(url)} has tablespaces, and a copy on the same machine would lie in theirs.",
            fix="Name a pair of your own: --primary REFERENCE --standby REFERENCE",
        )
    parts, user, version = parsed(url, *SCHEMES), unprivileged(), str(source["version"])
    role = unquote(parts.username or "") or "postgres"
    database = unquote(parts.path.removeprefix("/")) or role
    async with (
        folders(into, user, room=int(source["bytes"] * ROOM)) as (data, _, run),
        folders(into, user, room=0) as (second, _, other),
    ):
        await _copy([f"--dbname={without_password(url)}"], data, user, version, variables(url))
        for leading in ("standby.signal", "recovery.signal"):
            (data / leading).unlink(missing_ok=True)  # the original may be a standby itself
        primary = ScratchServer(data, run, user=user, version=version)
        standby = ScratchServer(second, other, user=user, version=version)
        settings = {"wal_level": "replica", "max_wal_senders": "10"}
        names = {"synchronous_standby_names": "*"} if source["synchronous"] else {}
        try:
            await primary.start(settings | names)
            await _until_there(primary, primary.url(database, role))
            way = ["--host", str(run), "--port", str(PORT), "--username", role, "--write-recovery-conf"]
            await _copy(way, second, user, version, {})
            origin = f"host={run} port={PORT} user={role}"
            await standby.start(settings | {"primary_conninfo": origin})
            await _until_there(standby, standby.url(database, role))
            both = by_sockets(quote(role, safe=""), quote(database, safe=""), [str(run), str(other)], PORT)
            yield PostgresPair(
                *(primary.url(database, role), standby.url(database, role), both),
                lose=primary.kill,
                whole=True,
            )
        finally:
            await standby.stop()
            await primary.stop()


async def _copy(source: list[str], data: Path, user: str | None, version: str, extra: dict[str, str]) -> None:
    command: list[str | Path] = [
        *(server_program("pg_basebackup", version), f"--pgdata={data}", "--no-password"),
        # What is thrown away need not survive the machine; its servers write as durably as any.
        *("--checkpoint=fast", "--wal-method=stream", "--no-sync", *source),
    ]
    await answer(command, user=user, seconds=COPY_SECONDS, extra=extra)


async def _until_there(server: ScratchServer, url: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + COPY_SECONDS
    while not await _lets_in(url):
        server.require_living()
        if loop.time() > deadline:
            raise Unavailable(f"The copy of a server did not start within {COPY_SECONDS:g} s.")
        await asyncio.sleep(LOOK_SECONDS)


async def _lets_in(url: str) -> bool:
    try:
        async with session(url):
            return True
    except Unavailable:
        return False
