"""Backups of a PostgreSQL database: dumped while in use, verified by restoring them into a scratch database."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from watership.adapters.address import shown
from watership.adapters.files.backups import BackupFolder, Contents, altered, contents_of, differences
from watership.adapters.postgres.contents import beat_in, contents, session
from watership.adapters.postgres.dump import dump_command, of_database, ran, restore_command, variables
from watership.errors import BadInput, Unavailable, Untrusted
from watership.releases.ports import Backup
from watership.releases.readiness.restore import Restored

SUFFIX: Final = ".dump"

BOUND: Final = 3_600.0
"""Seconds that a dump, or a restore with its comparison, may take. What takes longer needs more than a dump."""

SCRATCH_SECONDS: Final = 60.0
"""How long it may take to make the scratch database, and to drop it."""

SCRATCH: Final = "watership_restore_"
"""What a scratch database's name begins with."""


class PostgresBackups:
    """Backups of the database at `url`, kept in `folder`.

    They are restored into a fresh database of the server at `scratch`; where none is named, of the same server.
    """

    def __init__(self, url: str, folder: Path, *, scratch: str | None = None, seconds: float = BOUND) -> None:
        self._url = url
        self._scratch = scratch or url
        self._folder = BackupFolder(folder)
        self._seconds = seconds

    async def create(self, name: str) -> Backup:
        """Dump it. Raises Unavailable where that cannot be done, or takes too long; then nothing is left of it."""
        draft = self._folder.begin(name, SUFFIX, datetime.now(UTC))
        try:
            async with _within(self._seconds, "The dump"):
                held = await self._dump(draft.partial)
            return await asyncio.to_thread(self._folder.keep, draft, held)
        finally:
            draft.partial.unlink(missing_ok=True)

    async def verify(self, backup: Backup) -> Sequence[str]:
        """Restore it and compare. Raises Unavailable where there is nothing to restore it into."""
        try:
            return (await self.restored(backup)).wrong
        except (BadInput, Untrusted) as error:
            return [str(error)]

    @asynccontextmanager
    async def scratch_of(self, backup: Backup) -> AsyncIterator[str]:
        """The address of a scratch database that it was restored into. Raises BadInput for what cannot be restored."""
        async with self._scratch_database() as url:
            async with _within(self._seconds, "The restore"):
                await _restore(backup, url)
            yield url

    async def restored(self, backup: Backup) -> Restored:
        """Restore it into a scratch database and look at that. Raises BadInput for what cannot be restored."""
        began = time.monotonic()
        if wrong := await asyncio.to_thread(altered, backup):
            return Restored(
                wrong=wrong, restore_seconds=time.monotonic() - began, compare_seconds=0.0, beat=None
            )
        wanted = contents_of(backup)
        async with self._scratch_database() as url, _within(self._seconds, "The restore"):
            await _restore(backup, url)
            restored = time.monotonic()
            async with session(url) as connection:
                found, beat = await contents(connection), await beat_in(connection)
        return Restored(
            wrong=differences(wanted, found),
            restore_seconds=restored - began,
            compare_seconds=time.monotonic() - restored,
            beat=beat,
        )

    async def _dump(self, file: Path) -> Contents:
        """Dump and count what one snapshot shows, which this session holds until both are done."""
        async with session(self._url) as connection:
            # It ends with its session: on a link that has died nobody would answer to its end.
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            held = await contents(connection)
            command = dump_command(self._url, snapshot=snapshot, file=file)
            if words := await ran(command, variables(self._url)):
                raise Unavailable(f"{shown(self._url)} could not be dumped: {words}")
            return held

    @asynccontextmanager
    async def _scratch_database(self) -> AsyncIterator[str]:
        """The address of a database that nobody else has, dropped at the end whatever happens."""
        name = SCRATCH + secrets.token_hex(8)
        try:
            async with _within(SCRATCH_SECONDS, "CREATE DATABASE"), session(self._scratch) as connection:
                await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            yield of_database(self._scratch, name)
        finally:
            drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
            async with _within(SCRATCH_SECONDS, drop), session(self._scratch) as connection:
                await connection.execute(drop)


async def _restore(backup: Backup, url: str) -> None:
    command = restore_command(url, file=Path(backup.path))
    if words := await ran(command, variables(url)):
        raise BadInput(f"{backup.path} cannot be restored: {words}")


@asynccontextmanager
async def _within(seconds: float, what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Unavailable(f"{what} took longer than {seconds:g} s, and was ended.") from None
