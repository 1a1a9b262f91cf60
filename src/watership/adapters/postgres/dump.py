"""The commands of a dump and of its restore, as data. A password goes by the environment, never by a command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from watership.adapters.address import parsed, shown
from watership.adapters.postgres.pool import SCHEMES
from watership.errors import BadInput, Unavailable

_PASSWORD = "password"  # noqa: S105 - what the parameter of an address is called
_TOLD = 2_000
"""Characters of a program's last words that are kept."""

APPLICATION = "watership backup"
"""How our sessions and programs are called in pg_stat_activity."""


def dump_command(url: str, *, snapshot: str, file: Path) -> list[str]:
    """Dump the database as it was in `snapshot`."""
    return [
        "pg_dump",
        "--format=custom",
        "--no-password",
        f"--snapshot={snapshot}",
        f"--file={file}",
        f"--dbname={without_password(url)}",
    ]


def restore_command(url: str, *, file: Path) -> list[str]:
    """Restore a dump into an empty database, of a server that may not have the roles of the first."""
    return [
        "pg_restore",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        "--no-comments",
        # A subscription belongs to the original alone, and a database that has one cannot be dropped.
        "--no-publications",
        "--no-subscriptions",
        "--no-password",
        f"--dbname={without_password(url)}",
        str(file),
    ]


def place_command(url: str, *, file: Path) -> list[str]:
    """Restore a dump into an empty database that is to take the original's place, with its owners and privileges."""
    return [
        "pg_restore",
        "--exit-on-error",
        "--no-subscriptions",
        "--no-password",
        f"--dbname={without_password(url)}",
        str(file),
    ]


def socket_dump_command(url: str, *, file: Path) -> list[str]:
    """Dump a database of a scratch server, which replays a log: what is not logged is not in it, nor to be read."""
    options = ("--format=custom", "--no-unlogged-table-data", "--no-password")
    return ["pg_dump", *options, f"--file={file}", f"--dbname={url}"]


def without_password(url: str) -> str:
    """The address, for anybody to see."""
    parts = parsed(url, *SCHEMES)
    host = parts.netloc.rpartition("@")[2]
    user = f"{quote(unquote(parts.username), safe='')}@" if parts.username else ""
    pairs = [pair for pair in parse_qsl(parts.query) if pair[0] != _PASSWORD]
    if any(_PASSWORD in name for name, _ in pairs):
        raise BadInput(
            f"{shown(url)} has the password of a key in it, and a program's command would show it.",
            fix="Name a key that needs none: sslkey=FILE.",
        )
    query = urlencode(pairs)
    return parts._replace(netloc=user + host, query=query, fragment="").geturl()


def variables(url: str) -> dict[str, str]:
    """What a program has to know, and nobody else."""
    parts = parsed(url, *SCHEMES)
    password = unquote(parts.password or "") or dict(parse_qsl(parts.query)).get(_PASSWORD, "")
    return {"PGAPPNAME": APPLICATION, "LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})


def of_database(url: str, database: str) -> str:
    """The address of another database of the same server."""
    return parsed(url, *SCHEMES)._replace(path=f"/{database}").geturl()


async def ran(command: Sequence[str], extra: Mapping[str, str]) -> str:
    """Run a command; its last words when it failed, nothing otherwise. It is killed when nobody waits any more."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **extra},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise Unavailable(
            f"{command[0]} is not on this machine.",
            fix="Install PostgreSQL's client programs, of the server's version or a newer one.",
        ) from None
    try:
        _, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    words = " ".join(told.decode(errors="replace").split())[-_TOLD:]
    return "" if process.returncode == 0 else words or f"it ended with {process.returncode}"
