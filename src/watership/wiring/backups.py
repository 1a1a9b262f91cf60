"""Backups of the environment's own database, or of a PostgreSQL that is named; and drills with them, put on record."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from watership.adapters.files.backups import BackupFolder
from watership.adapters.files.replace import replace_file
from watership.adapters.sqlite.backups import SUFFIX, SQLiteBackups
from watership.adapters.sqlite.heartbeat import SQLiteHeartbeat
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Unavailable
from watership.releases.auditing.audit import Fact
from watership.releases.ports import Backup, Backups
from watership.releases.readiness.drill import FOLDER, Drill, encoded, file_name
from watership.releases.readiness.restore import Heartbeat, Limits, Recovery, hold
from watership.wiring.desk import Desk

NEWEST = "newest"
"""Names the newest backup, whatever it is called."""


class Kept(Backups, Recovery, Protocol):
    """Backups that can be drilled with."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The backups of one database, and its heartbeat."""

    backups: Kept
    heartbeat: Heartbeat


def folder_of(desk: Desk) -> BackupFolder:
    """Where the environment's backups lie, of whatever database."""
    return BackupFolder(desk.places.backups)


def vault_of(desk: Desk, on: str | None, scratch: str | None) -> Vault:
    """The vault of the environment's own database; of the PostgreSQL at `on`, restored at `scratch`, where it is named.

    Both are references (env:NAME, file:PATH): addresses hold passwords.
    """
    if on is None:
        if scratch is not None:
            raise BadInput(
                "The environment's own database is a file: it is restored into another file.",
                fix="Leave --scratch away, or name a PostgreSQL with --on.",
            )
        path = desk.places.database
        return Vault(SQLiteBackups(path, desk.places.backups), SQLiteHeartbeat(path))
    try:
        from watership.adapters.postgres.backups import PostgresBackups
        from watership.adapters.postgres.heartbeat import PostgresHeartbeat
    except ModuleNotFoundError:
        raise Unavailable(
            "Backups of PostgreSQL need the package asyncpg.", fix="pip install 'watership[servers]'"
        ) from None
    looking = desk.environment.instruments
    assert looking is not None, "a desk has instruments"
    url = looking.secrets.read(on)
    elsewhere = None if scratch is None else looking.secrets.read(scratch)
    return Vault(PostgresBackups(url, desk.places.backups, scratch=elsewhere), PostgresHeartbeat(url))


async def taken(desk: Desk, name: str, on: str | None, person: str) -> Backup:
    """Take a backup, and say so in the audit."""
    backup = await vault_of(desk, on, None).backups.create(name)
    facts: dict[str, Fact] = {"backup": backup.id, "bytes": backup.bytes, "sha256": backup.sha256}
    desk.environment.audit.append(person, "backup.taken", facts)
    return backup


async def verified(
    desk: Desk, name: str | None, on: str | None, scratch: str | None, person: str
) -> tuple[Backup, Sequence[str]]:
    """Restore the backup of that name, or the newest, elsewhere; what is wrong with it. It is in the audit."""
    backup = folder_of(desk).find(name)
    vault = _vault_for(desk, backup, on, scratch)
    wrong = await vault.backups.verify(backup)
    facts: dict[str, Fact] = {"backup": backup.id, "sha256": backup.sha256, "wrong": "; ".join(wrong)}
    desk.environment.audit.append(person, "backup.verified", facts)
    return backup, wrong


async def drilled(
    desk: Desk, name: str | None, *, on: str | None, scratch: str | None, limits: Limits, person: str
) -> tuple[Drill, Path]:
    """Hold the drill, with a backup that is taken for it, or the one of that `name`; its record, and where it was put.

    It goes by the machine's clock, whatever a rehearsal's calendar says.
    """
    of = None if name is None else folder_of(desk).find(None if name == NEWEST else name)
    vault = _vault_for(desk, of, on, scratch) if of else vault_of(desk, on, scratch)
    drill = await hold(
        vault.backups, vault.heartbeat, SystemClock(), environment=desk.name, by=person, limits=limits, of=of
    )
    path, content = Path(FOLDER) / file_name(drill), encoded(drill)
    replace_file(path, content)
    facts: dict[str, Fact] = {
        "kind": drill.kind,
        "outcome": drill.outcome,
        "path": str(path),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    desk.environment.audit.append(person, "drill.held", facts)
    return drill, path


def _vault_for(desk: Desk, backup: Backup, on: str | None, scratch: str | None) -> Vault:
    """The vault that can restore this backup."""
    if backup.path.endswith(SUFFIX):
        return vault_of(desk, None, None)
    if on is None and scratch is None:
        raise BadInput(
            f"{backup.id} is a dump of a PostgreSQL, and needs one to be restored into.",
            fix="Name a server for it: --scratch env:NAME",
        )
    return vault_of(desk, on or scratch, scratch)
