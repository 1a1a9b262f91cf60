"""What `pgbackrest info` and `repo-ls` tell, read strictly: what is not as expected is no catalogue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from watership.errors import NotFound, Unavailable

_PIECE: Final = re.compile(r"([0-9A-F]{24})-[0-9a-f]{40}(\.\w+)?")


class Stamps(Struct, frozen=True, kw_only=True):
    """When a backup began and ended, in seconds of the epoch."""

    start: int
    stop: int


class Sizes(Struct, frozen=True, kw_only=True):
    """What a backup holds, in bytes; of the last one alone: `delta`."""

    size: Annotated[int, Meta(ge=1)]
    delta: Annotated[int, Meta(ge=0)]


class Of(Struct, frozen=True, kw_only=True):
    """Which of the stanza's databases something is of: an upgrade begins another."""

    id: int


class Taken(Struct, frozen=True, kw_only=True):
    """One backup of the repository."""

    label: str
    type: Literal["full", "diff", "incr"]
    timestamp: Stamps
    info: Sizes
    database: Of
    error: bool = False
    """Whether pages were bad when it was taken."""

    @property
    def ended(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp.stop, UTC)


class Pieces(Struct, frozen=True, kw_only=True):
    """The pieces of the log that are kept of one database."""

    database: Of
    max: str | None


class Database(Struct, frozen=True, kw_only=True):
    """A database that the stanza has or had."""

    id: int
    system_id: int = field(name="system-id")
    version: str


class Status(Struct, frozen=True, kw_only=True):
    code: int
    message: str


class Catalogue(Struct, frozen=True, kw_only=True):
    """A stanza's part of the repository."""

    name: str
    status: Status
    db: tuple[Database, ...] = ()
    backup: tuple[Taken, ...] = ()
    archive: tuple[Pieces, ...] = ()

    @property
    def current(self) -> Database:
        """The database that the stanza has now."""
        if not self.db:
            raise NotFound(f"The stanza {self.name} has no database.", fix="pgbackrest stanza-create")
        return max(self.db, key=lambda each: each.id)

    @property
    def newest_piece(self) -> str:
        """The last piece of the log that is kept. Raises Unavailable where there is none."""
        kept = next((each.max for each in self.archive if each.database.id == self.current.id), None)
        if not kept:
            raise Unavailable(
                f"The archive of {self.name} has no piece of the log.", fix="pgbackrest check says why."
            )
        return kept

    def find(self, label: str) -> Taken:
        """The backup of that label. Raises NotFound."""
        found = next((each for each in self.backup if each.label == label), None)
        if found is None:
            raise NotFound(
                f"The repository of {self.name} has no backup {label}: it has expired, or was removed.",
                fix="watership backup list",
            )
        return found

    def base_for(self, moment: datetime) -> Taken:
        """The newest backup that had ended by then. Raises NotFound."""
        fit = [each for each in self.backup if each.ended <= moment and each.database.id == self.current.id]
        if not fit:
            raise NotFound(f"No backup of {self.name} had ended by {moment:%Y-%m-%d %H:%M:%S}Z.")
        return max(fit, key=lambda each: each.timestamp.stop)


class Piece(Struct, frozen=True, kw_only=True):
    """A finished piece of the log in the repository, and since when."""

    name: str
    at: datetime
    bytes: int


class _Entry(Struct, frozen=True, kw_only=True):
    type: str
    time: int | None = None
    size: int | None = None


def catalogue(answer: str, stanza: str) -> Catalogue:
    """What `info` told of a stanza. Raises Unavailable for what is no such answer, NotFound without one."""
    try:
        every = msgspec.json.decode(answer, type=tuple[Catalogue, ...])
    except msgspec.DecodeError as reason:
        raise Unavailable(f"pgbackrest info did not tell what it should: {reason}.") from reason
    found = next((each for each in every if each.name == stanza), None)
    if found is None or found.status.code in (1, 3):  # no such stanza; a repository without one
        why = found.status.message if found else "it is not told of"
        raise NotFound(f"pgBackRest has no stanza {stanza}: {why}.", fix="pgbackrest stanza-create")
    if found.status.code not in (0, 2):  # ok; there are no backups yet
        raise Unavailable(f"The repository of {stanza} is not in order: {found.status.message}.")
    return found


def pieces(answer: str) -> Sequence[Piece]:
    """What `repo-ls` told of the log, the oldest first. Raises Unavailable for what is no such answer."""
    try:
        every = msgspec.json.decode(answer, type=dict[str, _Entry])
    except msgspec.DecodeError as reason:
        raise Unavailable(f"pgbackrest repo-ls did not tell what it should: {reason}.") from reason
    found = []
    for path, entry in every.items():
        named = _PIECE.fullmatch(path.rpartition("/")[2])
        if named is None or entry.time is None or entry.size is None:
            continue
        found.append(Piece(name=named[1], at=datetime.fromtimestamp(entry.time, UTC), bytes=entry.size))
    return sorted(found, key=lambda each: each.name)
