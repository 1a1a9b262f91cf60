"""Backups of the environment's own database, or of a PostgreSQL that is named; and drills with them, put on record."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from watership.adapters.files.backups import BackupFolder
from watership.adapters.files.replace import replace_file
from watership.adapters.sqlite.backups import SUFFIX
from watership.durable.clock import SystemClock
from watership.errors import BadInput
from watership.releases.auditing.audit import Fact
from watership.releases.ports import Backup
from watership.releases.readiness.drill import FOLDER, Drill, encoded, file_name
from watership.releases.readiness.restore import Limits, hold
from watership.wiring.database import Vault, vault_of
from watership.wiring.desk import Desk

NEWEST = "newest"
"""Names the newest backup, whatever it is called."""


def folder_of(desk: Desk) -> BackupFolder:
    """Where the environment's backups lie, of whatever database."""
    return BackupFolder(desk.places.backups)


def _vault(desk: Desk, on: str | None, scratch: str | None) -> Vault:
    """The vault of the environment's own database, or of the PostgreSQL at `on`; restored at `scratch`, where named.

    Both are references (env:NAME, file:PATH): addresses hold passwords.
    """
    places = desk.places
    url = places.url if on is None else _read(desk, on)
    if not url and scratch is not None:
        raise BadInput(
            "The environment's own database is a file: it is restored into another file.",
            fix="Leave --scratch away, or name a PostgreSQL with --on.",
        )
    return vault_of(
        places.database, url, places.backups, places.scratch if scratch is None else _read(desk, scratch)
    )


def beside_live(desk: Desk, on: str | None, scratch: str | None) -> bool:
    """Whether a dump is restored on the server of its original, since no other is named."""
    return bool(on or desk.places.url) and not (scratch or desk.places.scratch)


def _read(desk: Desk, reference: str) -> str:
    looking = desk.environment.instruments
    assert looking is not None, "a desk has instruments"
    return looking.secrets.read(reference)


async def taken(desk: Desk, name: str, on: str | None, person: str) -> Backup:
    """Take a backup, and say so in the audit."""
    backup = await _vault(desk, on, None).backups.create(name)
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
    vault = _vault_for(desk, of, on, scratch) if of else _vault(desk, on, scratch)
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
    places = desk.places
    if backup.path.endswith(SUFFIX):
        return vault_of(places.database, "", places.backups)
    if not (on or scratch or places.url or places.scratch):
        raise BadInput(
            f"{backup.id} is a dump of a PostgreSQL, and needs one to be restored into.",
            fix="Name a server for it: --scratch env:NAME",
        )
    if on is None and not places.url:
        server = places.scratch if scratch is None else _read(desk, scratch)
        return vault_of(places.database, server, places.backups, server)
    return _vault(desk, on, scratch)
