"""A scratch database beside the original: dumped and restored, for a template would shut everybody out meanwhile."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg

from watership.adapters.address import shown
from watership.adapters.postgres.locks import REHEARSAL_KEY
from watership.adapters.postgres.pool import Session
from watership.errors import BadInput, Conflict, NotAllowed, Unavailable

COPY_BYTES: Final = 10 * 2**30
"""What is larger is rehearsed on a copy that somebody restored elsewhere: its server has other work to do."""

COPY_SECONDS: Final = 600.0
"""For dump and restore together; the check that asks for a rehearsal waits as long."""

ENDING_SECONDS: Final = 5.0
"""How long the programs may take to end once they are told to."""

ELSEWHERE: Final = "Rehearse on a copy of your own: watership migrate rehearse --on env:COPY_URL"

_PLACE: Final = """
SELECT oid::bigint AS id, pg_database_size(oid) AS bytes, datcollate, datctype,
       pg_encoding_to_char(encoding) AS encoding
  FROM pg_database WHERE datname = current_database()"""

_DUMP: Final = (
    *("pg_dump", "--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-comments"),
    # A subscription that is restored would begin to receive.
    *("--no-publications", "--no-subscriptions", "--lock-wait-timeout=1000", "--dbname=service=source"),
)
_RESTORE: Final = (
    "pg_restore",
    "--exit-on-error",
    "--no-owner",
    "--no-privileges",
    "--dbname=service=scratch",
)


@asynccontextmanager
async def scratch(
    session: Session, url: str, *, most: int = COPY_BYTES, seconds: float = COPY_SECONDS
) -> AsyncIterator[str]:
    """The address of a copy of the database at `url`, in which `session` is; it is dropped at the end.

    One at a time: one that a kill left behind is dropped by the next.
    """
    place = await session.fetchrow(_PLACE)
    assert place is not None, "a session is in a database"
    if place["bytes"] > most:
        raise Unavailable(
            f"{shown(url)} has {place['bytes']:,} bytes; {most:,} at most are copied for a rehearsal.",
            fix=ELSEWHERE,
        )
    if not await session.fetchval("SELECT pg_try_advisory_lock($1)", REHEARSAL_KEY):
        raise Conflict(f"Another rehearsal copies {shown(url)} now.", fix="Wait for its end.")
    name = f"watership_rehearsal_{place['id']}"
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    collation = f"LC_COLLATE '{place['datcollate']}' LC_CTYPE '{place['datctype']}'"
    try:
        await session.execute(drop)
        await session.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{place['encoding']}' {collation}"
        )
    except asyncpg.InsufficientPrivilegeError as reason:
        raise NotAllowed(
            f"A rehearsal needs a scratch database: {reason}.", fix="ALTER ROLE … CREATEDB"
        ) from reason
    try:
        copy = urlsplit(url)._replace(path=f"/{name}").geturl()
        await _copy(url, copy, seconds)
        yield copy
    finally:
        await session.execute(drop)
        await session.execute("SELECT pg_advisory_unlock($1)", REHEARSAL_KEY)


async def _copy(source: str, target: str, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="watership-") as folder:
        services = Path(folder) / "services"
        services.touch(mode=0o600)  # it holds passwords, which must not stand on a command line
        services.write_text(f"[source]\n{service(source)}\n[scratch]\n{service(target)}\n")
        await _piped({"PGSERVICEFILE": str(services), "PGCONNECT_TIMEOUT": "5", "LC_ALL": "C"}, seconds)


async def _piped(settings: dict[str, str], seconds: float) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | settings
    for program in (_DUMP[0], _RESTORE[0]):
        if shutil.which(program) is None:
            raise Unavailable(
                f"A rehearsal needs {program}, which is not installed here.",
                fix="Install PostgreSQL's clients.",
            )
    outlet, inlet = os.pipe()
    started: list[Process] = []
    try:
        started.append(
            await asyncio.create_subprocess_exec(*_DUMP, stdout=inlet, stderr=PIPE, env=environment)
        )
        started.append(
            await asyncio.create_subprocess_exec(*_RESTORE, stdin=outlet, stderr=PIPE, env=environment)
        )
    finally:
        os.close(outlet)
        os.close(inlet)
    try:
        async with asyncio.timeout(seconds):
            words = await asyncio.gather(*(each.communicate() for each in started))
    except TimeoutError:
        raise Unavailable(
            f"The copy for a rehearsal was not made within {seconds:g} s.", fix=ELSEWHERE
        ) from None
    finally:
        await _ended(started)
    for program, process, (_, told) in zip((_DUMP[0], _RESTORE[0]), started, words, strict=True):
        if process.returncode:
            reason = told.decode(errors="replace").strip().splitlines()
            raise Unavailable(
                f"{program} did not copy the database: {reason[0] if reason else process.returncode}."
            )


async def _ended(processes: list[Process]) -> None:
    for each in processes:
        if each.returncode is None:
            each.kill()
            async with asyncio.timeout(ENDING_SECONDS):
                await each.wait()


def service(url: str) -> str:
    """The address as libpq's service file has it: one setting a line."""
    parts = urlsplit(url)
    who, _, where = parts.netloc.rpartition("@")
    user, _, password = who.partition(":")
    hosts = [
        each.rpartition(":") if ":" in each.rpartition("]")[2] else (each, "", "")
        for each in where.split(",")
    ]
    settings = {
        "host": ",".join(unquote(host.strip("[]")) for host, _, _ in hosts),
        "port": ",".join(port or "5432" for _, _, port in hosts),
        "user": unquote(user),
        "password": unquote(password),
        "dbname": unquote(parts.path.removeprefix("/")),
        **dict(parse_qsl(parts.query)),
    }
    if any("\n" in value for value in settings.values()):
        raise BadInput(f"{shown(url)} holds a line break.")
    return "\n".join(f"{name}={value}" for name, value in settings.items() if value)
