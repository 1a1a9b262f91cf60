"""Backups by pgBackRest: each with a restore point after it, verified by a server that starts on what it restores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from watership.adapters.files.backups import BackupFolder, altered_record, contents_of, differences
from watership.adapters.pgbackrest.commands import (
    Kind,
    Stanza,
    Target,
    ToMoment,
    ToPoint,
    backup_command,
    fetching,
    info_command,
    pieces_command,
    restore_command,
)
from watership.adapters.pgbackrest.configuration import user_of
from watership.adapters.pgbackrest.info import Catalogue, Piece, Taken, catalogue, pieces
from watership.adapters.pgbackrest.marking import Marked, mark
from watership.adapters.postgres.contents import beat_in, contents, session
from watership.adapters.postgres.pool import Session
from watership.adapters.postgres.scratch_server import LOOK_SECONDS, ScratchServer, folders
from watership.adapters.postgres.server_program import answer
from watership.errors import BadInput, Conflict, Unavailable, Untrusted
from watership.releases.ports import Backup
from watership.releases.readiness.archived import Recovered
from watership.releases.readiness.restore import Restored

SUFFIX: Final = ".pgbackrest"

BOUND: Final = 4 * 3_600.0
"""Seconds that a backup may take, and a restore with its replay: an hour is soon past with a terabyte."""

ASK_SECONDS: Final = 60.0
"""How long pgBackRest may take to tell what it has."""

KEPT_SECONDS: Final = 120.0
"""How long a piece of the log may take from the server to the archive."""

ROOM: Final = 1.2
"""What a restore takes, of the size of its backup: the log that is replayed is added to it."""


class Pointer(Struct, frozen=True, kw_only=True):
    """What stands in a backup's file: where it lies."""

    stanza: str
    config: str
    label: str
    type: Kind
    point: str
    lsn: str
    system: int
    version: str
    database: str
    role: str


class PgBackRestBackups:
    """Backups of the server that `stanza` names, of which the database at `url` is compared; records in `folder`."""

    def __init__(
        self,
        url: str,
        folder: Path,
        stanza: Stanza,
        *,
        kind: Kind = "incr",
        into: Path | None = None,
        seconds: float = BOUND,
    ) -> None:
        self._url = url
        self._folder = BackupFolder(folder)
        self._stanza = stanza
        self._kind: Kind = kind
        self._into = into
        self._seconds = seconds

    async def create(self, name: str) -> Backup:
        """Take a backup, and mark a point after it."""
        return await self.point(name, await self.base())

    async def base(self) -> str:
        """Take a backup of the whole server; its label. Raises Unavailable, Conflict where it is another server."""
        found = await self.catalogue()
        await self._require_server(found)
        before = {each.label for each in found.backup}
        await self._answer(backup_command(self._stanza, self._kind), self._seconds)
        fresh = [each for each in (await self.catalogue()).backup if each.label not in before]
        if not fresh:
            raise Unavailable("pgBackRest says that it took a backup, and tells of no new one.")
        return max(fresh, key=lambda each: each.timestamp.stop).label

    async def point(self, name: str, label: str) -> Backup:
        """Mark a restore point, put on record what is there at it, and see the log as far as that in the archive."""
        found = await self.catalogue()
        taken = found.find(label)
        draft = self._folder.begin(name, SUFFIX, datetime.now(UTC))
        try:
            await self._require_server(found)
            marked = await mark(self._url, draft.id)
            await self._archived(marked)
            pointer = self._pointer(found, taken, draft.id, marked)
            draft.partial.write_bytes(msgspec.json.format(msgspec.json.encode(pointer), indent=2) + b"\n")
            return await asyncio.to_thread(self._folder.keep, draft, marked.contents, size=taken.info.size)
        finally:
            draft.partial.unlink(missing_ok=True)

    async def again(self, name: str, backup: Backup) -> Backup:
        """Mark a restore point now, which is reached from the server's backup that `backup` is of."""
        return await self.point(name, self._read(backup).label)

    async def verify(self, backup: Backup) -> Sequence[str]:
        """Restore it to its point and compare. Raises Unavailable where there is nothing to restore it into."""
        try:
            return (await self.restored(backup)).wrong
        except (BadInput, Untrusted) as error:
            return [str(error)]

    async def restored(self, backup: Backup) -> Restored:
        """Restore it elsewhere to its point and look at that. Raises BadInput for what cannot be restored."""
        return await self._restored(backup, None)

    async def recovered(self, backup: Backup, edge: str) -> Recovered:
        """Restore it elsewhere to its point, look at that, and go on to the last piece of the log, `edge`."""
        return await self._restored(backup, edge)

    async def edge(self) -> str:
        """The last piece of the log that is in the archive."""
        return (await self.catalogue()).newest_piece

    async def catalogue(self) -> Catalogue:
        """What the repository has of the stanza."""
        return catalogue(await self._answer(info_command(self._stanza), ASK_SECONDS), self._stanza.name)

    async def log(self) -> Sequence[Piece]:
        """The pieces of the log that the repository has, the oldest first."""
        return pieces(await self._answer(pieces_command(self._stanza), ASK_SECONDS))

    @asynccontextmanager
    async def at(self, moment: datetime) -> AsyncIterator[tuple[Taken, str]]:
        """The address of the database as it was at `moment`, on a scratch server that lives as long as this."""
        found = await self.catalogue()
        taken = found.base_for(moment)
        role, database = self._who()
        async with self._scratch(taken, found.current.version, ToMoment(at=moment)) as server:
            await server.start()
            url = server.url(database, role)
            await self._until(server, url, _writes)
            yield taken, url

    @asynccontextmanager
    async def at_point(self, backup: Backup) -> AsyncIterator[str]:
        """The address of the database at the point of that backup, on a scratch server that lives as long as this."""
        pointer = self._read(backup)
        taken = (await self.catalogue()).find(pointer.label)
        async with self._scratch(taken, pointer.version, ToPoint(name=pointer.point)) as server:
            await server.start()
            url = server.url(pointer.database, pointer.role)
            await self._until(server, url, _standing_at(pointer.lsn))
            yield url

    async def _restored(self, backup: Backup, edge: str | None) -> Recovered:
        began = time.monotonic()
        pointer, wanted = self._read(backup), contents_of(backup)
        taken = (await self.catalogue()).find(pointer.label)
        async with self._scratch(taken, pointer.version, ToPoint(name=pointer.point)) as server:
            restored = time.monotonic()
            url = server.url(pointer.database, pointer.role)
            # What comes after the edge is not to be had from the start: a replay fetches ahead of where it stands.
            lasting = (
                {} if edge is None else {"restore_command": fetching(self._stanza, server.data, newest=edge)}
            )
            await server.start(lasting)
            await self._until(server, url, _standing_at(pointer.lsn))
            replayed = time.monotonic()
            async with session(url) as connection:
                found, beat = await contents(connection, logged=True), await beat_in(connection)
            compared = time.monotonic()
            if edge is not None:
                await server.stop(orderly=True)
                onward = {"recovery_target_name": "", "recovery_target_action": "promote"}
                await server.start(lasting | onward)
                await self._until(server, url, _writes)
                async with session(url) as connection:
                    beat = await beat_in(connection)
        return Recovered(
            wrong=differences(wanted, found),
            restore_seconds=restored - began,
            replay_seconds=replayed - restored,
            compare_seconds=compared - replayed,
            tail_seconds=time.monotonic() - compared,
            beat=beat,
        )

    @asynccontextmanager
    async def _scratch(self, taken: Taken, version: str, to: Target) -> AsyncIterator[ScratchServer]:
        """A server on what is restored, which is not started yet; it is ended, and its data removed."""
        user, room = user_of(self._stanza), int(taken.info.size * ROOM)
        async with folders(self._into, user, room=room) as (data, spaces, run):
            await self._answer(
                restore_command(self._stanza, label=taken.label, data=data, spaces=spaces, to=to),
                self._seconds,
                refused=True,
            )
            server = ScratchServer(data, run, user=user, version=version)
            try:
                yield server
            finally:
                await server.stop()

    async def _until(
        self, server: ScratchServer, url: str, there: Callable[[Session], Awaitable[bool]]
    ) -> None:
        deadline = time.monotonic() + self._seconds
        while True:
            server.require_living()
            try:
                async with session(url) as connection:
                    if await there(connection):
                        return
            except Unavailable as reason:
                silence = str(reason)
            else:
                silence = "it is not as far"
            if time.monotonic() > deadline:
                raise Unavailable(f"The restored server was not there within {self._seconds:g} s: {silence}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _answer(self, command: Sequence[str], seconds: float, *, refused: bool = False) -> str:
        try:
            return await answer(command, user=user_of(self._stanza), seconds=seconds)
        except Unavailable as error:
            if refused:
                raise BadInput(f"It cannot be restored: {error}") from error
            raise

    async def _require_server(self, found: Catalogue) -> None:
        """Raises Conflict where the database is not of the server that the stanza backs up."""
        async with session(self._url) as connection:
            system = await connection.fetchval("SELECT system_identifier FROM pg_control_system()")
        if system != found.current.system_id:
            raise Conflict(
                f"The stanza {self._stanza.name} is of another server than the database.",
                fix="Name the stanza of that server: --stanza NAME",
            )

    async def _archived(self, marked: Marked) -> None:
        """Send the piece of the log with the point to the archive, and look until the repository has it."""
        async with session(self._url) as connection:
            await connection.execute("SELECT pg_switch_wal()")
        deadline = time.monotonic() + KEPT_SECONDS
        while (newest := (await self.catalogue()).newest_piece) < marked.piece:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The archive ends at {newest}; {marked.piece} has not come within {KEPT_SECONDS:g} s.",
                    fix="SELECT * FROM pg_stat_archiver says why.",
                )
            await asyncio.sleep(LOOK_SECONDS)

    def _pointer(self, found: Catalogue, taken: Taken, point: str, marked: Marked) -> Pointer:
        role, database = self._who()
        return Pointer(
            stanza=self._stanza.name,
            config=self._stanza.config,
            label=taken.label,
            type=taken.type,
            point=point,
            lsn=marked.lsn,
            system=found.current.system_id,
            version=found.current.version,
            database=database,
            role=role,
        )

    def _who(self) -> tuple[str, str]:
        """The role and the database of the address."""
        parts = urlsplit(self._url)
        role = unquote(parts.username or "")
        return role or "postgres", unquote(parts.path.removeprefix("/")) or role or "postgres"

    def _read(self, backup: Backup) -> Pointer:
        """Where a backup lies. Raises Untrusted, BadInput."""
        if wrong := altered_record(backup):
            raise Untrusted(wrong)
        pointer = pointed(backup)
        if pointer.stanza != self._stanza.name:
            raise BadInput(f"{backup.id} is of the stanza {pointer.stanza}, not of {self._stanza.name}.")
        return pointer


def pointed(backup: Backup) -> Pointer:
    """Where a backup of pgBackRest lies. Raises Untrusted for a file that is gone or says nothing."""
    try:
        return msgspec.json.decode(Path(backup.path).read_bytes(), type=Pointer)
    except (OSError, msgspec.DecodeError) as reason:
        raise Untrusted(f"{backup.path} does not say where the backup lies: {reason}.") from reason


async def _writes(connection: Session) -> bool:
    recovering: bool = await connection.fetchval("SELECT pg_is_in_recovery()")
    return not recovering


def _standing_at(lsn: str) -> Callable[[Session], Awaitable[bool]]:
    async def stands(connection: Session) -> bool:
        found: bool = await connection.fetchval(
            "SELECT pg_is_wal_replay_paused() AND pg_last_wal_replay_lsn() >= $1::text::pg_lsn", lsn
        )
        return found

    return stands
