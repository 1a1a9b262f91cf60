"""The application's own database, which releases migrate: a file of the environment, or a PostgreSQL that is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from watership.adapters.address import shown
from watership.adapters.sqlite.backups import SQLiteBackups
from watership.adapters.sqlite.migrator import SQLiteMigrator, create_database
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Backup, Backups, Migrator

if TYPE_CHECKING:
    from watership.adapters.postgres.migrator import PostgresMigrator

SCHEMES = ("postgresql://", "postgres://")


def migrator_of(file: Path, url: str) -> Migrator:
    """Who migrates it: at `url`, or the `file` where that is empty."""
    return _postgres(url) if url else SQLiteMigrator(file)


def backups_of(file: Path, url: str, folder: Path) -> Backups:
    """Who keeps its backups in `folder`."""
    return Unkept(url) if url else SQLiteBackups(file, folder)


async def prepare(file: Path, url: str) -> None:
    """Make the file; a PostgreSQL is there already, or there is nothing to be started beside it."""
    if url:
        await _postgres(url).version()
    else:
        create_database(file)


def _postgres(url: str) -> PostgresMigrator:
    if not url.startswith(SCHEMES):
        raise BadInput(
            f"environment.database is {shown(url)}, which is no address of a PostgreSQL.",
            fix="Say postgresql://user:password@host:5432/database, or leave it empty for a file.",
        )
    try:
        from watership.adapters.postgres.migrator import PostgresMigrator
    except ModuleNotFoundError:
        raise Unavailable(
            "Migrating a PostgreSQL needs the package asyncpg.", fix="pip install 'watership[servers]'"
        ) from None
    return PostgresMigrator(url, SystemClock())


class Unkept:
    """Backups of a PostgreSQL, which nobody takes here: a release that wants one is told so."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def create(self, name: str) -> Backup:
        raise self._lacking()

    async def verify(self, backup: Backup) -> Sequence[str]:
        raise self._lacking()

    def _lacking(self) -> Unavailable:
        return Unavailable(f"No backup of {shown(self._url)} is taken by a release yet.")
