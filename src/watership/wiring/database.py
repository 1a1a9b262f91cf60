"""The application's own database, which releases migrate: a file of the environment, or a PostgreSQL that is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from watership.adapters.address import shown
from watership.adapters.sqlite.backups import SQLiteBackups
from watership.adapters.sqlite.heartbeat import SQLiteHeartbeat
from watership.adapters.sqlite.migrator import SQLiteMigrator, create_database
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Backups, Migrator
from watership.releases.readiness.restore import Heartbeat, Recovery

if TYPE_CHECKING:
    from watership.adapters.postgres.migrator import PostgresMigrator

SCHEMES = ("postgresql://", "postgres://")


def migrator_of(file: Path, url: str) -> Migrator:
    """Who migrates it: at `url`, or the `file` where that is empty."""
    return _postgres(url) if url else SQLiteMigrator(file)


class Kept(Backups, Recovery, Protocol):
    """Backups that can be drilled with."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The backups of one database, and its heartbeat."""

    backups: Kept
    heartbeat: Heartbeat


def vault_of(file: Path, url: str, folder: Path, scratch: str = "") -> Vault:
    """The vault in `folder` of what is at `url`, or of the `file` where that is empty.

    A dump of `url` is restored on the server of `scratch`; where that is empty, beside the original.
    """
    if not url:
        return Vault(SQLiteBackups(file, folder), SQLiteHeartbeat(file))
    _require_address(url)
    try:
        from watership.adapters.postgres.backups import PostgresBackups
        from watership.adapters.postgres.heartbeat import PostgresHeartbeat
    except ModuleNotFoundError:
        raise Unavailable(
            "Backups of PostgreSQL need the package asyncpg.", fix="pip install 'watership[servers]'"
        ) from None
    return Vault(PostgresBackups(url, folder, scratch=scratch or None), PostgresHeartbeat(url))


async def prepare(file: Path, url: str) -> None:
    """Make the file; a PostgreSQL is there already, or there is nothing to be started beside it."""
    if url:
        await _postgres(url).version()
    else:
        create_database(file)


def _postgres(url: str) -> PostgresMigrator:
    _require_address(url)
    try:
        from watership.adapters.postgres.migrator import PostgresMigrator
    except ModuleNotFoundError:
        raise Unavailable(
            "Migrating a PostgreSQL needs the package asyncpg.", fix="pip install 'watership[servers]'"
        ) from None
    return PostgresMigrator(url, SystemClock())


def _require_address(url: str) -> None:
    if not url.startswith(SCHEMES):
        raise BadInput(
            f"The application's database is {shown(url)}, which is no address of a PostgreSQL.",
            fix="Say postgresql://user:password@host:5432/database, or leave it empty for a file.",
        )
