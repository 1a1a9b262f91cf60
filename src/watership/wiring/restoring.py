"""A restore into the place of the environment's database, or of one that is named: stated, and then done."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watership.adapters.files.backups import altered, contents_of
from watership.adapters.sqlite.backups import SUFFIX, SQLiteBackups
from watership.errors import BadInput, Conflict, NotFound, Unavailable
from watership.releases.auditing.audit import Fact
from watership.releases.ports import Backup
from watership.releases.readiness.restoring import Loss, Place, Placed, restore
from watership.wiring import backups
from watership.wiring.backups import ARCHIVED, Means
from watership.wiring.desk import Desk

if TYPE_CHECKING:
    from watership.adapters.pgbackrest.backups import PgBackRestBackups

FILL_SECONDS: Final = 3_600.0
"""How long a copy beside the original may take to be filled."""


async def would_lose(desk: Desk, name: str | None, at: datetime | None, means: Means) -> Loss:
    """What a restore of the backup of that name (the newest), or of the moment `at`, would take away; nothing is done.

    Where the backup is no file, it is restored elsewhere for it, and removed.
    """
    async with _place(desk, name, at, means, into_place=False) as place:
        return await place.loss()


async def placed(
    desk: Desk, name: str | None, at: datetime | None, means: Means, *, yes_lose: int, person: str
) -> Placed:
    """Restore it into place. Raises Conflict during a release, and where another number of rows would be lost."""
    lock = desk.environment.lock
    await lock.acquire(who=person, release="backup restore")
    try:
        with suppress(NotFound):
            await desk.live()  # a split that was left in the middle is a release still
        async with _place(desk, name, at, means, into_place=True) as place:
            done = await restore(place, yes_lose=yes_lose)
    finally:
        await lock.release()
    facts: dict[str, Fact] = {
        "backup": done.loss.backup,
        "rows_lost": done.loss.rows,
        "rows_back": done.loss.back,
        "safety": done.safety.id,
        "kept": done.kept,
    }
    desk.environment.audit.append(person, "backup.restored", facts)
    return done


@asynccontextmanager
async def _place(
    desk: Desk, name: str | None, at: datetime | None, means: Means, *, into_place: bool
) -> AsyncIterator[Place]:
    """The database with the copy that would take its place: beside it, where it is to; else where backups are tried."""
    if at is not None:
        if name is not None:
            raise BadInput("A backup and a moment are named.", fix="Say one of them.")
        async with _moment(desk, at, means, into_place=into_place) as place:
            yield place
        return
    backup = backups.folder_of(desk).find(name)
    if backup.path.endswith(SUFFIX):
        if means.on is not None or desk.places.url:
            raise BadInput(
                f"{backup.id} is of a SQLite file, and the database is a PostgreSQL.",
                fix="watership backup list",
            )
        _require_whole(backup)
        yield _file(desk, backup)
        return
    url = backups.address(desk, means)
    if not url:
        raise BadInput(
            f"{backup.id} is of a PostgreSQL, and the environment's own database is a file.",
            fix="Name the database: --on env:NAME",
        )
    if backup.path.endswith(ARCHIVED):
        archive = backups.vault_for(desk, backup, means).archive
        assert archive is not None, "what pgBackRest keeps is restored by it"
        async with (
            archive.at_point(backup) as copy,
            _beside(archive, url, copy, backup.id, into_place=into_place) as place,
        ):
            yield place
        return
    _require_whole(backup)
    async with _dumped(desk, url, backup, means, into_place=into_place) as place:
        yield place


def _file(desk: Desk, backup: Backup) -> Place:
    from watership.adapters.sqlite.placing import SQLitePlace

    places = desk.places
    return SQLitePlace(places.database, backup, SQLiteBackups(places.database, places.backups))


@asynccontextmanager
async def _moment(desk: Desk, at: datetime, means: Means, *, into_place: bool) -> AsyncIterator[Place]:
    archive = backups.vault(desk, means).archive
    if archive is None:
        raise BadInput(
            "Only a log leads to a moment, and no stanza is named.",
            fix="Name pgBackRest's: --stanza NAME, or [environment] stanza",
        )
    async with archive.at(at) as (taken, copy):
        label = f"{taken.label} at {at:%Y-%m-%d %H:%M:%S}Z"
        url = backups.address(desk, means)
        async with _beside(archive, url, copy, label, into_place=into_place) as place:
            yield place


@asynccontextmanager
async def _beside(
    archive: PgBackRestBackups, url: str, copy: str, label: str, *, into_place: bool
) -> AsyncIterator[Place]:
    """What a scratch server shows: compared there, or copied beside the original to take its place."""
    from watership.adapters.postgres.dump import place_command, socket_dump_command
    from watership.adapters.postgres.placing import PostgresPlace, beside

    if not into_place:
        yield PostgresPlace(url, copy, label, archive, logged=True)
        return

    async def fill(target: str) -> None:
        with tempfile.TemporaryDirectory(prefix="watership-") as folder:
            file = Path(folder) / "copy.dump"
            await _run(socket_dump_command(copy, file=file), copy)
            await _run(place_command(target, file=file), target)

    async with beside(url, fill, None, logged=True) as (target, name):
        yield PostgresPlace(url, target, label, archive, logged=True, beside=name)


@asynccontextmanager
async def _dumped(
    desk: Desk, url: str, backup: Backup, means: Means, *, into_place: bool
) -> AsyncIterator[Place]:
    from watership.adapters.postgres.backups import PostgresBackups
    from watership.adapters.postgres.dump import place_command
    from watership.adapters.postgres.placing import PostgresPlace, beside

    scratch = desk.places.scratch if means.scratch is None else backups.read(desk, means.scratch)
    kept = PostgresBackups(url, desk.places.backups, scratch=scratch or None)
    if not into_place:
        async with kept.scratch_of(backup) as copy:
            yield PostgresPlace(url, copy, backup.id, kept)
        return

    async def fill(target: str) -> None:
        await _run(place_command(target, file=Path(backup.path)), target)

    async with beside(url, fill, contents_of(backup), logged=False) as (target, name):
        yield PostgresPlace(url, target, backup.id, kept, beside=name)


async def _run(command: Sequence[str], url: str) -> None:
    from watership.adapters.postgres.dump import ran, variables

    extra = variables(url) if "@/" not in url else {}
    try:
        async with asyncio.timeout(FILL_SECONDS):
            words = await ran(command, extra)
    except TimeoutError:
        raise Unavailable(f"{command[0]} took longer than {FILL_SECONDS:g} s, and was ended.") from None
    if words:
        raise Conflict(f"{command[0]} did not make the copy: {words}. Nothing was restored.")


def _require_whole(backup: Backup) -> None:
    if wrong := altered(backup):
        raise Conflict(f"{backup.id} is not what it was: {'; '.join(wrong)}.", fix="Take another backup.")
