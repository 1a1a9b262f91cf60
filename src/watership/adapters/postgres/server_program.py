"""Programs of a PostgreSQL server, run as the user that it wants to be: it refuses root."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from watership.errors import Unavailable

TOLD: Final = 2_000
"""Characters of a program's last words that are kept."""

BINARIES: Final = (
    "/usr/lib/postgresql/{version}/bin",  # Debian: not on the PATH
    "/usr/pgsql-{version}/bin",
    "/opt/homebrew/opt/postgresql@{version}/bin",
    "/usr/local/opt/postgresql@{version}/bin",
)

UNPRIVILEGED: Final = ("postgres", "nobody")
"""Who a server of ours is run as where we are root."""


def unprivileged() -> str | None:
    """Whose a server of ours is; None: our own. Raises Unavailable where we are root and there is nobody else."""
    if os.geteuid() != 0:
        return None
    for user in UNPRIVILEGED:
        try:
            return pwd.getpwnam(user).pw_name
        except KeyError:
            continue
    raise Unavailable(
        f"PostgreSQL refuses to run as root, and there is no user {' or '.join(UNPRIVILEGED)} here.",
        fix="useradd --system postgres",
    )


def server_program(name: str, version: str) -> Path:
    """A program of PostgreSQL's server, of that version. Raises Unavailable."""
    for place in BINARIES:
        found = Path(place.format(version=version)) / name
        if os.access(found, os.X_OK):
            return found
    named = shutil.which(name)
    if named is None:
        raise Unavailable(
            f"{name} of PostgreSQL {version} is not on this machine.", fix="Install the server."
        )
    return Path(named)


async def answer(
    command: Sequence[str | Path], *, user: str | None, seconds: float, extra: Mapping[str, str] = {}
) -> str:
    """Run a program to its end and take what it printed. Raises Unavailable with its last words, or when it is late."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**variables(), **extra},
            cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            user=user,
            group=group_of(user),
            extra_groups=None if user is None else [],
        )
    except FileNotFoundError:
        raise Unavailable(
            f"{command[0]} is not on this machine.", fix="Install it, or put it on the PATH."
        ) from None
    try:
        async with asyncio.timeout(seconds):
            printed, told = await process.communicate()
    except TimeoutError:
        raise Unavailable(f"{command[0]} took longer than {seconds:g} s, and was ended.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        words = " ".join((told or printed).decode(errors="replace").split())[-TOLD:]
        raise Unavailable(f"{command[0]} {command[-1]} ended with {process.returncode}: {words}")
    return printed.decode(errors="replace")


def group_of(user: str | None) -> int | None:
    """The main group of a user of this machine."""
    return None if user is None else pwd.getpwnam(user).pw_gid


def variables() -> dict[str, str]:
    """Ours, without what would lead PostgreSQL's programs elsewhere; the keys of a repository are pgBackRest's own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PGBACKREST_") or not name.startswith("PG")
    }
    return kept | {"LC_ALL": "C"}
