"""The application's own database, which releases migrate: a file of the environment, or a PostgreSQL that is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from watership.adapters.address import shown
from watership.adapters.pgbackrest.commands import Kind, Stanza
from watership.adapters.sqlite.backups import SQLiteBackups
from watership.adapters.sqlite.heartbeat import SQLiteHeartbeat
from watership.adapters.sqlite.migrator import SQLiteMigrator, create_database
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Backups, Migrator
from watership.releases.readiness.course import Heartbeat
from watership.releases.readiness.restore import Recovery

if TYPE_CHECKING:
    from watership.adapters.pgbackrest.backups import PgBackRestBackups
    from watership.adapters.postgres.migrator import PostgresMigrator
    from watership.wiring.environment import Places

SCHEMES = ("postgresql://", "postgres://")


def migrator_of(file: Path, url: str) -> Migrator:
    """Who migrates it: at `url`, or the `file` where that is empty."""
    return _postgres(url) if url else SQLiteMigrator(file)


class Kept(Backups, Recovery, Protocol):
    """Backups that can be drilled with."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The backups of one database, and its heartbeat; `archive` where there is one of its log."""

    backups: Kept
    heartbeat: Heartbeat
    archive: PgBackRestBackups | None = None


def vault_of(
    file: Path,
    url: str,
    folder: Path,
    scratch: str = "",
    stanza: Stanza | None = None,
    *,
    kind: Kind = "incr",
    into: Path | None = None,
) -> Vault:
    """The vault in `folder` of what is at `url`, or of the `file` where that is empty.

    With a `stanza` pgBackRest backs it up; else it is dumped, and a dump of `url` is restored on the server of
    `scratch`; where that is empty, beside the original.
    """
    if not url:
        if stanza is not None:
            raise BadInput(
                f"The stanza {stanza.name} backs up a PostgreSQL, and the environment's own database is a file.",
                fix="Name the PostgreSQL: --on env:NAME, or [environment] database",
            )
        return Vault(SQLiteBackups(file, folder), SQLiteHeartbeat(file))
    _require_address(url)
    try:
        from watership.adapters.pgbackrest.backups import PgBackRestBackups
        from watership.adapters.postgres.backups import PostgresBackups
        from watership.adapters.postgres.heartbeat import PostgresHeartbeat
    except ModuleNotFoundError:
        raise Unavailable(
            "Backups of PostgreSQL need the package asyncpg.", fix="pip install 'watership[servers]'"
        ) from None
    heartbeat = PostgresHeartbeat(url)
    if stanza is not None:
        archive = PgBackRestBackups(url, folder, stanza, kind=kind, into=into)
        return Vault(archive, heartbeat, archive)
    return Vault(PostgresBackups(url, folder, scratch=scratch or None), heartbeat)


def stanza_of(places: Places) -> Stanza | None:
    """What pgBackRest calls the server of the environment's own database, where it backs it up."""
    return Stanza(name=places.stanza, config=places.pgbackrest) if places.stanza else None


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
