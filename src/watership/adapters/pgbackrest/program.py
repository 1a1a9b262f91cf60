"""Programs of the database's own user: PostgreSQL refuses root, and pgBackRest wants to be who the database is."""

from __future__ import annotations

import asyncio
import configparser
import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from watership.adapters.pgbackrest.commands import Stanza
from watership.errors import BadInput, NotAllowed, NotFound, Unavailable

TOLD: Final = 2_000
"""Characters of a program's last words that are kept."""

CONFIGS: Final = ("/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest.conf")
"""Where pgBackRest looks by itself."""

BINARIES: Final = (
    "/usr/lib/postgresql/{version}/bin",  # Debian: not on the PATH
    "/usr/pgsql-{version}/bin",
    "/opt/homebrew/opt/postgresql@{version}/bin",
    "/usr/local/opt/postgresql@{version}/bin",
)


def config_of(stanza: Stanza) -> Path:
    """The file that is read. Raises NotFound."""
    places = [stanza.config] if stanza.config else CONFIGS
    found = next((Path(each) for each in places if Path(each).is_file()), None)
    if found is None:
        raise NotFound(
            f"There is no {' and no '.join(places)}.", fix="Name pgBackRest's configuration: --config FILE"
        )
    return found


def data_of(stanza: Stanza) -> Path:
    """The folder of the server that the stanza backs up. Raises NotFound, BadInput."""
    path, found = config_of(stanza), configparser.ConfigParser(interpolation=None, strict=False)
    try:
        found.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as reason:
        raise BadInput(f"{path} cannot be read: {type(reason).__name__}.") from None
    data = found.get(stanza.name, "pg1-path", fallback="")
    if not data:
        raise NotFound(f"{path} does not say pg1-path for [{stanza.name}].", fix="Look at the stanza's name.")
    return Path(data)


def user_of(stanza: Stanza) -> str | None:
    """Whom to be: who owns the server's folder, where we are root; None: ourselves."""
    if os.geteuid() != 0:
        return None
    data = data_of(stanza)
    try:
        return pwd.getpwuid(data.stat().st_uid).pw_name
    except (OSError, KeyError):
        raise NotAllowed(
            f"{data} is not on this machine, so whose it is cannot be told, and pgBackRest is not run as root.",
            fix="Run this as the user of the database: sudo -u postgres watership …",
        ) from None


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


async def answer(command: Sequence[str | Path], *, user: str | None, seconds: float) -> str:
    """Run a program to its end and take what it printed. Raises Unavailable with its last words, or when it is late."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=variables(),
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
            f"{command[0]} is not on this machine.", fix="Install it: apt-get install pgbackrest"
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
