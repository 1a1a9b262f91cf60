"""Backups of the environment's own database, or of a PostgreSQL that is named; and drills with them, put on record."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from watership.adapters.files.backups import BackupFolder
from watership.adapters.files.replace import replace_file
from watership.adapters.pgbackrest.commands import Kind, Stanza
from watership.adapters.sqlite.backups import SUFFIX
from watership.durable.clock import SystemClock
from watership.errors import BadInput
from watership.releases.auditing.audit import Fact
from watership.releases.ports import Backup
from watership.releases.readiness import archived
from watership.releases.readiness.course import Limits
from watership.releases.readiness.drill import FOLDER, Drill, encoded, file_name
from watership.releases.readiness.restore import hold
from watership.wiring.database import Vault, stanza_of, vault_of
from watership.wiring.desk import Desk

NEWEST = "newest"
"""Names the newest backup, whatever it is called."""

ARCHIVED = ".pgbackrest"
"""How the file of a backup ends that lies in a repository of pgBackRest."""

LOG_SHOWN: Final = timedelta(hours=48)
"""How far back the pieces of a log are listed: what the checklist asks for is a day."""


class Means(Struct, frozen=True, kw_only=True):
    """Which database is backed up, how, and where it is restored; what is not said is as the environment has it.

    `on` and `scratch` are references (env:NAME, file:PATH): addresses hold passwords.
    """

    on: str | None = None
    scratch: str | None = None
    stanza: str | None = None
    config: str | None = None
    into: Path | None = None
    kind: Kind = "incr"


USUAL: Final = Means()


class Listed(Struct, frozen=True, kw_only=True):
    """A line of the catalogue, as the checklist reads it."""

    kind: str
    name: str
    taken_at: datetime
    bytes: int
    sha256: str = ""


class Listing(Struct, frozen=True, kw_only=True):
    """What is kept; `strange` are files that should be records, `expired` backups that their repository has not."""

    kept: Sequence[Listed]
    log: Sequence[Listed] = ()
    strange: Sequence[Path] = ()
    expired: Sequence[str] = ()


def folder_of(desk: Desk) -> BackupFolder:
    """Where the environment's backups lie, or what is on record of them, of whatever database."""
    return BackupFolder(desk.places.backups)


def vault(desk: Desk, means: Means) -> Vault:
    """The vault of the environment's own database, or of the PostgreSQL that is named."""
    places = desk.places
    url = address(desk, means)
    if not url and means.scratch is not None:
        raise BadInput(
            "The environment's own database is a file: it is restored into another file.",
            fix="Leave --scratch away, or name a PostgreSQL with --on.",
        )
    scratch = places.scratch if means.scratch is None else read(desk, means.scratch)
    stanza = _stanza(desk, means)
    return vault_of(places.database, url, places.backups, scratch, stanza, kind=means.kind, into=means.into)


def address(desk: Desk, means: Means) -> str:
    """Of the database; empty where it is the environment's own file."""
    return desk.places.url if means.on is None else read(desk, means.on)


def _stanza(desk: Desk, means: Means) -> Stanza | None:
    if means.stanza is not None:
        return Stanza(name=means.stanza, config=means.config or desk.places.pgbackrest)
    if means.config is not None:
        raise BadInput("--config is pgBackRest's, and no stanza is named.", fix="Name it: --stanza NAME")
    # The environment's stanza is of its own database, and of no other.
    return stanza_of(desk.places) if means.on is None else None


def beside_live(desk: Desk, means: Means) -> bool:
    """Whether a dump is restored on the server of its original, since no other is named."""
    if _stanza(desk, means) is not None:
        return False
    return bool(means.on or desk.places.url) and not (means.scratch or desk.places.scratch)


def read(desk: Desk, reference: str) -> str:
    """What a reference names."""
    looking = desk.environment.instruments
    assert looking is not None, "a desk has instruments"
    return looking.secrets.read(reference)


async def taken(desk: Desk, name: str, means: Means, person: str) -> Backup:
    """Take a backup, and say so in the audit."""
    backup = await vault(desk, means).backups.create(name)
    facts: dict[str, Fact] = {"backup": backup.id, "bytes": backup.bytes, "sha256": backup.sha256}
    desk.environment.audit.append(person, "backup.taken", facts)
    return backup


async def listing(desk: Desk, means: Means) -> Listing:
    """Every backup on record, the oldest first; where there is a stanza, also what else its repository has."""
    folder, stanza = folder_of(desk), _stanza(desk, means)
    strange = folder.unreadable()
    if stanza is None:
        kept = [_line("full", each) for each in folder.kept() if not each.path.endswith(ARCHIVED)]
        beside = [each.id for each in folder.kept() if each.path.endswith(ARCHIVED)]
        return Listing(kept=kept, strange=strange, expired=beside)
    from watership.adapters.pgbackrest.backups import PgBackRestBackups, pointed

    archive = PgBackRestBackups("", desk.places.backups, stanza)
    there = {each.label: each for each in (await archive.catalogue()).backup}
    kept, expired, on_record = [], [], set()
    for each in folder.kept():
        if not each.path.endswith(ARCHIVED):
            kept.append(_line("full", each))
        elif (pointer := pointed(each)).stanza == stanza.name and pointer.label in there:
            kept.append(_line(_kind(pointer.type), each))
            on_record.add(pointer.label)
        else:
            expired.append(each.id)
    kept += [
        Listed(kind=_kind(each.type), name=each.label, taken_at=each.ended, bytes=each.info.size)
        for each in there.values()
        if each.label not in on_record
    ]
    since = desk.environment.clock.now() - LOG_SHOWN
    log = [
        Listed(kind="wal", name=each.name, taken_at=each.at, bytes=each.bytes)
        for each in await archive.log()
        if each.at > since
    ]
    kept.sort(key=lambda each: each.taken_at)
    return Listing(kept=kept, log=log, strange=strange, expired=expired)


def _line(kind: str, backup: Backup) -> Listed:
    return Listed(
        kind=kind, name=backup.id, taken_at=backup.taken_at, bytes=backup.bytes, sha256=backup.sha256
    )


def _kind(type_: Kind) -> str:
    return "full" if type_ == "full" else "incremental"


async def verified(desk: Desk, name: str | None, means: Means, person: str) -> tuple[Backup, Sequence[str]]:
    """Restore the backup of that name, or the newest, elsewhere; what is wrong with it. It is in the audit."""
    backup = folder_of(desk).find(name)
    wrong = await vault_for(desk, backup, means).backups.verify(backup)
    facts: dict[str, Fact] = {"backup": backup.id, "sha256": backup.sha256, "wrong": "; ".join(wrong)}
    desk.environment.audit.append(person, "backup.verified", facts)
    return backup, wrong


async def drilled(
    desk: Desk,
    name: str | None,
    means: Means,
    *,
    limits: Limits,
    person: str,
    loss_after: float | None = None,
) -> tuple[Drill, Path]:
    """Hold the drill, with a backup that is taken for it, or the one of that `name`; its record, and where it was put.

    It goes by the machine's clock, whatever a rehearsal's calendar says.
    """
    of = None if name is None else folder_of(desk).find(None if name == NEWEST else name)
    found = vault_for(desk, of, means) if of else vault(desk, means)
    if found.archive is not None:
        drill = await archived.hold(
            found.archive,
            found.heartbeat,
            SystemClock(),
            environment=desk.name,
            by=person,
            limits=limits,
            of=of,
            loss_after=archived.LOSS_AFTER if loss_after is None else loss_after,
        )
    elif loss_after is not None:
        raise BadInput("Without an archive of the log the loss comes right after the backup.", fix="--stanza")
    else:
        drill = await hold(
            found.backups,
            found.heartbeat,
            SystemClock(),
            environment=desk.name,
            by=person,
            limits=limits,
            of=of,
        )
    return drill, put_on_record(desk, drill, person)


def put_on_record(desk: Desk, drill: Drill, person: str) -> Path:
    """Write the record of a drill below the project's folder, and into the audit; where it is."""
    path, content = Path(FOLDER) / file_name(drill), encoded(drill)
    replace_file(path, content)
    facts: dict[str, Fact] = {
        "kind": drill.kind,
        "outcome": drill.outcome,
        "path": str(path),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    desk.environment.audit.append(person, "drill.held", facts)
    return path


def vault_for(desk: Desk, backup: Backup, means: Means) -> Vault:
    """The vault that can restore this backup."""
    places = desk.places
    if backup.path.endswith(SUFFIX):
        return vault_of(places.database, "", places.backups)
    if backup.path.endswith(ARCHIVED):
        return _archived(desk, backup, means)
    if not (means.on or means.scratch or places.url or places.scratch):
        raise BadInput(
            f"{backup.id} is a dump of a PostgreSQL, and needs one to be restored into.",
            fix="Name a server for it: --scratch env:NAME",
        )
    scratch = places.scratch if means.scratch is None else read(desk, means.scratch)
    url = address(desk, means) or scratch
    return vault_of(places.database, url, places.backups, scratch)


def _archived(desk: Desk, backup: Backup, means: Means) -> Vault:
    from watership.adapters.pgbackrest.backups import PgBackRestBackups, pointed
    from watership.adapters.postgres.heartbeat import PostgresHeartbeat

    pointer = pointed(backup)
    stanza = _stanza(desk, means) or Stanza(name=pointer.stanza, config=pointer.config)
    url = address(desk, means)
    archive = PgBackRestBackups(url, desk.places.backups, stanza, kind=means.kind, into=means.into)
    return Vault(archive, PostgresHeartbeat(url), archive)
